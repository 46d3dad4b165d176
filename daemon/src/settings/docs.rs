//! `docs/configuration.md`, rendered from the table.

use std::fmt::Write as _;

use super::table::{Status, Variable, variables};

const HEAD: &str = "\
# Configuration

<!-- Rendered from daemon/src/settings/table.rs; UPDATE=1 cargo test -p wicketgate-daemon writes it anew. -->

`wicketgated serve` is told what to do by environment variables and, with `--config FILE`, by a file of
`KEY = value` lines. The names are Gubernator's (`GUBER_*`); what Gubernator does not have is `WICKETGATE_*`.

- The environment wins over the file. An explicit `false` or `0` counts; an empty value is the same as none.
- In the file both sides are trimmed, the first `=` splits, nothing is quoted. Lines that are empty or begin
  with `#`, a blank or a tab are skipped.
- Everything is checked before a port is bound. Every problem is listed with the variable, its value and what
  is allowed, and the exit code is 64.
- A name under `GUBER_` or `WICKETGATE_` that is not on this page earns a warning that names the nearest one.
  (Not so the variables that Kubernetes makes for a Service named `wicketgate`, such as
  `WICKETGATE_SERVICE_HOST`.)
- Durations are written as in Go (`500us`, `1.5s`, `1h30m`), with `d` for days. Words are taken in any case.
- `wicketgated standalone` takes all this from the RateLimitCluster's manifest instead.

## In Kubernetes

With `GUBER_PEER_DISCOVERY_TYPE=k8s` a node is known, and dialled, as `GUBER_K8S_POD_IP:GUBER_K8S_POD_PORT`. It
watches the EndpointSlices of `GUBER_K8S_SERVICE_NAME`, or the pods that `GUBER_K8S_SELECTOR` selects. With
`WICKETGATE_DOCUMENT` its limits are the document that the operator writes, whatever way it finds its peers. The
operator sets all of this itself. By hand, a headless Service over the pods (`publishNotReadyAddresses` may be set),
an account that may get, list and watch `endpointslices` (and, by name, the ConfigMaps and the Secret), and these
are enough:

```sh
GUBER_PEER_DISCOVERY_TYPE=k8s
GUBER_K8S_NAMESPACE=edge               # metadata.namespace
GUBER_K8S_POD_IP=10.0.0.7              # status.podIP
GUBER_K8S_POD_PORT=1052
GUBER_K8S_SERVICE_NAME=main-peers
GUBER_GRPC_ADDRESS=:1051
GUBER_HTTP_ADDRESS=:1050
WICKETGATE_PEER_ADDRESS=:1052
```

While the API server is away, peers and limits stay as they are.

## Where the default differs from Gubernator's

`GUBER_PEER_DISCOVERY_TYPE` is `member-list` there and `none` here: a node that was told nothing serves a
cluster of one and says that it is healthy, where Gubernator's gossips on a port of every interface and, with
`none`, is unhealthy for ever. The ring's hash is `xxh3` here, since `fnv1` puts keys that differ in their last
letters on few nodes. A ring in which Gubernator nodes take part needs theirs:

| Gubernator is set to | set here |
|---|---|
| no `GUBER_PEER_PICKER` | `WICKETGATE_HASH=fnv1` |
| `GUBER_PEER_PICKER=replicated-hash` | the same variables |

and `WICKETGATE_SHARE_PEER_PORT=true`, since Gubernator dials peers at the address they advertise.
";

/// The whole page.
#[must_use]
pub fn render_docs() -> String {
    let mut page = HEAD.to_owned();
    page.push_str(
        "\n## Settings that work\n\n| Variable | Default | Allowed | Meaning |\n|---|---|---|---|\n",
    );
    for Variable { name, kind, default, meaning, .. } in with(Status::Works) {
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        let _ = writeln!(page, "| `{name}` | {default} | {kind} | {meaning} |");
    }
    page.push_str(
        "\n## Settings without effect in this version\n\nThey are known, so that a Gubernator's environment can be \
         kept as it is; each one that is set earns a\nwarning.\n\n| Variable | Meaning |\n|---|---|\n",
    );
    for Variable { name, meaning, .. } in with(Status::NotYet) {
        let _ = writeln!(page, "| `{name}` | {meaning} |");
    }
    page.push_str(
        "\n## Settings that are refused in this version\n\nThis version does not serve TLS. Going on in plaintext \
         where TLS was asked for would not be safe, so each of\nthese keeps the daemon from starting.\n\n\
         | Variable | Meaning |\n|---|---|\n",
    );
    for Variable { name, meaning, .. } in with(Status::Refused) {
        let _ = writeln!(page, "| `{name}` | {meaning} |");
    }
    page
}

fn with(status: Status) -> impl Iterator<Item = &'static Variable> {
    variables().filter(move |variable| variable.status == status)
}
