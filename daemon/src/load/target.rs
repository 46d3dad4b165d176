//! Where the load may go.

use std::error::Error;

use super::LoadError;
use crate::settings::Address;

/// Checks that a target resolves, and to this machine alone unless another one is allowed.
pub(super) async fn check(address: &Address, allow_remote: bool) -> Result<(), LoadError> {
    let dialled = dialled(address);
    let found = tokio::net::lookup_host(dialled.as_str()).await;
    let unresolved = |reason: String| LoadError::Unresolved { address: address.to_string(), reason };
    let found: Vec<_> = found.map_err(|error| unresolved(error.to_string()))?.collect();
    if found.is_empty() {
        return Err(unresolved("the name has no address".to_owned()));
    }
    if !allow_remote && found.iter().any(|place| !place.ip().to_canonical().is_loopback()) {
        return Err(LoadError::Remote { address: address.to_string() });
    }
    Ok(())
}

/// What to dial: a listener on every interface is reached on this machine's own.
pub(super) fn dialled(address: &Address) -> Address {
    if address.is_unspecified() { Address::new("localhost", address.port()) } else { address.clone() }
}

/// The innermost cause: "connection refused", where what wraps it says "transport error".
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
