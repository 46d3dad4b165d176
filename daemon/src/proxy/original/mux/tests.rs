use super::*;

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn mux(proxied: &[&str], passed: &[&str]) -> Mux {
    Mux::new(&owned(proxied), &owned(passed)).unwrap()
}

fn ask(mux: &Mux, line: &str) -> Answer {
    let (method, rest) = line.split_once(' ').unwrap();
    let (host, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    mux.answer(&method.parse().unwrap(), host, path, query)
}

fn to(location: &str) -> Answer {
    Answer::Redirect(location.to_owned())
}

#[test]
fn exact_paths_and_subtrees_are_told_apart() {
    let mux = mux(&["/api/v1/query", "/t/"], &["/federate"]);
    for (line, answer) in [
        ("GET /api/v1/query", Answer::Proxied),
        ("POST /api/v1/query?query=up", Answer::Proxied),
        ("GET /api/v1/query/", Answer::NotFound),
        ("GET /api/v1/query_range", Answer::NotFound),
        ("GET /t/", Answer::Proxied),
        ("GET /t/a/b", Answer::Proxied),
        ("GET /federate", Answer::PassedThrough),
        ("GET /", Answer::NotFound),
        ("DELETE /healthz", Answer::Healthz),
        ("GET /healthz/", Answer::NotFound),
    ] {
        assert_eq!(ask(&mux, line), answer, "{line}");
    }
}

#[test]
fn a_missing_slash_and_an_unclean_path_are_redirected() {
    let mux = mux(&["/t/", "/api"], &[]);
    for (line, answer) in [
        ("GET /t", to("/t/")),
        ("POST /t?a=1&b=2", to("/t/?a=1&b=2")),
        ("GET //t", to("/t/")),
        ("GET //api", to("/api")),
        ("GET /x//y?q", to("/x/y?q")),
        ("GET /t/../api", to("/api")),
        ("GET /t/a/..", to("/t/")),
        ("GET /a/./b", to("/a/b")),
        ("GET /é//x", to("/%C3%A9/x")),
        ("GET /t%2F/x", Answer::PassedThrough),
        ("GET /other", Answer::PassedThrough),
        ("GET /healthz", Answer::Healthz),
        ("GET //healthz", to("/healthz")),
    ] {
        assert_eq!(ask(&mux, line), answer, "{line}");
    }
}

#[test]
fn a_tunnel_s_path_is_not_made_another() {
    let mux = mux(&["CONNECT /t/"], &[]);
    assert_eq!(ask(&mux, "CONNECT //x"), Answer::PassedThrough);
    assert_eq!(ask(&mux, "CONNECT /t"), to("/t/"));
    assert_eq!(mux.answer(&Method::CONNECT, "host", "", None), Answer::NotFound);
}

#[test]
fn methods_hosts_and_wildcards_are_patterns_too() {
    let mux = mux(
        &["GET /m", "POST /m", "example.org/h", "/users/{id}", "/users/{id}/posts/{post}", "/only/{$}"],
        &["/h", "/files/{path...}", "/users/me", "PUT /other"],
    );
    for (line, answer) in [
        ("GET /m", Answer::Proxied),
        ("HEAD /m", Answer::Proxied),
        ("PUT /m", Answer::MethodNotAllowed("GET, HEAD, POST".to_owned())),
        ("GET /other", Answer::MethodNotAllowed("PUT".to_owned())),
        ("GET example.org/h", Answer::Proxied),
        ("GET example.com/h", Answer::PassedThrough),
        ("GET /users/7", Answer::Proxied),
        ("GET /users/me", Answer::PassedThrough),
        ("GET /users/%6De", Answer::PassedThrough),
        ("GET /users/a%2Fb", Answer::Proxied),
        ("GET /users/", Answer::NotFound),
        ("GET /users/7/posts/1", Answer::Proxied),
        ("GET /users/7/posts", Answer::NotFound),
        ("GET /files/", Answer::PassedThrough),
        ("GET /files/a/b", Answer::PassedThrough),
        ("GET /files", to("/files/")),
        ("GET /only/", Answer::Proxied),
        ("GET /only", to("/only/")),
        ("GET /only/x", Answer::NotFound),
    ] {
        assert_eq!(ask(&mux, line), answer, "{line}");
    }
}

#[test]
fn the_most_specific_counts_in_whatever_order_they_stand() {
    let patterns = ["/", "/a/", "/a/{x}", "/a/b", "GET /a/b", "h/"];
    let mux = mux(&patterns, &["/z", "/a/b/", "/a/x/c"]);
    assert_eq!(ask(&mux, "GET /z"), Answer::PassedThrough);
    assert_eq!(ask(&mux, "GET h/z"), Answer::Proxied, "a host is more specific than any path");
    assert_eq!(ask(&mux, "GET /a/b/c"), Answer::PassedThrough);
    assert_eq!(ask(&mux, "GET /a/x/d"), Answer::Proxied);
}

#[test]
fn conflicts_are_refused_by_name() {
    let fault = |proxied: &[&str], passed: &[&str]| {
        let problems = Mux::new(&owned(proxied), &owned(passed)).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        fault(&["/a", "/a"], &[]),
        "failed to create proxymw Routes: proxy_paths[1] \"/a\" and proxy_paths[0] \"/a\" mean the same requests, and neither is more specific; leave one out"
    );
    assert!(fault(&["/a"], &["/a"]).contains("passthrough_paths[0] \"/a\" and proxy_paths[0] \"/a\""));
    assert!(
        fault(&["/healthz"], &[]).contains("proxy_paths[0] \"/healthz\" and /healthz of the proxy itself")
    );
    assert!(
        fault(&["/"], &[])
            .contains("the \"/\" that empty passthrough_paths stand for and proxy_paths[0] \"/\"")
    );
    for (one, other, conflict) in [
        ("/{x}", "/{y}", true),
        ("/{x}/b", "/a/{y}", true),
        ("/a/{x...}", "/a/", true),
        ("/{x}/b", "/a/", true),
        ("GET /", "/a", true),
        ("GET /a", "HEAD /a", false),
        ("GET /a", "POST /a", false),
        ("GET /a/", "/", false),
        ("h/a", "/a", false),
        ("/a/{$}", "/a/{x}", false),
        ("/a/{$}", "/a/", false),
        ("/{x}", "/", false),
        ("/a", "/a/", false),
        ("/a/b/", "/a/{x}", false),
        ("/a/b/c", "/a/b", false),
    ] {
        let (one, other): (Pattern, Pattern) = (one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(one.conflicts_with(&other), conflict, "{one:?} {other:?}");
        assert_eq!(other.conflicts_with(&one), conflict, "{other:?} {one:?}");
    }
}

#[test]
fn texts_that_are_no_patterns_are_refused() {
    for (text, fault) in [
        ("", "it is empty; write a path such as /api/"),
        ("api", "it has no path; write one that begins with a slash"),
        ("G,T /a", "\"G,T\" is no method"),
        ("{x}/a", "its host has a brace; begin a path with a slash"),
        ("GET //a", "no request with a method has such a path; write \"/a\""),
        ("/a{x}", "the segment \"a{x}\" has a brace; a wildcard is a whole segment, such as {id}"),
        ("/{x", "the segment \"{x\" has a brace; a wildcard is a whole segment, such as {id}"),
        ("/{$}/a", "\"{$}\" must stand at the end"),
        ("/{x...}/a", "\"{x...}\" must stand at the end"),
        ("/{}", "the wildcard \"{}\" needs a name of letters and digits"),
        ("/{1a}", "the wildcard \"{1a}\" needs a name of letters and digits"),
        ("/{x}/{x}", "the wildcard \"x\" stands twice"),
    ] {
        assert_eq!(text.parse::<Pattern>().unwrap_err().to_string(), fault, "{text}");
    }
}

#[test]
fn the_host_is_the_uri_s_or_the_header_s_without_its_port() {
    for (uri, header, expected) in [
        ("/", "example.org:80", "example.org"),
        ("/", "example.org", "example.org"),
        ("/", "[::1]:80", "::1"),
        ("/", "[::1]", "[::1]"),
        ("/", "::1", "::1"),
        ("http://other.org:1/", "example.org", "other.org"),
        ("http://user@other.org/", "", "other.org"),
    ] {
        let request = http::Request::builder().uri(uri).header("host", header).body(()).unwrap();
        assert_eq!(host(&request.into_parts().0), expected, "{uri} {header}");
    }
}
