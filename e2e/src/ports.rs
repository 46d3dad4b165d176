//! Free ports of the loopback, for rings whose members must be named before they start.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

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

/// An address of the loopback that nobody listens on, and whose port no connection is given by the system:
/// it stays free while others open thousands. Each call gives another.
///
/// # Panics
/// When the system has no such port left.
pub fn lasting() -> SocketAddr {
    /// Below what systems give to connections.
    const FIRST: u16 = 18_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Runs beside each other begin at different ports.
    let begin = std::process::id().wrapping_mul(977) % u32::from(COUNT);
    for _ in 0..COUNT {
        let nth = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((begin + nth) % u32::from(COUNT)).unwrap_or(0);
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(at).is_ok() {
            return at;
        }
    }
    panic!("no port from {FIRST} on is free");
}
