//! What the watches of the document's ConfigMaps said last.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crds::part::{Part, PartError};
use k8s_openapi::api::core::v1::ConfigMap;
use tokio::sync::Notify;

use crate::api::Failure;

/// A part, what is wrong with it, or that it is not there.
pub(super) type Said = Option<Result<Part, PartError>>;

/// The latest word on each part.
#[derive(Debug, Default)]
pub(super) struct Board {
    said: Mutex<BTreeMap<usize, Said>>,
    failure: Mutex<String>,
    /// Told whenever there is another word.
    pub(super) changed: Notify,
}

impl Board {
    pub(super) fn put(&self, index: usize, map: Option<&ConfigMap>) {
        let said = map.map(|map| Part::from_data(map.data.clone().unwrap_or_default()));
        self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(index, said);
        self.changed.notify_one();
    }

    pub(super) fn failed(&self, index: usize, failure: &Failure) {
        if index == 0 {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure.to_string();
            self.changed.notify_one();
        }
    }

    /// What went wrong last with the first part; empty where nothing did.
    pub(super) fn failure(&self) -> String {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the parts from `parts` on: nobody watches them any more.
    pub(super) fn truncate(&self, parts: usize) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).split_off(&parts);
    }

    /// What was said of each part; `None` where the API has not said a word of the first.
    pub(super) fn read(&self) -> Option<BTreeMap<usize, Said>> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.contains_key(&0).then(|| said.clone())
    }
}
