//! Who the pods are towards the API server, and the least with which they work.

use crds::{credentials::secret_name, part::MAX_PARTS};
use k8s_openapi::api::{
    core::v1::{PodTemplateSpec, ServiceAccount},
    rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject},
};

use super::{super::validate::ValidatedCluster, metadata};

const READ: [&str; 3] = ["get", "list", "watch"];

/// The pods' account.
pub(super) fn service_account(cluster: &ValidatedCluster) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(cluster, cluster.name.as_str()),
        // The daemons' pods ask for their token; whoever else takes this account does not get one
        // unasked.
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// What they may read: the parts of their own document, what their policies need of Secrets, where the pods
/// of their ring are, and the Services and endpoints that policies name.
pub(super) fn role(cluster: &ValidatedCluster) -> Role {
    let parts = (0..MAX_PARTS).map(|index| cluster.name.document_part(index)).collect();
    let mut rules = vec![
        rule("", "configmaps", Some(parts)),
        // Their names are made up as they come, so that they cannot be told one by one.
        rule("discovery.k8s.io", "endpointslices", None),
        // Which of a Service's ports is which on its pods; policies name Services as they please.
        rule("", "services", None),
    ];
    // Kubernetes lets nobody grant what he does not hold.
    if cluster.credentials {
        rules.push(rule("", "secrets", Some(vec![secret_name(cluster.name.as_str())])));
    }
    Role { metadata: metadata(cluster, cluster.name.as_str()), rules: Some(rules) }
}

/// Gives the role to the account that the pods run under, which an overlay may have changed.
pub(super) fn role_binding(cluster: &ValidatedCluster, template: &PodTemplateSpec) -> RoleBinding {
    let account = template.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
    RoleBinding {
        metadata: metadata(cluster, cluster.name.as_str()),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: cluster.name.to_string(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: account.unwrap_or(cluster.name.as_str()).to_owned(),
            namespace: Some(cluster.namespace.clone()),
            api_group: None,
        }]),
    }
}

fn rule(group: &str, resource: &str, names: Option<Vec<String>>) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        resource_names: names,
        verbs: READ.map(str::to_owned).to_vec(),
        ..PolicyRule::default()
    }
}
