//! Candidates against an API server that knows one lease, on a clock that a test moves.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::client::Body;
use serde_json::json;

use super::*;

type Reply = tower_test::mock::SendResponse<Response<Body>>;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Status(u16),
    Silence,
}

/// An API server with one lease.
#[derive(Debug, Default)]
struct Server {
    lease: Option<Lease>,
    version: u64,
    /// Each is for one request.
    faults: VecDeque<Fault>,
    /// For all requests beyond those.
    broken: Option<Fault>,
    requests: Vec<Method>,
}

#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Server>>);

impl Shared {
    fn client(&self) -> Client {
        let (service, mut requests) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let shared = self.clone();
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some((request, reply)) = requests.next_request().await {
                unanswered.extend(shared.answer(request, reply).await);
            }
        });
        Client::new(service, "default")
    }

    async fn answer(&self, request: Request<Body>, reply: Reply) -> Option<Reply> {
        let method = request.method().clone();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut server = self.0.lock().unwrap();
        server.requests.push(method.clone());
        let answer = match server.faults.pop_front().or(server.broken) {
            Some(Fault::Silence) => return Some(reply),
            Some(Fault::Status(code)) => Err(code),
            None => server.write(&method, &body),
        };
        drop(server);
        let (code, body) = match answer {
            Ok(lease) => (200, serde_json::to_vec(&lease).unwrap()),
            Err(code) => {
                let reason = if code == 404 { "NotFound" } else { "Other" };
                let status =
                    json!({"status": "Failure", "code": code, "reason": reason, "message": "so it is"});
                (code, serde_json::to_vec(&status).unwrap())
            }
        };
        reply.send_response(Response::builder().status(code).body(Body::from(body)).unwrap());
        None
    }

    fn with<T>(&self, act: impl FnOnce(&mut Server) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    fn holder(&self) -> String {
        self.with(|server| server.spec().holder_identity.clone().unwrap_or_default())
    }
}

impl Server {
    fn write(&mut self, method: &Method, body: &[u8]) -> Result<Lease, u16> {
        if *method == Method::GET {
            return self.lease.clone().ok_or(404);
        }
        let lease: Lease = serde_json::from_slice(body).map_err(|_| 400_u16)?;
        match (method.as_str(), &self.lease) {
            ("POST", Some(_)) => Err(409),
            ("PUT", None) => Err(404),
            ("PUT", Some(before)) if before.metadata.resource_version != lease.metadata.resource_version => {
                Err(409)
            }
            _ => Ok(self.put(lease)),
        }
    }

    fn put(&mut self, mut lease: Lease) -> Lease {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease.clone());
        lease
    }

    /// Somebody else writes the lease, as if now were `renewed` by his clock.
    fn held_by(&mut self, holder: &str, renewed: i64) {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(10),
            lease_transitions: Some(4),
            renew_time: Some(MicroTime(jiff::Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        };
        self.put(Lease { spec: Some(spec), ..Lease::default() });
    }

    fn spec(&self) -> &LeaseSpec {
        self.lease.as_ref().unwrap().spec.as_ref().unwrap()
    }
}

fn elector(server: &Shared, identity: &str) -> Elector {
    let config = Config {
        namespace: "wicketgate-system".into(),
        name: "wicketgate-operator".into(),
        identity: identity.into(),
        duration: DURATION,
        renewal: RENEWAL,
    };
    Elector::new(server.client(), config)
}

async fn acquire(server: &Shared, identity: &str) -> Leadership {
    elector(server, identity).acquire(&CancellationToken::new()).await.unwrap().unwrap()
}

fn is_lost(leadership: &Leadership) -> bool {
    leadership.lost.is_cancelled()
}

#[tokio::test(start_paused = true)]
async fn the_first_makes_the_lease_and_renews_it() {
    let server = Shared::default();
    let leadership = acquire(&server, "a").await;
    server.with(|server| {
        assert_eq!(server.requests, [Method::GET, Method::POST]);
        let spec = server.spec();
        assert_eq!(spec.holder_identity.as_deref(), Some("a"));
        assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(10), Some(0)));
        assert_eq!(spec.acquire_time, spec.renew_time);
        server.requests.clear();
    });
    tokio::time::sleep(RENEWAL * 10 + RENEWAL / 2).await;
    server.with(|server| {
        assert_eq!(server.requests, vec![Method::PUT; 10], "and nothing is read");
        assert!(
            server.spec().renew_time.as_ref().unwrap().0 > server.spec().acquire_time.as_ref().unwrap().0
        );
    });
    assert!(!is_lost(&leadership));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_is_left_alone_and_a_dead_one_is_taken() {
    let server = Shared::default();
    server.with(|server| server.held_by("b", 1));
    let begun = clock::instant();
    let renewing = {
        let server = server.clone();
        async move {
            for beat in 2..30 {
                tokio::time::sleep(RENEWAL).await;
                server.with(|server| server.held_by("b", beat));
            }
            clock::instant()
        }
    };
    let (leadership, last) = tokio::join!(acquire(&server, "a"), renewing);
    let dead = last + DURATION;
    let now = clock::instant();
    assert!(now >= dead && now <= dead + RENEWAL * 2, "{:?} after {:?}", now - begun, last - begun);
    server.with(|server| {
        assert_eq!(server.spec().holder_identity.as_deref(), Some("a"));
        assert_eq!(server.spec().lease_transitions, Some(5));
    });
    assert!(!is_lost(&leadership));
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_and_the_other_follows_its_release_at_once() {
    let server = Shared::default();
    let (first, second) = tokio::join!(
        tokio::time::timeout(RENEWAL * 30, acquire(&server, "a")),
        tokio::time::timeout(RENEWAL * 30, acquire(&server, "b")),
    );
    assert!(first.is_ok() != second.is_ok(), "one leads, for as long as it renews");
    let (leadership, other) = match (first, second) {
        (Ok(leadership), _) => (leadership, "b"),
        (_, Ok(leadership)) => (leadership, "a"),
        _ => unreachable!(),
    };
    leadership.release().await;
    assert_eq!(server.holder(), "");
    let begun = clock::instant();
    acquire(&server, other).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(server.with(|server| server.spec().lease_transitions), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_race_for_a_new_lease_is_lost_by_whoever_comes_second() {
    let server = Shared::default();
    // It is not there when it is read, and there when it is to be made.
    server.with(|server| {
        server.held_by("b", 1);
        server.faults.push_back(Fault::Status(404));
    });
    let candidate = tokio::time::timeout(RENEWAL * 2, acquire(&server, "a")).await;
    assert!(candidate.is_err());
    assert_eq!(server.holder(), "b");
}

#[tokio::test(start_paused = true)]
async fn who_finds_its_own_name_goes_on() {
    let server = Shared::default();
    server.with(|server| server.held_by("a", 1));
    let begun = clock::instant();
    let _leadership = acquire(&server, "a").await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(server.with(|server| server.spec().lease_transitions), Some(4));
}

#[tokio::test(start_paused = true)]
async fn faults_that_pass_in_time_cost_no_leadership() {
    for fault in [Fault::Status(500), Fault::Status(429), Fault::Silence] {
        let server = Shared::default();
        let leadership = acquire(&server, "a").await;
        server.with(|server| server.faults.extend([fault; 2]));
        tokio::time::sleep(DURATION * 3).await;
        assert!(!is_lost(&leadership), "{fault:?}");
        assert!(server.with(|server| server.faults.is_empty()));
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_stops_before_others_may_lead() {
    for fault in [Fault::Status(500), Fault::Status(403), Fault::Silence] {
        let server = Shared::default();
        let begun = clock::instant();
        let leadership = acquire(&server, "a").await;
        server.with(|server| server.broken = Some(fault));
        leadership.lost().await;
        let lasted = begun.elapsed();
        assert!(lasted < DURATION && lasted > DURATION / 2, "{fault:?}: {lasted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_replaced_knows_it_at_the_next_renewal() {
    let server = Shared::default();
    let leadership = acquire(&server, "a").await;
    server.with(|server| server.held_by("b", 1));
    let begun = clock::instant();
    leadership.lost().await;
    assert!(begun.elapsed() <= RENEWAL);
    // What is not ours is not given back.
    leadership.release().await;
    assert_eq!(server.holder(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_labelled_or_deleted_is_still_ours() {
    let server = Shared::default();
    let leadership = acquire(&server, "a").await;
    server.with(|server| {
        let lease = server.lease.clone().unwrap();
        server.put(lease);
    });
    tokio::time::sleep(RENEWAL * 2).await;
    assert!(!is_lost(&leadership));
    server.with(|server| server.lease = None);
    tokio::time::sleep(RENEWAL * 2).await;
    assert!(!is_lost(&leadership));
    assert_eq!(server.holder(), "a");
    leadership.release().await;
    assert_eq!(server.holder(), "");
}

#[tokio::test(start_paused = true)]
async fn what_a_retry_cannot_mend_is_said() {
    for (faults, message) in [
        (vec![403], "refuses the lease wicketgate-system/wicketgate-operator: grant get, create and update"),
        (vec![401], "refuses the lease"),
        (vec![404, 404], "the namespace \"wicketgate-system\" of the lease does not exist"),
    ] {
        let server = Shared::default();
        server.with(|server| server.faults.extend(faults.iter().copied().map(Fault::Status)));
        let refused = elector(&server, "a").acquire(&CancellationToken::new()).await;
        let shown = refused.unwrap_err().to_string();
        assert!(shown.contains(message), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_can_be_told_to_stop() {
    let server = Shared::default();
    server.with(|server| server.broken = Some(Fault::Silence));
    let cancel = CancellationToken::new();
    let (outcome, ()) = tokio::join!(elector(&server, "a").acquire(&cancel), async {
        tokio::time::sleep(DURATION * 10).await;
        cancel.cancel();
    });
    assert!(outcome.unwrap().is_none());
}
