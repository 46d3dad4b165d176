//! `WICKETGATE_PEERS`: the ring's nodes, written out.

use std::str::FromStr;

use super::value::{Address, parse_list};

/// A node of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name on the ring: the ring hashes this text.
    pub advertise: Address,
    /// Where its PeersV1 is dialled.
    pub listener: Address,
}

impl FromStr for Peer {
    type Err = String;

    /// Parses `ADVERTISE` or `ADVERTISE@PEER_LISTENER`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (advertise, listener) = text.split_once('@').unwrap_or((text, text));
        Ok(Self { advertise: parse_dialable(advertise.trim())?, listener: parse_dialable(listener.trim())? })
    }
}

/// Parses the whole list.
///
/// # Errors
/// A part of the sentence "`WICKETGATE_PEERS` is `…`, which …", where an address is none, cannot be
/// dialled or comes twice.
pub fn parse_peers(text: &str) -> Result<Vec<Peer>, String> {
    let mut peers: Vec<Peer> = Vec::new();
    for part in parse_list(text) {
        let peer: Peer = part.parse()?;
        if peers.iter().any(|other| other.advertise == peer.advertise) {
            return Err(format!("names {} twice", peer.advertise));
        }
        peers.push(peer);
    }
    if peers.is_empty() { Err("names no peer".to_owned()) } else { Ok(peers) }
}

fn parse_dialable(text: &str) -> Result<Address, String> {
    let address: Address = text.parse().map_err(|why| format!("contains {text:?}, which {why}"))?;
    if address.is_unspecified() {
        return Err(format!("contains {text:?}, which means every interface and cannot be dialled"));
    }
    if address.port() == 0 {
        return Err(format!("contains {text:?}, whose port 0 cannot be dialled"));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_may_have_a_listener_of_its_own() {
        let peers = parse_peers("a:1051, b:1051@b:1052,").expect("two peers");
        let shown: Vec<_> = peers.iter().map(|p| (p.advertise.as_str(), p.listener.as_str())).collect();
        assert_eq!(shown, [("a:1051", "a:1051"), ("b:1051", "b:1052")]);
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_by_name() {
        for (text, why) in [
            (",", "names no peer"),
            ("a", "contains \"a\", which has no port"),
            ("a:1,a:1@a:2", "names a:1 twice"),
            (":1051", "contains \":1051\", which means every interface and cannot be dialled"),
            ("a:0", "contains \"a:0\", whose port 0 cannot be dialled"),
            ("a:1@", "contains \"\", which has no port"),
        ] {
            assert_eq!(parse_peers(text), Err(why.to_owned()));
        }
    }
}
