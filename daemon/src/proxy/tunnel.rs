//! Connections that have gone over to another protocol, such as WebSocket: bytes both ways until either
//! side ends. The request holds its place in the window for as long.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::flight::Flight;
use super::upstream::Lease;

/// Carries bytes between the two.
pub async fn carry(client: OnUpgrade, upstream: OnUpgrade, flight: Flight, lease: Lease) {
    let both = futures_util::future::try_join(client, upstream);
    match both.await {
        Ok((client, upstream)) => {
            let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
            match tokio::io::copy_bidirectional(&mut client, &mut upstream).await {
                Ok(_) => flight.complete(),
                Err(error) => tracing::debug!(%error, "a tunnel broke off"),
            }
        }
        Err(error) => tracing::debug!(%error, "a connection did not go over to another protocol"),
    }
    drop(lease);
}
