//! Who owns a key, on rings whose owners real nodes of the original told (`testdata/ring.json`).

use e2e::launch::Launch;
use e2e::ports;
use proto::gubernator::RateLimitReq;
use serde_json::Value;

use crate::requests::token;

#[tokio::test]
async fn fnv1_rings_have_the_original_s_owners() {
    owners("fnv1").await;
}

#[tokio::test]
async fn fnv1a_rings_have_the_original_s_owners() {
    owners("fnv1a").await;
}

/// Asks one node of each ring for the owner of each key. The node bears the first name of the ring; behind
/// all other names stands one process, for the names are what makes the ring.
async fn owners(hash: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/ring.json");
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for ring in recorded["rings"].as_array().unwrap() {
        let names: Vec<_> =
            ring["peers"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let [here, there] = ports::free();
        let listed: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(index, name)| format!("{name}@{}", if index == 0 { here } else { there }))
            .collect();
        let node = |name: &str, listener: std::net::SocketAddr| {
            Launch::serve()
                .env("GUBER_PEER_PICKER", "replicated-hash")
                .env("GUBER_PEER_PICKER_HASH", hash)
                .env("GUBER_ADVERTISE_ADDRESS", name)
                .env("WICKETGATE_PEERS", listed.join(","))
                .env("WICKETGATE_PEER_ADDRESS", listener.to_string())
        };
        let _others = node(names[1], there).start().await;
        let asked = node(names[0], here).start().await;
        let client = asked.node().client().await;

        let keys = ring["keys"].as_array().unwrap();
        let requests = keys.iter().map(|key| RateLimitReq {
            name: key["name"].as_str().unwrap().to_owned(),
            ..token(key["unique_key"].as_str().unwrap(), 0, 10, 60_000)
        });
        let replies = client.hit(requests.collect()).await;
        for (key, reply) in keys.iter().zip(&replies) {
            let told = reply.metadata.get("owner").map_or(names[0], String::as_str);
            assert_eq!(reply.error, "", "{} {key}", ring["ring"]);
            assert_eq!(told, key[hash].as_str().unwrap(), "{} {hash}: owner of {key}", ring["ring"]);
        }
        assert_eq!(keys.len(), 300);
    }
}
