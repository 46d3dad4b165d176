//! How the number of pods follows the load.

use crds::cluster::Autoscaling;
use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricSource, CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules,
    HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget,
};

use super::{super::validate::ValidatedCluster, metadata};
use crate::names::DAEMON_CONTAINER;

/// For so long the load must have been low before a pod goes. Each that goes gives its buckets to
/// others, and each that comes back takes them again.
const CALM_SECONDS: i32 = 600;
/// In so many seconds one pod goes at most.
const STEP_SECONDS: i32 = 120;

/// An autoscaler on the daemons' CPU alone: containers that an overlay adds may request none, and then
/// there would be no figure for the pod.
pub(super) fn autoscaler(cluster: &ValidatedCluster, wanted: &Autoscaling) -> HorizontalPodAutoscaler {
    HorizontalPodAutoscaler {
        metadata: metadata(cluster, cluster.name.as_str()),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "StatefulSet".to_owned(),
                name: cluster.name.to_string(),
            },
            min_replicas: Some(wanted.min_replicas),
            max_replicas: wanted.max_replicas,
            metrics: Some(vec![cpu(wanted.target_cpu_utilization_percentage)]),
            behavior: Some(HorizontalPodAutoscalerBehavior {
                scale_down: Some(slow_scale_in()),
                scale_up: None,
            }),
        },
        status: None,
    }
}

fn cpu(percent: i32) -> MetricSpec {
    MetricSpec {
        type_: "ContainerResource".to_owned(),
        container_resource: Some(ContainerResourceMetricSource {
            container: DAEMON_CONTAINER.to_owned(),
            name: "cpu".to_owned(),
            target: MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(percent),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

fn slow_scale_in() -> HPAScalingRules {
    HPAScalingRules {
        stabilization_window_seconds: Some(CALM_SECONDS),
        policies: Some(vec![HPAScalingPolicy {
            type_: "Pods".to_owned(),
            value: 1,
            period_seconds: STEP_SECONDS,
        }]),
        ..HPAScalingRules::default()
    }
}
