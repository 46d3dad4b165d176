//! The committed files that are generated from the types.

use crate::{
    definition::{Destination, Kind, RenderError, render},
    guide,
};

/// Where the chart of the definitions lies: on its own, and within the chart of the operator, so that
/// installing that one needs nothing to be fetched first. A copy and not a link, since archives of a
/// repository that tools such as Flux make leave links out.
pub const CHARTS: [&str; 2] = ["charts/wicketgate-crds", "charts/wicketgate/charts/wicketgate-crds"];

/// Every generated file: its path from the root of the repository, and its contents.
pub fn files() -> Result<Vec<(String, String)>, RenderError> {
    let mut files = Vec::new();
    for kind in Kind::ALL {
        let name = format!("{}.yaml", kind.plural());
        files.push((format!("crds/generated/{name}"), render(kind, Destination::Kubectl)?));
        for chart in CHARTS {
            files.push((format!("{chart}/templates/{name}"), render(kind, Destination::Chart)?));
        }
    }
    files.extend(CHARTS.map(|chart| (format!("{chart}/Chart.yaml"), chart_metadata())));
    files.push(("docs/crds.md".to_owned(), guide::render()));
    Ok(files)
}

/// Chart.yaml of the definitions' chart. Its version is that of the programs.
fn chart_metadata() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let repository = env!("CARGO_PKG_REPOSITORY");
    format!(
        r#"# Generated: change crds/src/generate.rs, then run `cargo run -p wicketgate-crds`.
apiVersion: v2
name: wicketgate-crds
description: The CustomResourceDefinitions of Wicketgate. They stay when the chart is uninstalled, and with them what people declared.
type: application
version: {version}
appVersion: {version}
kubeVersion: ">=1.30.0-0"
home: {repository}
sources:
  - {repository}
keywords:
  - rate-limit
  - backpressure
  - gubernator
"#
    )
}
