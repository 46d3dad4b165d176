//! Listeners, and what to do where one cannot be opened.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::settings::Address;

/// Connections that may wait to be accepted; the system may have a bound below it. A surge that finds no place
/// in the queue is not refused but left unheard, and tries again a second later, or never.
const BACKLOG: u32 = 4096;

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address} for {what}: {cause}{}", way_out(cause, setting))]
pub struct BindError {
    address: String,
    what: &'static str,
    setting: &'static str,
    cause: io::Error,
}

fn way_out(cause: &io::Error, setting: &str) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => format!("; stop what listens there, or set {setting} to another address"),
        io::ErrorKind::AddrNotAvailable => format!("; set {setting} to an address of this machine"),
        _ => format!("; {setting} decides it"),
    }
}

/// An open listener and where it is.
#[derive(Debug)]
pub struct Open {
    /// It.
    pub listener: TcpListener,
    /// Its address and port.
    pub at: SocketAddr,
}

/// Opens a listener as the library does, but for the queue.
async fn listen(text: &str) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::InvalidInput);
    for address in tokio::net::lookup_host(text).await? {
        let opened = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // Connections of the process before this one that are still dying keep nobody from the port.
            #[cfg(not(windows))]
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        match opened() {
            Ok(listener) => return Ok(listener),
            Err(cause) => last = cause,
        }
    }
    Err(last)
}

/// Opens a listener for `what`, whose address `setting` decides.
///
/// # Errors
/// Where no address of the host can be listened on.
pub async fn open(address: &Address, what: &'static str, setting: &'static str) -> Result<Open, BindError> {
    let mut last = io::Error::from(io::ErrorKind::InvalidInput);
    for text in address.bind_texts() {
        match listen(&text).await.and_then(|listener| {
            let at = listener.local_addr()?;
            Ok(Open { listener, at })
        }) {
            Ok(open) => return Ok(open),
            Err(cause) => last = cause,
        }
    }
    Err(BindError { address: address.to_string(), what, setting, cause: last })
}
