//! Whether there is an API server that speaks to us.

use std::time::Duration;

use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::{doubled, spread},
    causes::chain,
    clock, random,
};

/// The wait before the first repetition, and the longest one.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long refusals are taken for those of an API server that has just begun.
const REFUSALS: Duration = Duration::from_secs(30);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// It knows us, or does not, and says no.
    #[error(
        "the API server refuses this account: check the ServiceAccount of the pod, or the user of the kubeconfig"
    )]
    Refused(#[source] kube::Error),
    /// It does not answer.
    #[error(
        "the API server did not answer within {patience:?}: check that it runs and can be reached from here"
    )]
    Away {
        /// How long was tried.
        patience: Duration,
        /// What was the matter last.
        #[source]
        last: kube::Error,
    },
}

/// Waits for the API server to answer. False where `stop` comes first.
///
/// A process that ended here at once would be started again after ever longer pauses, and come too late when
/// the API server is back.
pub(super) async fn reach(
    client: &Client,
    patience: Duration,
    stop: &CancellationToken,
) -> Result<bool, ReachError> {
    let begun = clock::instant();
    let mut failures = 0;
    loop {
        let answer = tokio::select! {
            answer = client.apiserver_version() => answer,
            () = stop.cancelled() => return Ok(false),
        };
        let error = match answer {
            Ok(version) => {
                tracing::info!(version = version.git_version, "the API server answers");
                return Ok(true);
            }
            // One that has just begun may not know its own roles yet.
            Err(kube::Error::Api(status))
                if matches!(status.code, 401 | 403) && begun.elapsed() >= REFUSALS.min(patience) =>
            {
                return Err(ReachError::Refused(kube::Error::Api(status)));
            }
            Err(error) => error,
        };
        let wait = spread(doubled(WAITS.0, WAITS.1, failures), random::bits());
        if begun.elapsed() + wait > patience {
            return Err(ReachError::Away { patience, last: error });
        }
        tracing::warn!(error = chain(&error), "the API server does not answer yet");
        failures += 1;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    /// A client whose requests are answered with these statuses, the last one for ever.
    fn client(statuses: &'static [u16]) -> Client {
        let (service, mut requests) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        tokio::spawn(async move {
            let mut statuses = statuses.iter();
            let mut code = 503;
            while let Some((_, reply)) = requests.next_request().await {
                code = *statuses.next().unwrap_or(&code);
                let body = serde_json::json!({
                    "major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "",
                    "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
                    "status": "Failure", "code": code, "message": "so it is", "reason": "Other",
                });
                let body = Body::from(body.to_string().into_bytes());
                reply.send_response(Response::builder().status(code).body(body).unwrap());
            }
        });
        Client::new(service, "default")
    }

    const PATIENCE: Duration = Duration::from_secs(120);

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_back_is_waited_for() {
        let reached = reach(&client(&[500, 503, 200]), PATIENCE, &CancellationToken::new()).await;
        assert!(reached.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stays_away_is_given_up_in_time() {
        let begun = clock::instant();
        let reached = reach(&client(&[503]), PATIENCE, &CancellationToken::new()).await;
        assert!(matches!(reached, Err(ReachError::Away { .. })));
        assert!(begun.elapsed() <= PATIENCE && begun.elapsed() >= PATIENCE - WAITS.1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_goes_on_refusing_us_is_given_up() {
        let begun = clock::instant();
        let reached = reach(&client(&[403]), PATIENCE, &CancellationToken::new()).await;
        assert!(matches!(reached, Err(ReachError::Refused(_))));
        assert!(begun.elapsed() >= REFUSALS && begun.elapsed() < PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_can_be_told_to_stop() {
        let stop = CancellationToken::new();
        let client = client(&[503]);
        let (reached, ()) = tokio::join!(reach(&client, PATIENCE, &stop), async {
            tokio::time::sleep(PATIENCE / 2).await;
            stop.cancel();
        });
        assert!(!reached.unwrap());
    }
}
