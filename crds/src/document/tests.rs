use super::*;

fn document() -> DaemonDocument {
    let mut document = DaemonDocument {
        format: FORMAT,
        revision: String::new(),
        cluster: ObjectName { namespace: "edge".into(), name: "main".into() },
        start: StartSettings {
            capacity: 1_000_000,
            hash: Hash::XXH3,
            time_zone: "UTC".into(),
            data_center: String::new(),
            batching: Batching::default(),
            global: GlobalSync::default(),
            on_owner_unavailable: OnOwnerUnavailable::NextPeer,
            max_clock_skew: GoDuration::from_secs(600),
        },
        live: LiveSettings::default(),
        rate_limits: vec![LimitEntry {
            name: "checkout: #1 \"quoted\"".into(),
            source: ObjectName { namespace: "shop".into(), name: "checkout".into() },
            limit: 100,
            window: LimitWindow::Calendar(Calendar::Day),
            algorithm: Algorithm::LeakyBucket,
            burst: 10,
            behaviors: vec![Behavior::Global],
            precedence: Precedence::Declaration,
            enforcement: Enforcement::Audit,
            overrides: vec![
                OverrideEntry { matches: KeyMatch::Key("true".into()), allows: Allowance::Limit(0) },
                OverrideEntry { matches: KeyMatch::Prefix("0".into()), allows: Allowance::Unlimited },
            ],
        }],
        backpressure_policies: Vec::new(),
    };
    document.revision = document.content_hash().unwrap();
    document
}

#[test]
fn is_read_as_it_was_written() {
    let document = document();
    let text = document.render().unwrap();
    assert_eq!(DaemonDocument::parse(&text).unwrap(), document);
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(DaemonDocument::parse(&json).unwrap(), document);
}

#[test]
fn a_revision_follows_the_contents_alone() {
    let first = document();
    assert_eq!(first.revision.len(), 16);
    assert_eq!(document().revision, first.revision);
    let mut second = document();
    second.rate_limits[0].limit += 1;
    assert_ne!(second.content_hash().unwrap(), first.revision);
}

#[test]
fn is_refused_whole() {
    let text = document().render().unwrap();
    for (from, to, message) in [
        ("format: 1", "format: 2", "the document has the format 2"),
        ("limit: 100\n", "limit: 99\n", "the document says that its revision is"),
        ("limit: 100\n", "limit: -1\n", "rateLimits[0] (\"checkout: #1 \\\"quoted\\\"\"): limit is -1"),
        ("limit: 100\n", "limit: .nan\n", "the document is not readable"),
        ("calendar: Day", "millis: 0", "window.millis is 0: at least 1"),
        ("burst: 10", "burst: 10\n  extra: 1", "the document is not readable"),
        ("live:", "alive:", "the document is not readable"),
    ] {
        assert!(text.contains(from), "{from} is in {text}");
        let error = DaemonDocument::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(message), "{to}: {error}");
    }
    assert!(DaemonDocument::parse(&text[..text.len() / 2]).is_err());
}

#[test]
fn names_are_unique() {
    let mut twice = document();
    twice.rate_limits.push(twice.rate_limits[0].clone());
    assert!(twice.validate().unwrap_err().to_string().contains("has the name of rateLimits[0]"));
}

#[test]
fn overrides_match_keys_and_beginnings() {
    assert!(KeyMatch::Key("a".into()).matches("a"));
    assert!(!KeyMatch::Key("a".into()).matches("ab"));
    assert!(KeyMatch::Prefix("a".into()).matches("ab"));
    assert!(!KeyMatch::Prefix("ab".into()).matches("a"));
}
