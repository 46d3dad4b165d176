//! The operator's document: watched through the Kubernetes API, read from where it is mounted while the
//! API has not answered, and put in force whole or not at all.

mod assembly;
mod board;
mod keeper;
mod mount;

use std::sync::Arc;

use crds::part::config_map_name;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use self::assembly::{Assembly, assemble};
use self::board::Board;
use self::keeper::Keeper;
use self::mount::Mount;
use crate::api::{self, PATIENCE, Told};
use crate::clock;
use crate::metrics::{DocumentOrigin, WatchMetrics};
use crate::node::Node;
use crate::proxy::Fleet;
use crate::settings::DocumentSource;

/// Keeps the node's limits and the fleet's policies as the document says, for ever.
///
/// What the API says counts from its first word on; until then, where it is silent for some seconds,
/// the mounted files do. A document that is wrong, or gone, leaves the one before in force.
pub async fn run(client: Client, source: DocumentSource, node: Arc<Node>, fleet: Option<Arc<Fleet>>) {
    let metrics = node.metrics().watch("configmaps");
    let mut parts =
        Parts { client, source: source.clone(), metrics, board: Arc::default(), watches: Vec::new() };
    let mut keeper = Keeper::new(node, fleet);
    let mut mount = source.folder.map(Mount::new);
    let patience_ends = clock::timer() + PATIENCE;
    parts.watch(1);
    loop {
        match parts.board.read() {
            Some(said) => {
                mount = None;
                let name = |index| config_map_name(&source.name, index);
                let assembly = assemble(&said, |index| format!("the ConfigMap {}", name(index)));
                parts.watch(wanted(&assembly));
                keeper.take(assembly, DocumentOrigin::Api).await;
            }
            None => {
                keeper.waits(&parts.board.failure());
                if clock::timer() >= patience_ends
                    && let Some(mount) = &mount
                {
                    keeper.take(mount.read().await, DocumentOrigin::Mount).await;
                }
            }
        }
        tokio::select! {
            // A word that came since the board was read is kept for whoever asks next.
            () = parts.board.changed.notified() => {}
            () = mounted(mount.as_ref(), patience_ends) => {}
        }
    }
}

/// Waits until the mount is worth reading: once patience has ended, whenever its files change.
async fn mounted(mount: Option<&Mount>, patience_ends: Instant) {
    match mount {
        None => std::future::pending().await,
        Some(_) if clock::timer() < patience_ends => sleep_until(patience_ends).await,
        Some(mount) => mount.changed().await,
    }
}

/// How many ConfigMaps to watch: each that belongs to the document, and always the first.
const fn wanted(assembly: &Assembly) -> usize {
    match assembly {
        Assembly::Whole { parts, .. } | Assembly::Incomplete { parts, .. } => *parts,
        Assembly::Missing { .. } | Assembly::Wrong(_) => 1,
    }
}

/// The watches of the document's ConfigMaps: one each, by name, since an account may be allowed to
/// read these and no others.
struct Parts {
    client: Client,
    source: DocumentSource,
    metrics: WatchMetrics,
    board: Arc<Board>,
    watches: Vec<AbortOnDropHandle<()>>,
}

impl Parts {
    /// Watches so many, and no more.
    fn watch(&mut self, parts: usize) {
        self.watches.truncate(parts);
        self.board.truncate(parts);
        for index in self.watches.len()..parts {
            let name = config_map_name(&self.source.name, index);
            let api = Api::namespaced(self.client.clone(), &self.source.namespace);
            let config = Config::default().fields(&format!("metadata.name={name}"));
            let (board, metrics) = (Arc::clone(&self.board), self.metrics.clone());
            let watch = async move {
                let tell = |told: Told<'_, ConfigMap>| match told {
                    Told::All(maps) => board.put(index, maps.get(&name)),
                    Told::Failed(failure) => board.failed(index, failure),
                };
                api::watch(&name, api, config, &metrics, tell).await;
            };
            self.watches.push(AbortOnDropHandle::new(tokio::spawn(watch)));
        }
    }
}
