//! An API server that knows its version, one lease, and nothing else. It listens on the loopback
//! interface, without TLS.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// What the API server knows.
#[derive(Debug, Default)]
struct Lease {
    object: Option<Value>,
    version: u64,
    /// What it answers to every request for the lease, instead of doing as it is asked.
    refusal: Option<u16>,
}

/// An API server that runs until the tests end.
#[derive(Debug)]
pub(crate) struct Api {
    lease: Arc<Mutex<Lease>>,
    folder: TempDir,
}

impl Api {
    pub(crate) fn start() -> Self {
        let lease = Arc::new(Mutex::new(Lease::default()));
        let state = Arc::clone(&lease);
        let (say, hear) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                say.send(listener.local_addr().unwrap()).unwrap();
                axum::serve(listener, Router::new().fallback(answer).with_state(state)).await.unwrap();
            });
        });
        let folder = kubeconfig(hear.recv().unwrap());
        Self { lease, folder }
    }

    /// A kubeconfig that leads here.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// Answers so to every request for the lease from now on.
    pub(crate) fn refuse(&self, code: u16) {
        self.lease.lock().unwrap().refusal = Some(code);
    }

    /// Who holds the lease; empty where nobody does.
    pub(crate) fn holder(&self) -> String {
        let lease = self.lease.lock().unwrap();
        let holder = lease.object.as_ref().and_then(|lease| lease["spec"]["holderIdentity"].as_str());
        holder.unwrap_or_default().to_owned()
    }
}

/// A folder with a kubeconfig for an API server at `address`.
pub(crate) fn kubeconfig(address: SocketAddr) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "system"}}],
        "users": [{"name": "test", "user": {}}],
    });
    std::fs::write(folder.path().join("config"), config.to_string()).unwrap();
    folder
}

async fn answer(State(lease): State<Arc<Mutex<Lease>>>, method: Method, uri: Uri, body: Bytes) -> Response {
    if uri.path() == "/version" {
        let version = json!({
            "major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        });
        return version.to_string().into_response();
    }
    let mut lease = lease.lock().unwrap();
    let outcome = match lease.refusal {
        _ if !uri.path().contains("/leases") => Err(404),
        Some(code) => Err(code),
        None => lease.write(&method, &body),
    };
    match outcome {
        Ok(object) => object.to_string().into_response(),
        Err(code) => {
            let reason = if code == 404 { "NotFound" } else { "Other" };
            let status = json!({"status": "Failure", "code": code, "reason": reason, "message": "so it is"});
            (StatusCode::from_u16(code).unwrap(), status.to_string()).into_response()
        }
    }
}

impl Lease {
    fn write(&mut self, method: &Method, body: &[u8]) -> Result<Value, u16> {
        if *method == Method::GET {
            return self.object.clone().ok_or(404);
        }
        let mut object: Value = serde_json::from_slice(body).map_err(|_| 400_u16)?;
        let version = self.object.as_ref().map(|before| &before["metadata"]["resourceVersion"]);
        if version.is_some_and(|version| *version != object["metadata"]["resourceVersion"]) {
            return Err(409);
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.object = Some(object.clone());
        Ok(object)
    }
}
