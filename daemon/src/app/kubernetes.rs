//! What a node follows through the Kubernetes API: who else is there, and what is declared.

use std::sync::Arc;

use kube::Client;

use super::cluster::{Cluster, World};
use crate::api::{self, ApiError};
use crate::document;
use crate::peers::discovery;
use crate::proxy::secrets::{self, Secrets};
use crate::proxy::upstream::ResolveContext;
use crate::settings::{CredentialsSource, Discovery, DocumentSource, Kubernetes, Settings};

/// What is to be followed, and through which client; nothing where the settings do not ask for it.
pub(super) struct Follow {
    client: Option<Client>,
    discovery: Option<Kubernetes>,
    document: Option<DocumentSource>,
    credentials: Option<CredentialsSource>,
    secrets: Secrets,
}

impl Follow {
    pub(super) async fn of(settings: &Settings) -> Result<Self, ApiError> {
        let discovery = match &settings.discovery {
            Discovery::Kubernetes(kubernetes) => Some(kubernetes.clone()),
            Discovery::None | Discovery::Static(_) => None,
        };
        let document = settings.document.clone();
        let credentials = settings.credentials.clone();
        let wanted = discovery.is_some() || document.is_some() || credentials.is_some();
        let client = if wanted { Some(api::connect().await?) } else { None };
        Ok(Self { client, discovery, document, credentials, secrets: Secrets::default() })
    }

    /// What policies find in the cluster.
    pub(super) fn world(&self) -> World {
        let namespace = self.document.as_ref().map(|document| document.namespace.clone());
        // The metrics are the node's, which is yet to be made.
        let resolve = ResolveContext { client: self.client.clone(), namespace, metrics: None };
        World { secrets: self.secrets.clone(), resolve }
    }

    pub(super) fn start(self, cluster: &Cluster) {
        let Some(client) = self.client else { return };
        for roster in cluster.rosters() {
            if let Some(settings) = &self.discovery {
                cluster.watch(discovery::run(client.clone(), settings.clone(), roster.clone()));
            }
            if let Some(source) = &self.credentials {
                let metrics = roster.node().metrics().watch("secrets");
                let (source, secrets) = (source.clone(), self.secrets.clone());
                cluster.watch(secrets::cluster::run(client.clone(), source, secrets, metrics));
            }
            if let Some(source) = &self.document {
                let (node, fleet) = (Arc::clone(roster.node()), cluster.fleet());
                cluster.watch(document::run(client.clone(), source.clone(), node, Some(fleet)));
            }
        }
    }
}
