//! Where settings are written: the environment, and a file of `KEY = value` lines.

use std::{ffi::OsString, fmt, fs, path::Path};

use super::problem::Problem;

/// Something that holds settings. Tests give a list of pairs, so that none of them needs to change
/// the environment, which all threads of a process share.
pub trait Source {
    /// Everything it holds, under whatever name; where a name comes twice, the last one counts.
    fn entries(&self) -> Vec<Entry>;
}

/// One name with its text and the place where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As written, `GUBER_GRPC_ADDRESS`.
    pub name: String,
    /// As written; the environment may hold what is no text at all.
    pub value: OsString,
    /// For messages and for what differs between the environment and a file.
    pub origin: Origin,
}

/// The place where a setting was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A variable of the process.
    Environment,
    /// A line of the configuration file, counted from 1.
    File {
        /// As given on the command line.
        path: String,
        /// Counted from 1.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => formatter.write_str("environment"),
            Self::File { path, line } => write!(formatter, "{path}:{line}"),
        }
    }
}

/// The variables of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment;

impl Source for Environment {
    fn entries(&self) -> Vec<Entry> {
        // A name that is no text cannot be one of ours.
        std::env::vars_os()
            .filter_map(|(name, value)| {
                Some(Entry { name: name.into_string().ok()?, value, origin: Origin::Environment })
            })
            .collect()
    }
}

/// Pairs in memory, as if they were the environment.
#[derive(Clone, Debug, Default)]
pub struct Pairs(Vec<(String, String)>);

impl<const N: usize> From<[(&str, &str); N]> for Pairs {
    fn from(pairs: [(&str, &str); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl Source for Pairs {
    fn entries(&self) -> Vec<Entry> {
        self.0
            .iter()
            .map(|(name, value)| Entry {
                name: name.clone(),
                value: value.into(),
                origin: Origin::Environment,
            })
            .collect()
    }
}

/// A configuration file as Gubernator reads it: `KEY = value` lines, trimmed on both sides and split
/// at the first `=`. Lines that are empty or begin with `#`, a blank or a tab are skipped. Nothing is
/// quoted.
#[derive(Debug, Default)]
pub struct ConfigFile {
    entries: Vec<Entry>,
    malformed: Vec<Problem>,
}

impl ConfigFile {
    /// Reads a file. Malformed lines are kept and reported with every other problem, by
    /// [`Settings::read`](super::Settings::read).
    ///
    /// # Errors
    /// Where the file cannot be read or is no UTF-8 text.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let shown = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&shown, &text)),
            Err(source) => Err(Problem::Unreadable { path: shown, source }),
        }
    }

    /// Takes the text of a file apart; `path` is only for messages.
    #[must_use]
    pub fn parse(path: &str, text: &str) -> Self {
        let mut file = Self::default();
        for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
            if line.trim().is_empty() || line.starts_with(['#', ' ', '\t']) {
                continue;
            }
            let origin = Origin::File { path: path.to_owned(), line: index + 1 };
            match line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some((name, value)) if !name.is_empty() => {
                    file.entries.push(Entry { name: name.to_owned(), value: value.into(), origin });
                }
                _ => file.malformed.push(Problem::Malformed { origin }),
            }
        }
        file
    }

    /// The lines that are no `KEY = value`.
    pub(super) fn into_parts(self) -> (Vec<Entry>, Vec<Problem>) {
        (self.entries, self.malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_split_into_lines_and_names() {
        let text =
            "\u{feff}# comment\r\nGUBER_DEBUG = true\r\n\n indented = skipped\nA=b=c\nGUBER_DATA_CENTER=\n";
        let (entries, malformed) = ConfigFile::parse("my.conf", text).into_parts();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.value.to_str().unwrap_or(""), entry.origin.to_string()))
            .collect();
        assert_eq!(
            found,
            [
                ("GUBER_DEBUG", "true", "my.conf:2".to_owned()),
                ("A", "b=c", "my.conf:5".to_owned()),
                ("GUBER_DATA_CENTER", "", "my.conf:6".to_owned()),
            ]
        );
        assert!(malformed.is_empty());
    }

    #[test]
    fn a_line_without_a_name_or_an_equals_sign_is_malformed() {
        let (_, malformed) = ConfigFile::parse("my.conf", "GUBER_DEBUG true\n= 5\n").into_parts();
        let messages: Vec<_> = malformed.iter().map(ToString::to_string).collect();
        assert!(messages[0].starts_with("my.conf:1: malformed line"), "{}", messages[0]);
        assert!(messages[1].starts_with("my.conf:2: malformed line"), "{}", messages[1]);
    }
}
