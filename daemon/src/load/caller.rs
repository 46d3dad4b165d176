//! One caller: it sends its next call when the last one is answered.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use proto::gubernator::{Algorithm, GetRateLimitsReq, GetRateLimitsResp, RateLimitReq};
use tonic::{Code, Status};

use super::{Bound, line::Line, report::Tally};
use crate::{
    args::{Load, LoadAlgorithm},
    clock,
    peers::turned_away,
};

/// How long a caller waits after a call that could not be sent: without it a daemon that is gone would
/// be asked as fast as the machine can fail.
const BACK_OFF: Duration = Duration::from_millis(20);

/// How often a call that was turned away is sent before it counts as failed.
const MAX_SENDS: u64 = 5;

#[derive(Debug)]
pub(super) struct Caller {
    line: Arc<Line>,
    bound: Arc<Bound>,
    template: RateLimitReq,
    items: usize,
    keys: u64,
    random: u64,
}

impl Caller {
    pub(super) fn new(line: Arc<Line>, plan: &Load, seed: u64, bound: Arc<Bound>) -> Self {
        let algorithm = match plan.algorithm {
            LoadAlgorithm::TokenBucket => Algorithm::TokenBucket,
            LoadAlgorithm::LeakyBucket => Algorithm::LeakyBucket,
        };
        let template = RateLimitReq {
            name: plan.name.clone(),
            hits: 1,
            limit: plan.limit,
            duration: i64::try_from(plan.window.as_millis()).unwrap_or(i64::MAX),
            algorithm: algorithm.into(),
            ..RateLimitReq::default()
        };
        Self { line, bound, template, items: plan.items.get(), keys: plan.keys.get() as u64, random: seed }
    }

    pub(super) async fn run(mut self, tally: Arc<Mutex<Tally>>, done: Arc<AtomicU64>) {
        while self.bound.turn().await.is_some() {
            let request = self.build();
            let began = clock::instant();
            if !self.bound.take(began) {
                return;
            }
            let (answer, again) = self.send(request).await;
            let took = clock::instant().saturating_duration_since(began);
            done.fetch_add(1, Relaxed);
            if again > 0 {
                lock(&tally).sent_again(again);
            }
            let back_off = match answer {
                Ok(GetRateLimitsResp { responses }) => {
                    lock(&tally).answered(&responses, self.items, took);
                    false
                }
                Err(status) => {
                    lock(&tally).failed(&status, took);
                    status.code() == Code::Unavailable
                }
            };
            if back_off {
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }

    /// Sends a call, and again where its connection had been asked to end and did not take it: that is
    /// what every gRPC client does, and no failure. Also says how often that was.
    async fn send(&self, request: GetRateLimitsReq) -> (Result<GetRateLimitsResp, Status>, u64) {
        let mut again = 0;
        loop {
            let answer = self.line.next().get_rate_limits(request.clone()).await;
            match answer {
                Err(status) if turned_away(&status) && again + 1 < MAX_SENDS => again += 1,
                answer => return (answer.map(tonic::Response::into_inner), again),
            }
        }
    }

    fn build(&mut self) -> GetRateLimitsReq {
        let requests = (0..self.items)
            .map(|_| {
                let key = self.next() % self.keys;
                RateLimitReq { unique_key: format!("account:{key}"), ..self.template.clone() }
            })
            .collect();
        GetRateLimitsReq { requests }
    }

    /// SplitMix64: the same keys in every run, spread evenly.
    const fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
