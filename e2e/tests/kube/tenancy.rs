//! Who may name a cluster of another namespace.

use e2e::kube::awaiting::until;
use e2e::kube::daemons;
use e2e::kube::neighbours::beside;
use e2e::kube::objects::{condition, holds};
use e2e::kube::place::{Place, SOON};
use e2e::kube::story::{Turn, make, story};
use serde_json::json;

/// Awaits that the limit `checkout` of this namespace is accepted.
async fn let_in(tenant: &Place) {
    tenant.condition(("RateLimit", "checkout"), ("Accepted", "True"), SOON).await;
}

/// Awaits that it is not, since the cluster of `host` does not let its namespace in.
async fn kept_out(tenant: &Place, host: &Place) {
    let told = tenant.refused("checkout", "RefNotPermitted").await;
    let (host, tenant) = (&host.namespace, &tenant.namespace);
    assert_eq!(
        told,
        format!(
            "the cluster {host}/main does not allow the namespace {tenant}: see its spec.allowedNamespaces"
        )
    );
}

/// Declares `checkout` in a namespace, for the cluster `main` of `host`.
async fn declare(tenant: &Place, host: &Place) {
    let cluster = json!({"name": "main", "namespace": host.namespace});
    let name = format!("{}.checkout", tenant.namespace);
    tenant.limit("checkout", json!({"clusterRef": cluster, "name": name, "limit": 7})).await;
}

#[tokio::test]
async fn a_cluster_lets_in_whom_it_says() {
    story(Turn::Shared, "tenancy", async |host| {
        let tenants = [("shop", json!({"tenant": "yes"})), ("other", json!({}))];
        beside(&host, &tenants, async |tenants| {
            let [shop, other] = &tenants[..] else { panic!("{tenants:?}") };
            // Nobody but its own namespace, unless it says otherwise.
            host.cluster("main", json!({"replicas": 0})).await;
            declare(&host, &host).await;
            declare(shop, &host).await;
            declare(other, &host).await;
            let_in(&host).await;
            kept_out(shop, &host).await;
            kept_out(other, &host).await;

            let selector = json!({"from": "Selector", "selector": {"matchLabels": {"tenant": "yes"}}});
            host.cluster("main", json!({"replicas": 0, "allowedNamespaces": selector})).await;
            let_in(shop).await;
            let_in(&host).await;
            kept_out(other, &host).await;

            host.cluster("main", json!({"replicas": 0, "allowedNamespaces": {"from": "All"}})).await;
            let_in(other).await;
            let_in(shop).await;

            host.cluster("main", json!({"replicas": 0, "allowedNamespaces": {"from": "Same"}})).await;
            kept_out(shop, &host).await;
            kept_out(other, &host).await;
            let_in(&host).await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_label_on_a_namespace_is_all_it_takes() {
    story(Turn::Shared, "label", async |host| {
        beside(&host, &[("late", json!({}))], async |tenants| {
            let late = &tenants[0];
            let name = format!("{}.checkout", late.namespace);
            let selector = json!({"from": "Selector", "selector": {"matchLabels": {"tenant": "yes"}}});
            host.cluster("main", json!({"allowedNamespaces": selector, "undeclared": "Reject"})).await;
            host.ready("main").await;
            let daemons = daemons::all(&host, "main", 1).await;
            declare(late, &host).await;
            kept_out(late, &host).await;
            let refusal = daemons[0].try_hit(&name, "account:1", 1).await;
            assert!(refusal.as_ref().is_err_and(|why| why.contains(&name)), "{refusal:?}");

            make(&late.client, &late.namespace, json!({"tenant": "yes"})).await;
            late.programmed("checkout").await;
            assert_eq!(daemons[0].hit(&name, "account:1", 1).await.limit, 7);

            // Without the label the limit is in force no more.
            make(&late.client, &late.namespace, json!({})).await;
            kept_out(late, &host).await;
            until(&late.api("RateLimit"), "checkout", "it is not said to be in force", SOON, |object| {
                holds(object, "Programmed", "False")
                    .map_err(|_| format!("{:?}", object.and_then(|object| condition(object, "Programmed"))))
            })
            .await;
            e2e::kube::awaiting::eventually("the pods have forgotten it", SOON, async || {
                match daemons[0].try_hit(&name, "account:1", 0).await {
                    Err(_) => Ok(()),
                    Ok(answer) => Err(format!("{answer:?}")),
                }
            })
            .await;
        })
        .await;
    })
    .await;
}
