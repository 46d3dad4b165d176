//! Vectors, the index against a plain search, skew and movement.

use super::*;

const HASHES: [RingHash; 3] = [RingHash::Fnv1, RingHash::Fnv1a, RingHash::Xxh3];

fn ring(hash: RingHash, peers: usize) -> Ring<usize> {
    Ring::new(hash, (0..peers).map(|peer| (format!("10.0.0.{peer}:1051"), peer)))
}

#[test]
fn names_round_trip() {
    for hash in HASHES {
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }
    let error = "crc32".parse::<RingHash>().unwrap_err().to_string();
    assert_eq!(error, "unknown ring hash 'crc32'; give 'fnv1', 'fnv1a' or 'xxh3'");
}

#[test]
fn a_key_is_hashed_as_if_joined() {
    for hash in HASHES {
        for len in [1, 3, 127, 128, 240, 255, 256, 257, 4_096] {
            let (name, key) = ("n".repeat(len / 2 + 1), "é".repeat(len));
            assert_eq!(hash.of_key(&name, &key), hash.of(format!("{name}_{key}").as_bytes()), "{hash} {len}");
        }
    }
}

#[test]
fn the_index_finds_what_a_plain_search_finds() {
    for hash in HASHES {
        for peers in [1, 2, 3, 10, 100] {
            let ring = ring(hash, peers);
            let mut sorted = ring.points.clone();
            sorted.sort_unstable();
            assert_eq!(sorted.len(), peers * REPLICAS);
            let edges =
                sorted.iter().flat_map(|point| [-1, 0, 1].map(|by| point.hash.wrapping_add_signed(by)));
            for key in edges.chain([0, 1, u64::MAX, u64::MAX - 1]) {
                let plain = sorted.iter().position(|point| point.hash >= key).unwrap_or(0);
                assert_eq!(ring.position(key), plain, "{hash} {peers} {key:x}");
                if peers > 10 {
                    break;
                }
            }
        }
    }
}

#[test]
fn an_empty_ring_has_no_owner() {
    let ring = Ring::<()>::new(RingHash::Xxh3, []);
    assert_eq!((ring.owner("a", "b"), ring.successors("a", "b").count()), (None, 0));
    assert!(ring.is_empty());
}

#[test]
fn order_and_repetition_of_peers_do_not_matter() {
    let forward = Ring::new(RingHash::Fnv1, ["a:1", "b:1", "c:1"].map(|peer| (peer.to_owned(), peer)));
    let backward =
        Ring::new(RingHash::Fnv1, ["c:1", "b:1", "c:1", "a:1"].map(|peer| (peer.to_owned(), peer)));
    assert_eq!((backward.len(), backward.replicas()), (3, 512));
    assert!(forward.peers().eq(backward.peers()));
    for id in 0..1_000 {
        let key = id.to_string();
        assert_eq!(forward.owner("n", &key), backward.owner("n", &key));
    }
}

#[test]
fn successors_are_who_would_own_next() {
    for hash in HASHES {
        let ring = ring(hash, 5);
        for id in 0..200 {
            let key = id.to_string();
            let order: Vec<usize> = ring.successors("n", &key).copied().collect();
            assert_eq!(order.first(), ring.owner("n", &key));
            assert_eq!(order.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
            let without = Ring::new(
                hash,
                ring.peers().filter(|&(_, peer)| *peer != order[0]).map(|(at, peer)| (at.to_owned(), *peer)),
            );
            assert_eq!(without.owner("n", &key), Some(&order[1]));
        }
    }
}

/// The busiest peer's keys, as a share of what each would have if all had the same.
fn busiest(ring: &Ring<usize>, keys: usize, key: impl Fn(usize) -> String) -> f64 {
    let mut owned = vec![0_usize; ring.len()];
    for id in 0..keys {
        owned[*ring.owner("ratelimit", &key(id)).unwrap()] += 1;
    }
    *owned.iter().max().unwrap() as f64 * ring.len() as f64 / keys as f64
}

#[test]
fn xxh3_has_no_skew_on_ids_in_sequence() {
    let sequence = |id| format!("account:{}", 1_000 + id);
    let xxh3 = busiest(&ring(RingHash::Xxh3, 10), 100_000, sequence);
    println!("busiest of 10 peers, 100,000 sequential ids, of its even share: xxh3 {xxh3:.3}");
    assert!(xxh3 < 1.15, "{xxh3}");
    // Few ids are as even as chance allows, where FNV-1 puts them all on one or two peers.
    let few = busiest(&ring(RingHash::Xxh3, 10), 100, sequence);
    let fnv1 = busiest(&ring(RingHash::Fnv1, 10), 100, sequence);
    println!("the same with 100 ids: xxh3 {few:.2}, fnv1 {fnv1:.2}");
    assert!(few < 2.5 && fnv1 > 5.0, "{few} {fnv1}");
}

#[test]
fn a_join_moves_its_share_and_nothing_else() {
    for hash in HASHES {
        let (before, after) = (ring(hash, 10), ring(hash, 11));
        let keys = 50_000_u64;
        let mut moved = 0_u64;
        for id in 0..keys {
            // Spread well, so that the share is the ring's and not the keys'.
            let key = format!("{:016x}", id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let (old, new) = (before.owner("n", &key), after.owner("n", &key));
            if old != new {
                assert_eq!(new, Some(&10), "a key may move to the newcomer only");
                moved += 1;
            }
        }
        let share = moved as f64 / keys as f64;
        println!("{hash}: a join to 10 peers moved {share:.3} of the keys, 1/11 is 0.091");
        assert!((0.07..0.12).contains(&share), "{hash} {share}");
    }
}

#[test]
fn distributions_printed_in_the_specification() {
    let hosts = ["a.svc.local", "b.svc.local", "c.svc.local"];
    for (hash, expected) in [(RingHash::Fnv1, [2948, 3592, 3460]), (RingHash::Fnv1a, [3110, 3856, 3034])] {
        let ring = Ring::new(hash, hosts.map(|host| (host.to_owned(), ())));
        let mut owned = [0; 3];
        for id in 0..10_000 {
            // The original's test looks up the text itself, with no name before it.
            let text = format!("192.168.{}.{}", id >> 8, id & 255);
            owned[ring.points[ring.position(hash.of(text.as_bytes()))].peer as usize] += 1;
        }
        assert_eq!(owned, expected, "{hash}");
    }
}
