//! What is served beside Gubernator's own methods: health in gRPC's terms, and reflection.

use proto::FILE_DESCRIPTOR_SET;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// The service names that a health check may ask for; the empty one stands for the whole.
const NAMES: [&str; 3] = ["", "pb.gubernator.V1", "pb.gubernator.PeersV1"];

/// The standard services of one node.
#[derive(Clone, Debug)]
pub struct Services {
    /// Answers calls.
    pub routes: Routes,
    health: HealthReporter,
}

impl Services {
    /// Services of a node that does not serve yet.
    ///
    /// # Errors
    /// Where the committed descriptors cannot be read, which a test rules out.
    pub async fn new() -> Result<Self, tonic_reflection::server::Error> {
        let (health, service) = tonic_health::server::health_reporter();
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let routes = Routes::new(service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .prepare();
        let services = Self { routes, health };
        services.set_serving(false).await;
        Ok(services)
    }

    /// Says whether the node serves.
    pub async fn set_serving(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in NAMES {
            self.health.set_service_status(name, status).await;
        }
    }
}
