//! What each node shall be, from settings or from a RateLimitCluster.

use std::sync::Arc;
use std::time::Duration;

use crds::cluster as declared;
use engine::{Calendar, RingHash};

use super::AppError;
use super::manifests::Loaded;
use crate::args::Standalone;
use crate::node::{Needs, NodeSettings};
use crate::server::MaxAge;
use crate::settings::{Address, Batching, Discovery, OnOwnerUnavailable, Settings};

/// One node, before its listeners are open.
pub(super) struct NodePlan {
    pub(super) grpc: Address,
    pub(super) http: Address,
    /// `None` where no other node will ask.
    pub(super) peer: Option<Address>,
    pub(super) share_peer_port: bool,
    /// Port 0 stands for the one that `grpc` gets.
    pub(super) advertise: Address,
    /// Its own `advertise` is filled in when the listeners are open.
    pub(super) node: NodeSettings,
    pub(super) batching: Batching,
    pub(super) age: MaxAge,
    pub(super) process_metrics: bool,
}

impl NodePlan {
    pub(super) fn of(settings: Settings) -> Self {
        let alone = settings.discovery == Discovery::None;
        let discovered = matches!(settings.discovery, Discovery::Kubernetes(_));
        let needs = Needs {
            // A pod is listed because it is ready, so it cannot wait for that.
            listing: !discovered,
            discovery: discovered,
            document: settings.document.is_some(),
        };
        Self {
            grpc: settings.grpc_address,
            http: settings.http_address,
            peer: (!alone).then_some(settings.peer_address),
            share_peer_port: settings.share_peer_port,
            advertise: settings.advertise_address,
            node: NodeSettings {
                advertise: Arc::default(),
                data_center: settings.data_center,
                capacity: settings.cache_size,
                calendar: settings.calendar,
                max_clock_skew: settings.max_clock_skew,
                on_owner_unavailable: settings.on_owner_unavailable,
                batching_disabled: settings.batching.disabled,
                ring_hash: settings.ring_hash,
                needs,
            },
            batching: settings.batching,
            age: MaxAge(settings.grpc_max_connection_age),
            process_metrics: settings.process_metrics,
        }
    }
}

/// The nodes of a declared cluster, on consecutive ports of this machine.
pub(super) fn of_cluster(loaded: &Loaded, arguments: &Standalone) -> Result<Vec<NodePlan>, AppError> {
    let start = &loaded.document.start;
    let calendar = Calendar::new(&start.time_zone)
        .map_err(|unknown| loaded.invalid("spec.timeZone", &unknown.to_string()))?;
    let hash = match start.hash {
        declared::Hash::XXH3 => RingHash::Xxh3,
        declared::Hash::FNV1 => RingHash::Fnv1,
        declared::Hash::FNV1a => RingHash::Fnv1a,
    };
    let on_owner_unavailable = match start.on_owner_unavailable {
        declared::OnOwnerUnavailable::NextPeer => OnOwnerUnavailable::NextPeer,
        declared::OnOwnerUnavailable::Local => OnOwnerUnavailable::Local,
        declared::OnOwnerUnavailable::Error => OnOwnerUnavailable::Error,
    };
    let batching = Batching {
        wait: start.batching.wait.get(),
        timeout: start.batching.timeout.get(),
        limit: usize::try_from(start.batching.limit).unwrap_or(1),
        disabled: false,
    };
    let several = loaded.replicas > 1;
    (0..loaded.replicas)
        .map(|nth| {
            let grpc = nth_port(&arguments.grpc_address, nth, "--grpc-address")?;
            let http = nth_port(&arguments.http_address, nth, "--http-address")?;
            Ok(NodePlan {
                peer: several.then(|| Address::new(grpc.host(), 0)),
                share_peer_port: false,
                advertise: grpc.clone(),
                grpc,
                http,
                node: NodeSettings {
                    advertise: Arc::default(),
                    data_center: start.data_center.clone(),
                    capacity: usize::try_from(start.capacity).unwrap_or(usize::MAX),
                    calendar: calendar.clone(),
                    max_clock_skew: start.max_clock_skew.get(),
                    on_owner_unavailable,
                    batching_disabled: false,
                    ring_hash: hash,
                    needs: Needs::LISTING,
                },
                batching,
                age: MaxAge(None::<Duration>),
                process_metrics: true,
            })
        })
        .collect()
}

/// Node `nth` listens two ports apart: 1050 and 1051, 1052 and 1053, so that the nodes' HTTP and
/// gRPC ports interleave as the first pair does. Port 0 stays what it is: any free one.
fn nth_port(first: &Address, nth: u16, flag: &str) -> Result<Address, AppError> {
    if first.port() == 0 {
        return Ok(first.clone());
    }
    let port = nth
        .checked_mul(2)
        .and_then(|step| first.port().checked_add(step))
        .ok_or_else(|| AppError::Port { flag: flag.to_owned(), first: first.to_string(), nth })?;
    Ok(first.with_port(port))
}
