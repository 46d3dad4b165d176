//! What attackers do to servers of HTTP/2: the daemon lives, answers others meanwhile, keeps its memory, and
//! nothing of it is left in flight.

use std::net::SocketAddr;

use e2e::frames::{Frame, Frames, flag, headers, kind, request};
use e2e::upstream::Upstream;

use super::harness::Proxy;

/// Memory that an attacker may cost, in a build that is not optimized.
const BOUND: u64 = 48 << 20;
const INITIAL_WINDOW: u16 = 4;

/// Runs an attack on several connections, and sees that the proxy is as good as before it.
async fn withstands(attack: impl AsyncFn(SocketAddr)) {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(200, upstream.at(), &[]).await;
    proxy.still_forwards().await;
    let (before, _) = proxy.daemon.memory();
    let attacks = futures_util::future::join_all((0..4).map(|_| attack(proxy.at)));
    let meanwhile = async {
        for _ in 0..20 {
            assert_eq!(proxy.get("/", &[]).await.body, b"hello", "others are answered meanwhile");
        }
    };
    futures_util::future::join(attacks, meanwhile).await;
    proxy.still_forwards().await;
    let (_, most) = proxy.daemon.memory();
    assert!(most < before + BOUND, "{} KiB more were held", (most - before) >> 10);
}

fn open(stream: u32, path: &str) -> Frame {
    Frame::new(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, headers(&request("GET", path)))
}

fn reset(stream: u32) -> Frame {
    Frame::new(kind::RST_STREAM, flag::NONE, stream, 8_u32.to_be_bytes())
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_by_the_thousand() {
    for path in ["/", "/hold", "/early"] {
        withstands(async |at| {
            let mut frames = Frames::to(at, &[]).await;
            for batch in 0..50_u32 {
                let streams = (0..100).map(|nth| 1 + 2 * (batch * 100 + nth));
                let all: Vec<Frame> =
                    streams.flat_map(|stream| [open(stream, path), reset(stream)]).collect();
                // Whoever does this may be shown the door.
                if !frames.send(&all).await {
                    return;
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn floods_of_frames_that_ask_for_an_answer() {
    let settings = Frame::new(kind::SETTINGS, flag::NONE, 0, []);
    let ping = Frame::new(kind::PING, flag::NONE, 0, [7; 8]);
    let window = Frame::new(kind::WINDOW_UPDATE, flag::NONE, 0, 1_u32.to_be_bytes());
    let empty = Frame::new(kind::DATA, flag::NONE, 1, []);
    for flood in [settings, ping, window, empty] {
        withstands(async |at| {
            let mut frames = Frames::to(at, &[]).await;
            let begin = Frame::new(kind::HEADERS, flag::END_HEADERS, 1, headers(&request("POST", "/count")));
            frames.send(&[begin]).await;
            let batch = vec![flood.clone(); 1000];
            // The answers are not read. Whether all of it is taken or not, memory is not taken for it.
            for _ in 0..20 {
                let sent = tokio::time::timeout(std::time::Duration::from_secs(1), frames.send(&batch));
                if sent.await != Ok(true) {
                    return;
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn headers_that_never_end() {
    withstands(async |at| {
        let mut frames = Frames::to(at, &[]).await;
        let begin = Frame::new(kind::HEADERS, flag::END_STREAM, 1, headers(&request("GET", "/")));
        let more = Frame::new(kind::CONTINUATION, flag::NONE, 1, headers(&[("x-more", &"v".repeat(8000))]));
        let nothing = Frame::new(kind::CONTINUATION, flag::NONE, 1, []);
        if frames.send(&[begin]).await {
            for nth in 0..4000 {
                let piece = if nth % 2 == 0 { &more } else { &nothing };
                if !frames.send(std::slice::from_ref(piece)).await {
                    return;
                }
            }
            panic!("16 MiB of one request's headers were taken");
        }
    })
    .await;
}

#[tokio::test]
async fn headers_that_are_larger_than_they_look() {
    withstands(async |at| {
        let mut frames = Frames::to(at, &[]).await;
        // A header of 4 KB is put into the table, and then named by one byte again and again.
        let value = "v".repeat(3900);
        let mut block = headers(&request("GET", "/"));
        block.push(0x40);
        block.extend(&headers(&[("x-bomb", &value)])[1..]);
        block.extend(std::iter::repeat_n(0xbe, 12_000));
        frames.send(&[Frame::new(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, block)]).await;
        match frames.next_of(&[kind::HEADERS, kind::RST_STREAM, kind::GOAWAY], 1).await {
            // 431, literally.
            Some(frame) if frame.kind == kind::HEADERS => {
                assert_ne!(frame.payload[0], 0x88, "47 MB were taken");
            }
            _ => {}
        }
    })
    .await;
}

#[tokio::test]
async fn windows_of_nothing() {
    withstands(async |at| {
        let mut frames = Frames::to(at, &[(INITIAL_WINDOW, 0)]).await;
        let streams: Vec<u32> = (0..40).map(|nth| 1 + 2 * nth).collect();
        let opened: Vec<Frame> = streams.iter().map(|&stream| open(stream, "/zeros/1000000")).collect();
        frames.send(&opened).await;
        let mut heads = 0;
        while heads < 5 {
            let frame = frames.next().await.expect("the head needs no window");
            assert_ne!((frame.kind, frame.payload.is_empty()), (kind::DATA, false), "a body needs one");
            heads += usize::from(frame.kind == kind::HEADERS);
        }
        // It never takes a byte, and leaves.
    })
    .await;
}

#[tokio::test]
async fn frames_that_break_the_rules() {
    let post = || Frame::new(kind::HEADERS, flag::END_HEADERS, 1, headers(&request("POST", "/echo")));
    let attacks: Vec<Vec<Frame>> = vec![
        vec![Frame::new(kind::DATA, flag::NONE, 1, [1; 10])],
        vec![Frame::new(kind::DATA, flag::NONE, 0, [1; 10])],
        vec![Frame::new(kind::HEADERS, flag::END_HEADERS, 0, headers(&request("GET", "/")))],
        vec![Frame::new(kind::HEADERS, flag::END_HEADERS, 2, headers(&request("GET", "/")))],
        vec![Frame::new(kind::HEADERS, flag::END_HEADERS, 1, [0xff; 20])],
        vec![Frame::new(kind::WINDOW_UPDATE, flag::NONE, 0, [0; 4])],
        vec![Frame::new(kind::WINDOW_UPDATE, flag::NONE, 0, [0x7f, 0xff, 0xff, 0xff])],
        vec![Frame::new(kind::SETTINGS, flag::NONE, 0, [0; 5])],
        vec![Frame::new(kind::SETTINGS, flag::ACK, 0, [0; 6])],
        vec![Frame::new(kind::PING, flag::NONE, 0, [0; 7])],
        vec![Frame::new(kind::CONTINUATION, flag::END_HEADERS, 1, [])],
        vec![Frame::new(kind::RST_STREAM, flag::NONE, 1, [0; 4])],
        vec![post(), open(1, "/")],
        vec![
            post(),
            Frame::new(kind::HEADERS, flag::NONE, 3, []),
            Frame::new(kind::PING, flag::NONE, 0, [0; 8]),
        ],
        vec![post(), Frame::new(0xee, 0xff, 1, [0; 100]), reset(1)],
    ];
    withstands(async |at| {
        for attack in &attacks {
            let mut frames = Frames::to(at, &[]).await;
            frames.send(attack).await;
            frames.next().await;
        }
    })
    .await;
}
