//! Which image the pods run.

use crds::cluster::{Image, PullPolicy};

use super::{Environment, problem::Findings};
use crate::names::ImageReference;

/// The operator's image with the parts that the spec names put in. A tag or digest of the spec's own
/// takes the place of both of the operator's, since those tell of another image.
pub(super) fn choose(
    image: &Image,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<ImageReference> {
    let mut chosen = environment.daemon_image.clone();
    if !image.repository.is_empty() {
        chosen.repository.clone_from(&image.repository);
    }
    if !image.digest.is_empty() {
        chosen.tag = None;
        chosen.digest = Some(image.digest.clone());
    } else if !image.tag.is_empty() {
        chosen.tag = Some(image.tag.clone());
        chosen.digest = None;
    }
    // Written out and read again, each part is checked, and so is that it is where it belongs.
    let text = chosen.to_string();
    match text.parse::<ImageReference>() {
        Ok(parsed) if parsed == chosen => Some(chosen),
        Ok(_) => {
            let remedy = "a tag belongs into spec.image.tag and a digest into spec.image.digest";
            findings.refuse("spec.image.repository", &image.repository, remedy);
            None
        }
        Err(error) => {
            findings.refuse("spec.image", text, error);
            None
        }
    }
}

/// When the image is pulled. The operator's word goes with the operator's image, unless the spec
/// says something else than its default.
pub(super) fn pull_policy(image: &Image, environment: &Environment) -> PullPolicy {
    if *image == Image::default() {
        environment.daemon_pull_policy.unwrap_or_default()
    } else {
        image.pull_policy
    }
}
