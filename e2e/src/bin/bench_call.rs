//! What `bench/run` needs beside `h2load`: the calls as files, one call that is looked at, a free port.
//!
//! ```text
//! bench-call write FOLDER                 one.call and thousand.call, framed for gRPC
//! bench-call ask HOST:PORT CALL [REPLY]   sends a call, insists on answers without error, prints the size
//!                                         of the framed reply and writes it to REPLY
//! bench-call spent HOST:PORT              hits that the first key has taken so far
//! bench-call port                         a port of the loopback that nobody listens on
//! ```

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use e2e::clock::await_some;
use e2e::framing::{PREFIX, frame, load_call};
use e2e::grpc::Client;
use e2e::ports;
use prost::Message;
use proto::gubernator::{GetRateLimitsReq, GetRateLimitsResp};

const USAGE: &str = "bench-call write FOLDER | ask HOST:PORT CALL [REPLY] | spent HOST:PORT | port";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["write", folder] => {
            fs::write(Path::new(folder).join("one.call"), frame(&load_call(1)))?;
            fs::write(Path::new(folder).join("thousand.call"), frame(&load_call(1_000)))?;
        }
        ["ask", address, call] => println!("{}", ask(address, call).await?.len()),
        ["ask", address, call, reply] => {
            let framed = ask(address, call).await?;
            fs::write(reply, &framed)?;
            println!("{}", framed.len());
        }
        ["spent", address] => println!("{}", spent(address).await?),
        ["port"] => {
            let [address] = ports::free();
            println!("{}", address.port());
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

/// Sends the framed call of a file, and gives back the framed reply. An answer for each item is what is
/// asked for; a server that puts all its bytes into one answer stands in for one, as `empty-tonic` does.
async fn ask(address: &str, path: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let framed = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let call = GetRateLimitsReq::decode(framed.get(PREFIX..).ok_or("a call has a prefix")?)?;
    let items = call.requests.len();
    let client = connect(address).await?;
    let message = client.raw("/pb.gubernator.V1/GetRateLimits", call.encode_to_vec().into()).await?;
    let reply = GetRateLimitsResp::decode(message)?;
    let stands_in = reply.responses.len() == 1 && reply.responses[0].limit == 0;
    if !stands_in {
        if reply.responses.len() != items {
            return Err(format!("{items} items were asked about, {} answered", reply.responses.len()).into());
        }
        if let Some(bad) = reply.responses.iter().find(|item| !item.error.is_empty() || item.status != 0) {
            return Err(format!("an item that should have been admitted: {bad:?}").into());
        }
    }
    Ok(frame(&reply))
}

/// Limit less remaining of the first key, by a probe.
async fn spent(address: &str) -> Result<i64, Box<dyn Error>> {
    let mut probe = load_call(1).requests.remove(0);
    probe.hits = 0;
    let reply = connect(address).await?.hit_one(probe).await;
    Ok(reply.limit - reply.remaining)
}

/// Connects, and waits for a server that is just starting.
async fn connect(address: &str) -> Result<Client, Box<dyn Error>> {
    let resolved: SocketAddr = tokio::net::lookup_host(address).await?.next().ok_or("no such host")?;
    await_some(&format!("a server at {address}"), async || {
        tokio::net::TcpStream::connect(resolved).await.ok()
    })
    .await;
    Ok(Client::connect(resolved).await)
}
