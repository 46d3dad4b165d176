//! Free ports of the loopback, for rings whose members must be named before they start.

use std::net::{SocketAddr, TcpListener};

/// `N` addresses of the loopback that nobody listens on. All are bound at once and then let go, so they
/// differ from each other.
///
/// # Panics
/// When the system has no port left.
pub fn free<const N: usize>() -> [SocketAddr; N] {
    let held: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port of the loopback"));
    held.each_ref().map(|listener| listener.local_addr().expect("the address of a bound port"))
}
