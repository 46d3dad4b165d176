//! Gubernator's ring, hash by hash and owner by owner.

use serde::Deserialize;
use wicketgate_engine::{Ring, RingHash};

use crate::replay::testdata;

#[derive(Deserialize)]
struct Recorded {
    hashes: Vec<HashOf>,
    rings: Vec<RecordedRing>,
}

#[derive(Deserialize)]
struct HashOf {
    text: String,
    fnv1: String,
    fnv1a: String,
}

#[derive(Deserialize)]
struct RecordedRing {
    ring: String,
    replicas: usize,
    peers: Vec<String>,
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    name: String,
    unique_key: String,
    fnv1: String,
    fnv1a: String,
}

fn ring(hash: RingHash, peers: &[String]) -> Ring<String> {
    Ring::new(hash, peers.iter().map(|peer| (peer.clone(), peer.clone())))
}

#[test]
fn every_recorded_owner_is_ours() {
    let recorded: Recorded = serde_json::from_str(&testdata("ring.json")).expect("ring.json");
    for HashOf { text, fnv1, fnv1a } in &recorded.hashes {
        for (hash, expected) in [(RingHash::Fnv1, fnv1), (RingHash::Fnv1a, fnv1a)] {
            assert_eq!(&format!("{:016x}", hash.of(text.as_bytes())), expected, "{hash} of {text:?}");
        }
    }
    let mut compared = 0;
    for RecordedRing { ring: label, replicas, peers, keys } in &recorded.rings {
        let rings = [RingHash::Fnv1, RingHash::Fnv1a].map(|hash| ring(hash, peers));
        assert!(rings.iter().all(|ring| ring.replicas() == *replicas && ring.len() == peers.len()));
        for Key { name, unique_key, fnv1, fnv1a } in keys {
            for (ring, expected) in rings.iter().zip([fnv1, fnv1a]) {
                let owner = ring.owner(name, unique_key);
                assert_eq!(owner, Some(expected), "{label} {} {name} {unique_key}", ring.hash());
                assert_eq!(ring.successors(name, unique_key).next(), owner);
                compared += 1;
            }
        }
    }
    println!("{compared} recorded owners compared");
    assert_eq!(compared, 3_600, "the recording is not whole");
}

#[test]
fn owners_printed_in_the_specification() {
    let peers: Vec<String> = (9990..=9995).map(|port| format!("127.0.0.1:{port}")).collect();
    let ring = ring(RingHash::Fnv1, &peers);
    for (name, key, hash, port) in [
        ("ring0", "account:1000", 0xf0fb_d78f_991f_6de6, 9995),
        ("ring1", "account:1001", 0xb5f6_434a_fb93_8ec8, 9994),
        ("ring3", "account:1003", 0x83e8_1aa1_01b9_65ac, 9992),
        ("ring6", "account:1006", 0x367d_b08e_75a6_2606, 9990),
    ] {
        assert_eq!(RingHash::Fnv1.of_key(name, key), hash);
        assert_eq!(ring.owner(name, key), Some(&format!("127.0.0.1:{port}")));
    }
    assert_eq!(RingHash::Fnv1.of(b"a"), 0xaf63_bd4c_8601_b7be);
}
