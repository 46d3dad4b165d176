//! Reads variables of the table one by one, gathers every problem instead of stopping at the first,
//! and remembers what was asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    time::Duration,
};

use super::{
    problem::{Problem, Warning},
    source::{Entry, Origin},
    table::{self, Kind, Status, Variable},
    value::{Address, ValueError, parse_count, parse_duration, parse_list, parse_switch},
};

/// The prefixes under which a name that we do not know is worth a warning.
const OURS: [&str; 2] = ["GUBER_", "WICKETGATE_"];

/// A value somebody wrote, checked to be text.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Reader {
    written: BTreeMap<&'static str, Written>,
    read: BTreeSet<&'static str>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl Reader {
    /// Takes entries in rising rank: a later one replaces an earlier one of the same name. An empty
    /// value is the same as none, wherever it stands, so that a manifest may leave one blank.
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let mut reader = Self::default();
        for Entry { name, value, origin } in entries {
            let Some(variable) = table::find(&name) else {
                reader.unknown(&name, &origin);
                continue;
            };
            match value.into_string() {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => {
                    let written = Written { text: text.trim().to_owned(), origin };
                    reader.written.insert(variable.name, written);
                }
                Err(_) => reader.problems.push(Problem::NotText {
                    name: variable.name,
                    origin,
                    allowed: variable.kind.to_string(),
                }),
            }
        }
        reader
    }

    fn unknown(&mut self, name: &str, origin: &Origin) {
        let ours = OURS.iter().any(|prefix| name.starts_with(prefix));
        let in_file = matches!(origin, Origin::File { .. });
        if in_file || (ours && !is_service_link(name)) {
            let nearest = table::nearest(name);
            self.warn(format!("{name} ({origin}) is no setting and is ignored; did you mean {nearest}?"));
        }
    }

    pub(super) fn warn(&mut self, text: String) {
        self.warnings.push(Warning(text));
    }

    /// What was written under a name, if anything.
    pub(super) fn written(&mut self, name: &'static str) -> Option<Written> {
        self.read.insert(name);
        self.written.get(name).cloned()
    }

    /// Parses what was written under a name, else the table's default. `None` where neither is there,
    /// or where it is wrong, which is then a problem already.
    pub(super) fn parse<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let written = self.written(name);
        let default = table::find(name).map_or("", |variable| variable.default);
        let Some(written) = written else {
            return if default.is_empty() { None } else { parse(default).ok() };
        };
        match parse(&written.text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.refuse(name, &written, why);
                None
            }
        }
    }

    /// Adds the problem of a wrong value.
    pub(super) fn refuse(&mut self, name: &'static str, written: &Written, why: String) {
        let allowed = table::find(name).map_or_else(String::new, |variable| variable.kind.to_string());
        let Written { text: value, origin } = written.clone();
        self.problems.push(Problem::Value { name, value, origin, why, allowed });
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.parse(name, |text| Ok(text.to_owned()))
    }

    pub(super) fn address(&mut self, name: &'static str) -> Option<Address> {
        self.parse(name, |text| Address::from_str(text).map_err(words))
    }

    pub(super) fn switch(&mut self, name: &'static str) -> bool {
        self.parse(name, |text| parse_switch(text).map_err(words)).unwrap_or_default()
    }

    pub(super) fn duration(&mut self, name: &'static str) -> Duration {
        self.parse(name, |text| {
            let duration = parse_duration(text).map_err(words)?;
            match kind(name) {
                Some(Kind::Duration(min, max)) if !(min.get()..=max.get()).contains(&duration) => {
                    Err("is out of bounds".to_owned())
                }
                _ => Ok(duration),
            }
        })
        .unwrap_or_default()
    }

    pub(super) fn seconds(&mut self, name: &'static str) -> Duration {
        Duration::from_secs(self.count(name).unwrap_or_default() as u64)
    }

    pub(super) fn count(&mut self, name: &'static str) -> Option<usize> {
        self.parse(name, |text| {
            let count = parse_count(text).map_err(words)?;
            let (min, max) = match kind(name) {
                Some(Kind::Count(min, max)) => (min, max),
                Some(Kind::Seconds(max)) => (0, max),
                _ => (0, usize::MAX),
            };
            if (min..=max).contains(&count) { Ok(count) } else { Err("is out of bounds".to_owned()) }
        })
    }

    /// One of the table's words, without regard to case, made into what it stands for.
    pub(super) fn word<T>(&mut self, name: &'static str, known: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.parse(name, |text| {
            let Some(Kind::OneOf(words)) = kind(name) else { return Err("is unexpected".to_owned()) };
            let word = words.iter().find(|word| word.eq_ignore_ascii_case(text));
            word.and_then(|word| known(word)).ok_or_else(|| "is none of the known words".to_owned())
        })
    }

    /// The table's words that a comma list holds.
    pub(super) fn words(&mut self, name: &'static str) -> Vec<&'static str> {
        self.parse(name, |text| {
            let Some(Kind::AnyOf(words)) = kind(name) else { return Err("is unexpected".to_owned()) };
            parse_list(text)
                .map(|part| {
                    let word = words.iter().find(|word| word.eq_ignore_ascii_case(part)).copied();
                    word.ok_or_else(|| format!("contains {part:?}"))
                })
                .collect()
        })
        .unwrap_or_default()
    }

    /// What is left: variables that this version refuses, or takes without effect.
    pub(super) fn take_the_rest(&mut self) {
        for &Variable { name, status, .. } in table::variables() {
            let Some(written) = (match status {
                Status::Works => None,
                Status::NotYet | Status::Refused => self.written(name),
            }) else {
                continue;
            };
            let origin = written.origin;
            if status == Status::Refused {
                self.problems.push(Problem::Tls { name, origin });
            } else {
                self.warn(format!("{name} ({origin}) is known but has no effect in this version"));
            }
        }
    }

    /// The names asked for so far.
    #[cfg(test)]
    pub(super) const fn read_names(&self) -> &BTreeSet<&'static str> {
        &self.read
    }
}

fn kind(name: &str) -> Option<Kind> {
    table::find(name).map(|variable| variable.kind)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn words(error: ValueError) -> String {
    error.to_string()
}

/// Whether Kubernetes put this variable into the pod for a Service named `wicketgate` or
/// `wicketgate-…`: `WICKETGATE_SERVICE_HOST`, `WICKETGATE_MAIN_PORT_1051_TCP_ADDR` and so on.
fn is_service_link(name: &str) -> bool {
    let link = |marker: &str| {
        name.find(marker).is_some_and(|at| {
            let rest = &name[at + marker.len()..];
            rest.is_empty() || rest.starts_with('_')
        })
    };
    let port = name.find("_PORT_").is_some_and(|at| {
        name[at + "_PORT_".len()..].split('_').next().is_some_and(|number| number.parse::<u16>().is_ok())
    });
    link("_SERVICE_HOST") || link("_SERVICE_PORT") || name.ends_with("_PORT") || port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_links_are_told_from_misspelt_names() {
        for name in [
            "WICKETGATE_SERVICE_HOST",
            "WICKETGATE_MAIN_SERVICE_PORT_GRPC",
            "WICKETGATE_PORT",
            "WICKETGATE_PORT_1051_TCP_ADDR",
        ] {
            assert!(is_service_link(name), "{name}");
        }
        for name in ["WICKETGATE_PEER", "WICKETGATE_SERVICE", "WICKETGATE_PORT_RANGE"] {
            assert!(!is_service_link(name), "{name}");
        }
    }
}
