//! Texts of the command line and the environment made into values.

use std::{collections::BTreeSet, fmt, net::Ipv6Addr, str::FromStr};

use crds::cluster::PullPolicy;

use crate::names::{ImageError, ImageReference};

/// The daemon of the same version as this operator.
const DEFAULT_IMAGE: &str = concat!("docker.io/wicketgate/wicketgated:", env!("CARGO_PKG_VERSION"));
/// The most characters of a name.
const MAX_NAME: usize = 253;
/// The most characters of a namespace's name.
const MAX_NAMESPACE: usize = 63;

/// Why a text is not the value that was wanted. Clap says which one, and what the text was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not `host:port`.
    #[error("it must be HOST:PORT or :PORT, with an IPv6 address in brackets and a port from 0 to 65535")]
    Address,
    /// Not a name that an object can have.
    #[error(
        "{0:?} is no name: a name is at most {1} of a-z, 0-9, '-' and '.', beginning and ending with a letter or digit"
    )]
    Name(String, usize),
    /// Not a pull policy.
    #[error("it must be Always, IfNotPresent or Never")]
    PullPolicy,
    /// Not an image.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// Without the brackets of an IPv6 address; empty where all interfaces are meant.
    host: String,
    port: u16,
}

impl ListenAddress {
    /// What to bind, in the order to try: no host means all interfaces of both families, or of IPv4
    /// alone where the machine has no IPv6.
    #[must_use]
    pub fn bind_texts(&self) -> Vec<String> {
        let Self { host, port } = self;
        if host.is_empty() {
            vec![format!("[::]:{port}"), format!("0.0.0.0:{port}")]
        } else {
            vec![self.to_string()]
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (host, port) = text.rsplit_once(':').ok_or(ValueError::Address)?;
        let bare = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']').unwrap_or_default()) {
            Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => inner,
            None if host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) => host,
            _ => return Err(ValueError::Address),
        };
        // `parse` alone would take "+80".
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ValueError::Address);
        }
        Ok(Self { host: bare.to_owned(), port: port.parse().map_err(|_| ValueError::Address)? })
    }
}

/// The name of an object or a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectLabel(String);

impl ObjectLabel {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for ObjectLabel {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let right = text.len() <= MAX_NAME && text.split('.').all(is_label);
        if right { Ok(Self(text.to_owned())) } else { Err(ValueError::Name(text.to_owned(), MAX_NAME)) }
    }
}

/// Letters and digits, with dashes between them.
fn is_label(text: &str) -> bool {
    let inner = text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    inner && !text.is_empty() && !text.starts_with('-') && !text.ends_with('-')
}

/// Which namespaces are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Namespaces {
    /// All of them.
    #[default]
    All,
    /// These, of which there is at least one.
    Only(BTreeSet<String>),
}

impl FromStr for Namespaces {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let names: BTreeSet<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if let Some(wrong) = names.iter().find(|name| name.len() > MAX_NAMESPACE || !is_label(name)) {
            return Err(ValueError::Name((*wrong).to_owned(), MAX_NAMESPACE));
        }
        if names.is_empty() {
            return Ok(Self::All);
        }
        Ok(Self::Only(names.into_iter().map(str::to_owned).collect()))
    }
}

/// When nodes pull the daemon's image; nothing leaves it to each cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullSetting(pub Option<PullPolicy>);

impl FromStr for PullSetting {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Ok(Self(match text {
            "" => None,
            "Always" => Some(PullPolicy::Always),
            "IfNotPresent" => Some(PullPolicy::IfNotPresent),
            "Never" => Some(PullPolicy::Never),
            _ => return Err(ValueError::PullPolicy),
        }))
    }
}

/// The daemon's image, [`DEFAULT_IMAGE`] where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonImage(pub ImageReference);

impl Default for DaemonImage {
    fn default() -> Self {
        let (repository, tag) = DEFAULT_IMAGE.split_once(':').unwrap_or((DEFAULT_IMAGE, "latest"));
        Self(ImageReference { repository: repository.to_owned(), tag: Some(tag.to_owned()), digest: None })
    }
}

impl fmt::Display for DaemonImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for DaemonImage {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Ok(Self(text.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_and_ipv6_in_brackets() {
        for text in [":8080", "127.0.0.1:0", "[::1]:65535", "localhost:80"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        for text in ["8080", "::1:80", "[::1]", "[x]:80", "[::1:80", ":+80", ":65536", "a b:80", ":"] {
            assert_eq!(text.parse::<ListenAddress>(), Err(ValueError::Address), "{text}");
        }
        let all: ListenAddress = ":8080".parse().unwrap();
        assert_eq!(all.bind_texts(), ["[::]:8080", "0.0.0.0:8080"]);
    }

    #[test]
    fn namespaces_are_a_set_of_names() {
        assert_eq!("".parse(), Ok(Namespaces::All));
        assert_eq!(" , ".parse(), Ok(Namespaces::All));
        let two = Namespaces::Only(["edge".to_owned(), "team-a".to_owned()].into());
        assert_eq!("team-a, edge,edge".parse(), Ok(two));
        for text in ["Edge", "a,-b", "a.b", &"x".repeat(64)] {
            assert!(matches!(text.parse::<Namespaces>(), Err(ValueError::Name(..))), "{text}");
        }
    }

    #[test]
    fn names_are_subdomains() {
        for text in ["main", "a.b-c.d0", &"x".repeat(253)] {
            assert_eq!(text.parse::<ObjectLabel>().unwrap().as_str(), text);
        }
        for text in ["", "Main", "a..b", "a.", "-a", "a_b", "a/b", &"x".repeat(254)] {
            assert!(text.parse::<ObjectLabel>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_image_is_that_of_the_same_version_unless_told_otherwise() {
        assert_eq!(DaemonImage::default().to_string(), DEFAULT_IMAGE);
        assert_eq!(DEFAULT_IMAGE.parse(), Ok(DaemonImage::default()));
        assert!(matches!("no spaces please".parse::<DaemonImage>(), Err(ValueError::Image(_))));
    }
}
