//! Paths as Go sees them: cleaned, and cut into segments.

use std::borrow::Cow;

/// A path without slashes in a row and without dots; a slash at its end stays, but for dots.
pub(super) fn cleaned(path: &str) -> Cow<'_, str> {
    if path.starts_with('/') && !path.contains("//") && !path.contains("/.") {
        return Cow::Borrowed(path);
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if path.ends_with('/') && !segments.is_empty() {
        clean.push('/');
    }
    Cow::Owned(clean)
}

/// A path's segments, decoded one by one; `/` stands for a slash at its end.
pub(super) fn decoded(path: &str) -> Vec<Cow<'_, str>> {
    let Some(rest) = path.strip_prefix('/') else { return Vec::new() };
    let mut segments: Vec<_> = rest.split('/').map(unescaped).collect();
    if let Some(last) = segments.last_mut().filter(|last| last.is_empty()) {
        *last = Cow::Borrowed("/");
    }
    segments
}

/// Percent signs decoded; a text in which they are not right, or hide what is no text, stays.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => plain.push((high * 16 + low) as u8),
            _ => return Cow::Borrowed(text),
        }
    }
    String::from_utf8(plain).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, clean) in [
            ("/", "/"),
            ("", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("//a", "/a"),
            ("/a//b/", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/../..", "/"),
            ("/a/.", "/a"),
            ("/a/./", "/a/"),
            ("/.hidden", "/.hidden"),
            ("/a/%2e%2e/b", "/a/%2e%2e/b"),
        ] {
            assert_eq!(cleaned(path), clean, "{path}");
        }
    }

    #[test]
    fn segments_are_decoded_one_by_one() {
        assert_eq!(decoded("/a%2Fb/%63"), ["a/b", "c"]);
        assert_eq!(decoded("/a/"), ["a", "/"]);
        assert_eq!(decoded("/"), ["/"]);
        assert_eq!(decoded(""), Vec::<String>::new());
        assert_eq!(decoded("/%zz/%2/%ff"), ["%zz", "%2", "%ff"]);
    }
}
