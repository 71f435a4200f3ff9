//! Computed answers (`http-and-redis.md` section 1).

use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{Either, Full, combinators::UnsyncBoxBody};
use hyper::{
    Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue},
    http::request::Parts,
};
use sha1::{Digest as _, Sha1};

use super::{
    conditional,
    error::Error,
    long::{LongAnswers, Pace, STEP},
};
use crate::{
    contract::uri::{encode_url, escape_html},
    js::{Json, Object},
};

/// The body of an answer: bytes at hand, or a stream of them.
pub type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, io::Error>>;

/// A body of bytes at hand.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Either::Left(Full::new(bytes.into()))
}

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// An answer that is known as a whole before it is sent.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn new(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind);
        Answer { status, headers, body: body.into() }
    }

    /// An answer that carries a tag of its body, as all do but pages of the framework.
    pub(super) fn tagged(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Answer {
        let answer = Answer::new(status, kind, body);
        let digest = Sha1::digest(&answer.body);
        answer.tag(&digest)
    }

    fn tag(self, digest: &[u8]) -> Answer {
        let digest = STANDARD.encode(digest);
        let tag = format!("W/\"{:x}-{}\"", self.body.len(), &digest[..27]);
        self.header(ETAG, tag)
    }

    /// JSON with status 200.
    pub fn ok(json: &Json) -> Answer {
        Answer::json(StatusCode::OK, json)
    }

    /// 200 with the text of a JSON value.
    pub fn ok_text(body: impl Into<Bytes>) -> Answer {
        Answer::tagged(StatusCode::OK, JSON, body)
    }

    /// The same for a text that may be long: others have their turn in between.
    pub async fn ok_long(body: Vec<u8>) -> Answer {
        let answer = Answer::new(StatusCode::OK, JSON, body);
        let (mut digest, mut pace) = (Sha1::new(), Pace::default());
        for piece in answer.body.chunks(STEP) {
            digest.update(piece);
            pace.did(piece.len()).await;
        }
        answer.tag(&digest.finalize())
    }

    /// JSON.
    pub fn json(status: StatusCode, json: &Json) -> Answer {
        let mut body = Vec::new();
        json.write(&mut body);
        Answer::tagged(status, JSON, body)
    }

    /// `{"message":…}`.
    pub fn message(status: StatusCode, message: &str) -> Answer {
        let mut body = Object::default();
        body.insert("message", message.into());
        Answer::json(status, &body.into())
    }

    /// The name of a status, as plain text.
    pub fn status(status: StatusCode) -> Answer {
        Answer::tagged(status, TEXT, status.canonical_reason().unwrap_or_default())
    }

    /// Text that goes out as HTML, which is what the original makes of every bare string.
    pub fn text(text: impl Into<Bytes>) -> Answer {
        Answer::tagged(StatusCode::OK, HTML, text)
    }

    /// The page for what is not there.
    pub fn no_such_page(method: &Method, path: &str) -> Answer {
        let line = format!("Cannot {method} {}", encode_url(path));
        Answer::page(StatusCode::NOT_FOUND, HTML, "Error", &escape_html(&line))
    }

    /// A page in the framework's frame. `content` is HTML.
    pub fn page(status: StatusCode, kind: HeaderValue, title: &str, content: &str) -> Answer {
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <title>{title}</title>\n</head>\n<body>\n<pre>{content}</pre>\n</body>\n</html>\n"
        );
        Answer::new(status, kind, page)
            .header(HeaderName::from_static("content-security-policy"), "default-src 'none'")
            .header(HeaderName::from_static("x-content-type-options"), "nosniff")
    }

    /// The answer, counted until it is with the kernel.
    ///
    /// # Errors
    /// When it is long, and too much of other long ones is not read yet.
    pub fn counted(mut self, long: &LongAnswers) -> Result<Answer, Error> {
        self.body = long.hold(self.body)?;
        Ok(self)
    }

    /// Adds a header. One that can't be sent is left out.
    pub fn header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Answer {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Fits the answer to its request: a client that has it already is told so.
    pub fn send(mut self, request: &Parts) -> Response<Body> {
        let read = matches!(request.method, Method::GET | Method::HEAD);
        if read && self.status.is_success() {
            let tag = self.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
            if tag.is_some_and(|tag| conditional::is_fresh(&request.headers, tag, None)) {
                self.headers.remove(CONTENT_TYPE);
                return assemble(StatusCode::NOT_MODIFIED, self.headers, full(Bytes::new()));
            }
        }
        self.headers.insert(CONTENT_LENGTH, self.body.len().into());
        let body = if request.method == Method::HEAD { Bytes::new() } else { self.body };
        assemble(self.status, self.headers, full(body))
    }
}

/// A response of its parts.
pub fn assemble(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{Request, header::IF_NONE_MATCH};

    fn request(method: Method, if_none_match: &str) -> Parts {
        let request = Request::builder().method(method).header(IF_NONE_MATCH, if_none_match);
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn tags_are_the_recorded_ones() {
        let tag = |answer: Answer| answer.headers[ETAG].to_str().unwrap().to_owned();
        assert_eq!(tag(Answer::ok(&Json::Null)), "W/\"4-K+iMpCQsduglOsYkdIUQZQMtaDM\"");
        assert_eq!(
            tag(Answer::ok(&Object::default().into())),
            "W/\"2-vyGp6PvFo4RvsFtPoIWeCReyIC8\""
        );
        assert_eq!(tag(Answer::status(StatusCode::OK)), "W/\"2-nOO9QiTIwXgNtWtBJezz8kv3SLc\"");
        assert_eq!(
            tag(Answer::status(StatusCode::BAD_REQUEST)),
            "W/\"b-EFiDB1U+dmqzx9Mo2UjcZ1SJPO8\""
        );
    }

    #[test]
    fn only_reads_that_succeed_are_not_modified() {
        let status = |answer: Answer, method| answer.send(&request(method, "*")).status();
        assert_eq!(status(Answer::ok(&Json::Null), Method::GET), StatusCode::NOT_MODIFIED);
        assert_eq!(status(Answer::ok(&Json::Null), Method::POST), StatusCode::OK);
        let forbidden = Answer::status(StatusCode::FORBIDDEN);
        assert_eq!(status(forbidden, Method::GET), StatusCode::FORBIDDEN);
    }

    #[test]
    fn the_page_names_what_is_not_there() {
        let answer = Answer::no_such_page(&Method::GET, "/nope/<b>");
        let page = std::str::from_utf8(&answer.body).unwrap();
        assert!(page.contains("<pre>Cannot GET /nope/%3Cb%3E</pre>"), "{page}");
        assert_eq!((page.len(), answer.headers.get(ETAG)), (151, None));
    }
}
