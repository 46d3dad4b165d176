//! References to container images.

use std::{fmt, str::FromStr};

/// An image: where it is, and which one of those there. Displays as container runtimes read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// Registry and repository, such as `docker.io/wicketgate/wicketgated`.
    pub repository: String,
    /// A tag, such as `0.1.0`.
    pub tag: Option<String>,
    /// A digest, such as `sha256:…`, which tells the image for certain.
    pub digest: Option<String>,
}

/// Why a text names no image. Displays as what would be right, without naming the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The part before tag and digest.
    #[error(
        "a repository is at most 255 characters of a-z, 0-9, '.', '_', '-' and '/', such as docker.io/wicketgate/wicketgated"
    )]
    Repository,
    /// The part after the colon.
    #[error("a tag is at most 128 letters, digits, '_', '.' and '-', beginning with a letter, digit or '_'")]
    Tag,
    /// The part after the at sign.
    #[error("a digest is sha256: and 64, or sha512: and 128, of 0-9 and a-f")]
    Digest,
}

const MAX_REPOSITORY: usize = 255;
const MAX_TAG: usize = 128;

impl FromStr for ImageReference {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash is a registry's port.
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (rest, None),
        };
        if !is_repository(repository) {
            return Err(ImageError::Repository);
        }
        if !tag.is_none_or(is_tag) {
            return Err(ImageError::Tag);
        }
        if !digest.is_none_or(is_digest) {
            return Err(ImageError::Digest);
        }
        Ok(Self {
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn is_repository(text: &str) -> bool {
    let (host, path) = match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, text),
    };
    text.len() <= MAX_REPOSITORY && host.is_none_or(is_host) && path.split('/').all(is_component)
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port_right =
        port.is_none_or(|port| (1..=5).contains(&port.len()) && port.bytes().all(|c| c.is_ascii_digit()));
    let inner = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
        }),
    };
    port_right && inner
}

/// Letters and digits, with separators between them and not at the ends.
fn is_component(text: &str) -> bool {
    let word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.bytes().next().is_some_and(word)
        && text.bytes().next_back().is_some_and(word)
        && text.bytes().all(|c| word(c) || matches!(c, b'.' | b'_' | b'-'))
        && !text.contains("..")
        && !text.contains("___")
}

fn is_tag(text: &str) -> bool {
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|c| word(c) || matches!(c, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    let hex = |digits: &str, length| {
        digits.len() == length && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    };
    match text.split_once(':') {
        Some(("sha256", digits)) => hex(digits, 64),
        Some(("sha512", digits)) => hex(digits, 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runtimes_read_is_read_and_written_back() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for text in [
            "wicketgated",
            "wicketgate/wicketgated:dev",
            "docker.io/wicketgate/wicketgated:0.1.0",
            "localhost:5000/a",
            "registry.example.com:443/team/a_b/c--d:v1_2",
            "[fd00::1]:5000/a:b",
            "[fd00::1]/a",
            &format!("example.com/a@{digest}"),
            &format!("example.com/a:b@{digest}"),
        ] {
            assert_eq!(text.parse::<ImageReference>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_parts_are_told_apart() {
        let image: ImageReference = "localhost:5000/a/b:c".parse().unwrap();
        assert_eq!((image.repository.as_str(), image.tag.as_deref()), ("localhost:5000/a/b", Some("c")));
        let image: ImageReference = "localhost:5000/a/b".parse().unwrap();
        assert_eq!((image.repository.as_str(), image.tag.as_deref()), ("localhost:5000/a/b", None));
    }

    #[test]
    fn what_runtimes_do_not_read_is_refused() {
        let long = "a".repeat(MAX_REPOSITORY + 1);
        for (text, error) in [
            ("", ImageError::Repository),
            ("A/b", ImageError::Repository),
            ("a//b", ImageError::Repository),
            ("a b", ImageError::Repository),
            ("https://example.com/a", ImageError::Repository),
            ("-.example/a", ImageError::Repository),
            ("example.com:x/a", ImageError::Repository),
            ("example.com/", ImageError::Repository),
            ("a.-", ImageError::Repository),
            (long.as_str(), ImageError::Repository),
            ("a:", ImageError::Tag),
            ("a:-b", ImageError::Tag),
            ("a:b c", ImageError::Tag),
            ("a@sha256:abc", ImageError::Digest),
            ("a@", ImageError::Digest),
        ] {
            assert_eq!(text.parse::<ImageReference>(), Err(error), "{text}");
        }
    }
}
