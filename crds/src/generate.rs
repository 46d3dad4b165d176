//! The committed files that are generated from the types.

use crate::{
    definition::{Destination, Kind, RenderError, render},
    guide,
};

/// Every generated file: its path from the root of the repository, and its contents.
pub fn files() -> Result<Vec<(String, String)>, RenderError> {
    let mut files = Vec::new();
    for kind in Kind::ALL {
        let name = format!("{}.yaml", kind.plural());
        files.push((format!("crds/generated/{name}"), render(kind, Destination::Kubectl)?));
        files.push((format!("charts/wicketgate-crds/templates/{name}"), render(kind, Destination::Chart)?));
    }
    files.push(("docs/crds.md".to_owned(), guide::render()));
    Ok(files)
}
