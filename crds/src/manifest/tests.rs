use super::*;

const GOOD: &str = "\
apiVersion: wicketgate.dev/v1alpha1
kind: RateLimit
metadata: {name: checkout}
spec:
  clusterRef: {name: main}
  limit: 5
  duration: 1m
";

/// The problems of one file `f`, without the file's name.
fn problems(text: &str) -> Vec<String> {
    let problems = read([("f", text)]).problems;
    problems.iter().map(|problem| problem.to_string().replace("f: document ", "")).collect()
}

/// The problems of a limit with these lines in its spec, which begin on line 5.
fn of_spec(lines: &str) -> Vec<String> {
    let head = "apiVersion: wicketgate.dev/v1alpha1\nkind: RateLimit\nmetadata: {name: a}\nspec:\n";
    problems(&format!("{head}  {}\n", lines.replace('\n', "\n  ")))
}

#[test]
fn reads_a_file_of_several_documents() {
    let text = format!("# why\n---\n{GOOD}---\n---\n{}", GOOD.replace("checkout", "search"));
    let manifests = read([("limits.yaml", text)]);
    assert_eq!(manifests.problems, []);
    let [first, second] = &manifests.objects[..] else { panic!("two objects: {manifests:?}") };
    assert_eq!((first.place.document, first.place.line), (1, 3));
    assert_eq!((second.place.document, second.place.line), (3, 12));
    assert_eq!(first.manifest.name().to_string(), "default/checkout");
    let Manifest::RateLimit(limit) = &second.manifest else { panic!("a limit") };
    assert_eq!(limit.spec.limit, 5);
    assert_eq!(limit.spec.duration.map(|d| d.to_string()).as_deref(), Some("1m"));
}

#[test]
fn a_problem_says_where_it_is() {
    let text = format!("{GOOD}---\n{}", GOOD.replace("limit: 5", "limit: abc").replace("checkout", "b"));
    let manifests = read([("examples/x.yaml", text)]);
    assert_eq!(manifests.objects.len(), 1, "the good document is read");
    assert_eq!(
        manifests.problems[0].to_string(),
        "examples/x.yaml: document 2, line 14: spec.limit: expected an integer, got \"abc\""
    );
}

#[test]
fn goes_on_after_each_problem() {
    let found = of_spec(
        "limit: abc\nlimt: 5\nduration: 10\nburst: .nan\nalgorithm: Leaky\noverrides:\n- {key: x, limit: \"5\"}\n- limit: 1.5\n  key: 5",
    );
    assert_eq!(
        found,
        [
            "1, line 4: spec.clusterRef: is required and missing",
            "1, line 5: spec.limit: expected an integer, got \"abc\"",
            "1, line 6: spec.limt: unknown field: did you mean limit?",
            "1, line 7: spec.duration: expected a duration with its unit, such as \"30s\", got 10",
            "1, line 8: spec.burst: expected an integer, got NaN",
            "1, line 9: spec.algorithm: \"Leaky\" is none of TokenBucket, LeakyBucket",
            "1, line 11: spec.overrides[0].limit: expected an integer, got the text \"5\": leave out the quotes and leading zeros",
            "1, line 12: spec.overrides[1].limit: expected an integer, got 1.5",
            "1, line 13: spec.overrides[1].key: expected a text, got 5: put it in quotes",
        ]
    );
}

#[test]
fn numbers_that_are_none() {
    let head = "clusterRef: {name: main}\nduration: 1m\nlimit: ";
    for (value, part) in [
        (".inf", "expected an integer, got an infinite number"),
        ("1e3", "expected an integer, got 1000.0"),
        ("-1", "-1 is too small: at least 0"),
        ("9007199254740992", "9007199254740992 is too large: at most 9007199254740991"),
        ("99999999999999999999", "expected an integer, got a number beyond 64 bits"),
        ("010", "leave out the quotes and leading zeros"),
        ("NaN", "expected an integer, got \"NaN\""),
        ("true", "expected an integer, got the boolean true"),
        ("[1]", "expected an integer, got a list"),
        ("{a: 1}", "expected an integer, got a mapping"),
        ("", "has no value: give one, or leave the field out"),
    ] {
        let found = of_spec(&format!("{head}{value}"));
        assert_eq!(found.len(), 1, "{value}: {found:?}");
        assert!(found[0].starts_with("1, line 7: spec.limit: ") && found[0].ends_with(part), "{found:?}");
    }
}

#[test]
fn rules_are_applied_with_defaults_in_place() {
    let found =
        of_spec("clusterRef: {name: main}\nlimit: 1\nburst: 3\noverrides:\n- {key: a, limit: 1}\n- {key: a}");
    assert_eq!(
        found,
        [
            "1, line 4: spec: exactly one of duration and calendar must be given",
            "1, line 4: spec: burst is for the LeakyBucket algorithm: leave it out, or set algorithm: LeakyBucket",
            "1, line 10: spec.overrides[1]: either limit or unlimited: true must be given",
        ]
    );
}

#[test]
fn headers_must_be_ours() {
    for (from, to, expected) in [
        ("wicketgate.dev/v1alpha1", "v1", "line 1: apiVersion: \"v1\" (kind RateLimit) is not ours"),
        (
            "v1alpha1",
            "v2",
            "line 1: apiVersion: \"wicketgate.dev/v2\" is a version that this program does not know",
        ),
        (
            "kind: RateLimit",
            "kind: RateLimits",
            "line 2: kind: unknown kind \"RateLimits\": did you mean RateLimit?",
        ),
        ("kind: RateLimit\n", "", "line 1: kind: is required"),
        ("{name: checkout}", "{}", "line 3: metadata.name: is required and missing"),
        ("{name: checkout}", "{name: Checkout}", "line 3: metadata.name: \"Checkout\" must be of a-z"),
        (
            "{name: checkout}",
            "{name: a, lables: {}}",
            "line 3: metadata.lables: unknown field: did you mean labels?",
        ),
        ("{name: checkout}", "{name: a, creationTimestamp: soon}", "line 1: "),
        ("spec:", "sepc:", "line 4: sepc: unknown field: did you mean spec?"),
    ] {
        let found = problems(&GOOD.replace(from, to));
        assert!(
            found.iter().any(|problem| problem.starts_with(&format!("1, {expected}"))),
            "{to}: {found:?}"
        );
    }
    assert_eq!(problems("- a\n"), ["1, line 1: expected an object with apiVersion and kind, got a list"]);
    assert_eq!(problems("12\n"), ["1, line 1: expected an object with apiVersion and kind, got 12"]);
}

#[test]
fn bad_syntax_hides_only_its_own_document() {
    let text = format!("a: [1, 2\nb: }}\n---\n{GOOD}");
    let manifests = read([("f", text)]);
    assert_eq!(manifests.objects.len(), 1);
    assert_eq!(manifests.problems.len(), 1);
    let problem = manifests.problems[0].to_string();
    assert!(problem.starts_with("f: document 1, line 2: not readable as YAML: "), "{problem}");
}

#[test]
fn one_name_one_object() {
    let manifests = read([("a.yaml", GOOD), ("b.yaml", GOOD)]);
    assert_eq!(manifests.objects.len(), 1);
    assert_eq!(
        manifests.problems[0].to_string(),
        "b.yaml: document 1, line 1: metadata.name: RateLimit default/checkout is already declared at a.yaml: document 1, line 1"
    );
    let other = GOOD.replace("{name: checkout}", "{name: checkout, namespace: shop}");
    assert_eq!(read([("a.yaml", GOOD), ("b.yaml", &other)]).objects.len(), 2);
}

#[test]
fn fields_and_items_given_twice() {
    let found =
        of_spec("clusterRef: {name: main}\nlimit: 1\nlimit: 2\nduration: 1m\nbehaviors: [Global, Global]");
    assert_eq!(
        found,
        [
            "1, line 7: spec.limit: is given twice",
            "1, line 9: spec.behaviors[1]: \"Global\" is in the list twice",
        ]
    );
}

#[test]
fn anchors_merges_and_null_are_understood() {
    let text = GOOD.replace(
        "  limit: 5\n  duration: 1m\n",
        "  <<: &w {limit: 5, duration: 1m}\n  calendar:\n  overrides: []\n",
    );
    assert_eq!(problems(&text), [""; 0]);
}

#[test]
fn what_a_server_returns_can_be_read() {
    let text = "\
{\"apiVersion\": \"wicketgate.dev/v1alpha1\", \"kind\": \"RateLimit\", \"metadata\": {\"name\": \"a\", \"uid\": \"x\",
 \"creationTimestamp\": \"2026-01-02T03:04:05Z\", \"generation\": 2, \"managedFields\": [{\"manager\": \"m\"}]},
 \"spec\": {\"clusterRef\": {\"name\": \"main\"}, \"limit\": 5, \"duration\": \"1m\"},
 \"status\": {\"observedGeneration\": 2, \"conditions\": [{\"type\": \"Accepted\", \"status\": \"True\",
   \"lastTransitionTime\": \"2026-01-02T03:04:05Z\", \"reason\": \"Accepted\", \"message\": \"\"}]}}";
    assert_eq!(problems(text), [""; 0]);
}

#[test]
fn bombs_are_refused_in_time() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ["b", "c", "d", "e", "f", "g"].iter().zip(["a", "b", "c", "d", "e", "f"]) {
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(", ")));
    }
    let deep = format!("a: {}", "[".repeat(10_000));
    let wide = format!("a: [{}]", "1,".repeat(200_000));
    for text in [bomb, deep, wide] {
        let found = problems(&text);
        assert!(found.len() == 1 && found[0].contains("not readable as YAML"), "{found:?}");
    }
    let large = " ".repeat(MAX_FILE_BYTES + 1);
    assert!(read([("f", large)]).problems[0].to_string().starts_with("f: 16777217 bytes are more than"));
}

#[test]
fn the_list_of_problems_ends_somewhere() {
    let text = "---\na: 1\n".repeat(1000);
    let found = problems(&text);
    assert_eq!(found.len(), MAX_PROBLEMS + 1);
    assert!(found[MAX_PROBLEMS].contains("more than 200 problems"), "{found:?}");
}

#[test]
fn any_text_is_answered() {
    for text in
        ["", "\0", "---", "\u{feff}", "%", "!!binary x", "? [a]\n: b", "&a *a", "*a", "key: *unknown", "\t"]
    {
        let _ = problems(text);
        let _ = of_spec(text);
    }
}

#[test]
fn what_no_schema_can_say_of_a_policy_is_found_at_its_line() {
    let policy = "apiVersion: wicketgate.dev/v1alpha1\nkind: BackpressurePolicy\nmetadata: {name: a}\nspec:
  clusterRef: {name: main}
  listener: {port: 8080}
  upstream: {url: http://a}
  window: {min: 1, max: 2}
  algorithm: {type: Fixed}
  block:
    - {header: a, pattern: fine}
    - {header: a, pattern: '('}\n";
    assert_eq!(
        problems(policy),
        ["1, line 12: spec.block[1].pattern: \"(\": not a regular expression that pods take: unclosed group"]
    );
    assert_eq!(problems(&policy.replace("'('", "b")), [""; 0]);
}
