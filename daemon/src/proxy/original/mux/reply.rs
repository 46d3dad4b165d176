//! What is answered without asking the upstream, to the byte as Go's server does.

use http::header::{ALLOW, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::Answer;
use crate::proxy::route::Fixed;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The reply to an [`Answer`] that forwards nothing; to the others, that nobody knows the path.
#[must_use]
pub fn fixed(answer: &Answer, method: &Method) -> Fixed {
    match answer {
        Answer::Healthz => Fixed {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, TEXT)]),
            body: "{\"ok\":true}\n".into(),
        },
        Answer::Redirect(location) => redirect(location, method),
        Answer::MethodNotAllowed(methods) => {
            let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
            if let Ok(methods) = methods.parse() {
                reply.headers.insert(ALLOW, methods);
            }
            reply
        }
        Answer::NotFound | Answer::Proxied | Answer::PassedThrough => {
            error(StatusCode::NOT_FOUND, "404 page not found\n")
        }
    }
}

fn error(status: StatusCode, body: &'static str) -> Fixed {
    let nosniff = HeaderValue::from_static("nosniff");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, TEXT), (X_CONTENT_TYPE_OPTIONS, nosniff)]);
    Fixed { status, headers, body: body.into() }
}

/// Only who asks with GET may be a person who reads where to go.
fn redirect(to: &str, method: &Method) -> Fixed {
    let mut headers = HeaderMap::new();
    // It is ASCII without blanks.
    if let Ok(to) = to.parse() {
        headers.insert(LOCATION, to);
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        headers.insert(CONTENT_TYPE, HTML);
    }
    let body = match *method {
        Method::GET => format!("<a href=\"{}\">Temporary Redirect</a>.\n\n", escaped(to)),
        _ => String::new(),
    };
    Fixed { status: StatusCode::TEMPORARY_REDIRECT, headers, body: body.into() }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reply: &Fixed) -> &str {
        std::str::from_utf8(&reply.body).unwrap()
    }

    #[test]
    fn the_proxy_s_own_answers_are_the_original_s_to_the_byte() {
        let healthz = fixed(&Answer::Healthz, &Method::POST);
        assert_eq!((healthz.status, text(&healthz)), (StatusCode::OK, "{\"ok\":true}\n"));
        assert_eq!(healthz.headers[CONTENT_TYPE], "text/plain; charset=utf-8");
        let unknown = fixed(&Answer::NotFound, &Method::GET);
        assert_eq!((unknown.status, text(&unknown)), (StatusCode::NOT_FOUND, "404 page not found\n"));
        assert_eq!(unknown.headers[CONTENT_TYPE], "text/plain; charset=utf-8");
        assert_eq!(unknown.headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        let method = fixed(&Answer::MethodNotAllowed("GET, HEAD".to_owned()), &Method::PUT);
        assert_eq!((method.status.as_u16(), text(&method)), (405, "Method Not Allowed\n"));
        assert_eq!(method.headers[ALLOW], "GET, HEAD");
    }

    #[test]
    fn a_redirect_tells_a_person_where_to_go() {
        let to = Answer::Redirect("/t/?a=1&b=<\">".to_owned());
        let reply = fixed(&to, &Method::GET);
        assert_eq!(reply.status.as_u16(), 307);
        assert_eq!(reply.headers[LOCATION], "/t/?a=1&b=<\">");
        assert_eq!(reply.headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(text(&reply), "<a href=\"/t/?a=1&amp;b=&lt;&#34;&gt;\">Temporary Redirect</a>.\n\n");
        let reply = fixed(&to, &Method::POST);
        assert_eq!((reply.headers.len(), text(&reply)), (1, ""));
    }
}
