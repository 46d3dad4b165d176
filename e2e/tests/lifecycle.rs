//! From start to end: probes, health, shutdown, the loss of an owner, and the commands beside `serve`.

mod age;
mod commands;
mod health;
mod owner_loss;
mod shutdown;

use e2e::grpc::Client;

use crate::requests::token;

/// A key that `asked` does not own, by its own word, and who does.
pub(crate) async fn key_of_another(asked: &Client) -> (String, String) {
    for number in 0..256 {
        let key = format!("account:{number}");
        let reply = asked.hit_one(token(&key, 0, 10, 600_000)).await;
        if let Some(owner) = reply.metadata.get("owner") {
            return (key, owner.clone());
        }
    }
    panic!("of 256 keys, some belong to another node");
}
