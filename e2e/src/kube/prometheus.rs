//! A Prometheus in a pod, of Debian's program.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::place::{Place, SOON};
use super::restricted;

/// The image that `hack/test-images` makes of Debian's package.
const IMAGE: &str = "docker.io/wicketgate/prometheus:dev";
/// Its pod and its Service.
const NAME: &str = "prometheus";
const PORT: u16 = 9090;
/// How often it looks at what it watches.
const SCRAPE: Duration = Duration::from_millis(500);

/// A Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    place: Place,
    pod: Value,
}

impl Prometheus {
    /// Starts it with these targets, such as `backend:8081`, and awaits that it answers. Nobody needs to say
    /// who he is.
    ///
    /// # Panics
    /// When it does not, in time.
    pub async fn start(place: &Place, targets: &[&str]) -> Self {
        Self::start_with(place, targets, None).await
    }

    /// The same, with a file that says who may ask: `--web.config.file`.
    ///
    /// # Panics
    /// When it does not start, in time.
    pub async fn start_with(place: &Place, targets: &[&str], web: Option<&str>) -> Self {
        let interval = format!("{}ms", SCRAPE.as_millis());
        let config = json!({
            "global": {"scrape_interval": interval, "scrape_timeout": interval},
            "scrape_configs": [{"job_name": "backend", "static_configs": [{"targets": targets}]}],
        });
        let mut files = json!({"prometheus.yml": config.to_string()});
        let mut args = vec![
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/data",
            "--storage.tsdb.retention.time=1h",
            "--log.level=warn",
        ];
        if let Some(web) = web {
            files["web.yml"] = web.into();
            args.push("--web.config.file=/etc/prometheus/web.yml");
        }
        place
            .apply(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": files,
            }))
            .await;
        restricted::service(place, NAME, &[(PORT, PORT)]).await;
        let mut pod = restricted::pod(NAME, IMAGE, &args);
        pod["spec"]["volumes"] = json!([
            {"name": "config", "configMap": {"name": NAME}},
            {"name": "data", "emptyDir": {}},
        ]);
        let container = &mut pod["spec"]["containers"][0];
        container["volumeMounts"] = json!([
            {"name": "config", "mountPath": "/etc/prometheus", "readOnly": true},
            {"name": "data", "mountPath": "/data"},
        ]);
        container["resources"]["limits"]["memory"] = "256Mi".into();
        container["readinessProbe"] = match web {
            // A probe that has to say who it is would have to know the password.
            Some(_) => json!({"tcpSocket": {"port": PORT}, "periodSeconds": 1}),
            None => restricted::probe("/-/ready", PORT),
        };
        let prometheus = Self { place: place.clone(), pod };
        prometheus.come().await;
        prometheus
    }

    /// Its address as policies of every namespace name it.
    pub fn url(&self) -> String {
        format!("http://{NAME}.{}.svc:{PORT}", self.place.namespace)
    }

    /// Kills it: no time to end, and what it knew is lost.
    ///
    /// # Panics
    /// When the API server does not, in time.
    pub async fn kill(&self) {
        let kill = DeleteParams::default().grace_period(0);
        let killed = self.place.typed::<Pod>().delete(NAME, &kill).await;
        killed.unwrap_or_else(|error| panic!("delete pod {NAME}: {error}"));
        self.place.gone("Pod", NAME, SOON).await;
    }

    /// Starts it again, and awaits that it answers.
    ///
    /// # Panics
    /// When it does not, in time.
    pub async fn come(&self) {
        restricted::make(&self.place, &self.pod).await;
        restricted::ready(&self.place, NAME).await;
    }
}
