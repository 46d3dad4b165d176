//! The papers: what they name is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

const DIFFERENCES: &str = "docs/differences.md";
/// Where sources and tests live.
const ROOMS: [&str; 5] = ["crds", "daemon", "e2e", "operator", "proto"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the repository").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file under `folder` with this extension; what builds leave behind is not ours.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|kind| kind == extension) {
            found.push(path);
        }
    }
    found
}

/// What stands between two `mark`s, each time.
fn between(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

/// A page without its blocks of code.
fn prose(page: &str) -> String {
    let mut inside = false;
    let outside = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    page.lines().filter(outside).collect::<Vec<_>>().join("\n")
}

/// The last cell of each row of a page's tables, without their heads.
fn last_cells(page: &str) -> Vec<&str> {
    let lines: Vec<_> = page.lines().collect();
    let is_rule = |line: &str| line.starts_with("|---");
    let rows = lines.iter().enumerate().filter(|(nth, line)| {
        line.starts_with('|') && !is_rule(line) && !lines.get(nth + 1).is_some_and(|below| is_rule(below))
    });
    rows.map(|(_, line)| line.trim_end_matches('|').rsplit_once('|').map_or("", |(_, last)| last)).collect()
}

#[test]
fn every_difference_names_a_test_that_exists() {
    let root = root();
    let sources: String =
        ROOMS.iter().flat_map(|room| files(&root.join(room), "rs")).map(|path| read(&path)).collect();
    let golden: BTreeSet<String> = files(&root.join("daemon/engine/tests/golden"), "txt")
        .iter()
        .flat_map(|path| read(path).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let page = read(&root.join(DIFFERENCES));
    let cells = last_cells(&page);
    assert!(cells.len() > 40, "only {} differences were found: has the page another form?", cells.len());
    for cell in cells {
        let names: Vec<_> = between(cell, '`').collect();
        assert!(!names.is_empty(), "{DIFFERENCES}: a row names no test: {cell}");
        for name in names {
            // A function of its own, or a row of the macro that makes tests of golden tables.
            let there = sources.contains(&format!("fn {name}(")) || sources.contains(&format!("{name}: \""));
            assert!(there, "{DIFFERENCES} names the test {name}, and there is none");
        }
        for case in between(cell, '"') {
            assert!(
                golden.contains(&format!("case {case}")),
                "{DIFFERENCES}: no golden case is named {case:?}"
            );
        }
    }
}

#[test]
fn every_link_leads_to_a_file() {
    let root = root();
    let mut pages = files(&root.join("docs"), "md");
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name)));
    for page in pages {
        let text = prose(&read(&page));
        let name = page.strip_prefix(&root).expect("a page of ours").display();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(to, _)| to) {
            let (path, _) = target.split_once('#').unwrap_or((target, ""));
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let to = page.parent().expect("a folder").join(path);
            assert!(to.exists(), "{name}: the link to {target} leads nowhere");
        }
    }
}

#[test]
fn every_target_of_make_that_is_named_exists() {
    let root = root();
    let makefile = read(&root.join("Makefile"));
    for page in ["README.md", "CONTRIBUTING.md", "docs/architecture.md"] {
        let text = read(&root.join(page));
        let named = text.lines().filter_map(|line| line.trim_start().strip_prefix("make "));
        let quoted = between(&text, '`').filter_map(|code| code.strip_prefix("make "));
        for target in named.chain(quoted).filter_map(|rest| rest.split_whitespace().next()) {
            let there = makefile.lines().any(|line| line.starts_with(&format!("{target}:")));
            assert!(there, "{page} names `make {target}`, which the Makefile does not have");
        }
    }
}

/// Names and labels of the metrics in a generated page, with whether they are histograms.
fn metrics(page: &str) -> BTreeMap<String, (BTreeSet<String>, bool)> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let parsed = rows.map(|(name, rest)| {
        let cells: Vec<_> = rest.split('|').map(str::trim).collect();
        // As in `method: …; status: …`, with values in backticks that may hold anything.
        let plain: String = cells[2].split('`').step_by(2).collect();
        let labels = plain.split(';').filter_map(|label| Some(label.split_once(':')?.0.trim().to_owned()));
        (name.to_owned(), (labels.collect(), cells[1].starts_with("histogram")))
    });
    parsed.collect()
}

/// The words of a PromQL expression, without what stands in quotes.
fn words(expression: &str) -> Vec<&str> {
    let outside = expression.split('"').step_by(2);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    outside.flat_map(|part| part.split(|c| !is_part(c))).filter(|word| !word.is_empty()).collect()
}

/// The labels that an expression selects or sums by.
fn labels_of(expression: &str) -> BTreeSet<&str> {
    let between = |open: &'static str, close| {
        expression.split(open).skip(1).filter_map(move |rest| Some(rest.split_once(close)?.0))
    };
    between("{", '}').chain(between("by (", ')')).flat_map(words).collect()
}

/// Every text under a key of this name, however deep.
fn texts<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str));
            fields.values().for_each(|field| texts(field, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        _ => {}
    }
}

/// What is wrong with an expression: metrics that are not known, and labels that they do not have.
fn wrong(expression: &str, known: &BTreeMap<String, (BTreeSet<String>, bool)>) -> Vec<String> {
    let ours = ["gubernator_", "proxymw_", "wicketgate_"];
    let names = words(expression).into_iter().filter(|word| ours.iter().any(|own| word.starts_with(own)));
    let mut found = Vec::new();
    for name in names {
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let (labels, is_histogram) = known.get(name.strip_suffix(end)?)?;
            is_histogram.then_some(labels)
        });
        match known.get(name).map(|(labels, _)| labels).or(of_histogram) {
            None => found.push(format!("there is no metric {name}")),
            Some(labels) => {
                let missing = labels_of(expression)
                    .into_iter()
                    .filter(|label| !labels.contains(*label) && (*label != "le" || of_histogram.is_none()));
                found.extend(missing.map(|label| format!("{name} has no label {label}")));
            }
        }
    }
    found
}

#[test]
fn every_metric_of_a_dashboard_exists() {
    let root = root();
    let known = metrics(&read(&root.join("docs/metrics.md")));
    assert!(known.len() > 25, "only {} metrics were found: has the page another form?", known.len());
    for path in files(&root.join("charts/wicketgate/dashboards"), "json") {
        let board: Value = serde_json::from_str(&read(&path)).expect("a dashboard is JSON");
        let mut expressions = Vec::new();
        texts(&board["panels"], "expr", &mut expressions);
        texts(&board["templating"], "definition", &mut expressions);
        assert!(expressions.len() > 10, "{}: only {expressions:?} were found", path.display());
        let found: BTreeSet<_> =
            expressions.iter().flat_map(|expression| wrong(expression, &known)).collect();
        assert!(found.is_empty(), "{}: {found:#?}", path.display());
    }
}
