//! A port of a pod as a port of this machine, through the API: it works wherever the API server does.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A listener on loopback; each connection to it is one to the pod, so that a client which connects anew
/// gets a new stream through the API. It ends when this is dropped.
#[derive(Debug)]
pub struct Forward {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Forward {
    /// Forwards to a port of a pod; whether the pod answers shows when somebody connects.
    ///
    /// # Panics
    /// When no port of this machine is free.
    pub async fn open(pods: Api<Pod>, pod: &str, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let pod = pod.to_owned();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(join(pods.clone(), pod.clone(), port, connection));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, task }
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Joins a connection with the pod's port. Where that fails the connection ends, which its client sees.
async fn join(pods: Api<Pod>, pod: String, port: u16, mut connection: TcpStream) {
    let _ = connection.set_nodelay(true);
    let Ok(mut forwarder) = pods.portforward(&pod, &[port]).await else { return };
    if let Some(mut stream) = forwarder.take_stream(port) {
        let _ = copy_bidirectional(&mut connection, &mut stream).await;
    }
    forwarder.abort();
}
