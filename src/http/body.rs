//! JSON bodies (`http-and-redis.md` section 5).

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING},
};

use super::error::Error;
use crate::{
    contract::uri::latin1,
    engine::{polling::BODY_TIMEOUT, unfinished::Share},
    js::{Json, Object},
};

/// The longest body that is parsed, in bytes, after decompression.
const LIMIT: usize = 102_400;
/// What may still come of a body that is not wanted; past it the connection ends with the answer.
const MAX_DROPPED: usize = 16 << 20;
const UNREADABLE: Error = Error::Invalid("The request body is not valid JSON");

/// Reads the body to its end. What is no JSON body counts as `{}`.
pub async fn read(
    headers: &HeaderMap,
    incoming: Incoming,
    mut share: Share,
) -> Result<Json, Error> {
    let plan = plan(headers);
    // Compressed text that is longer than this can't be honest.
    let wanted = if matches!(plan, Ok(Some(_))) { LIMIT + 1024 } else { 0 };
    let bytes = tokio::time::timeout(BODY_TIMEOUT, collect(incoming, wanted, &mut share));
    let bytes = bytes.await.map_err(|_| Error::Slow)??;
    let Some(coding) = plan? else { return Ok(Json::Obj(Object::default())) };
    decode(coding, &bytes.ok_or(Error::TooLarge)?)
}

/// How a body is compressed.
#[derive(Clone, Copy)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// gzip.
    Gzip,
    /// zlib.
    Deflate,
}

/// Reads a whole body.
pub fn decode(coding: Coding, bytes: &[u8]) -> Result<Json, Error> {
    let bytes = inflate(coding, bytes)?;
    // Nothing behind a byte order mark is nothing, too.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    if bytes.is_empty() { Ok(Json::Obj(Object::default())) } else { parse(bytes) }
}

/// How to read the body; `None` if it is not for us.
fn plan(headers: &HeaderMap) -> Result<Option<Coding>, Error> {
    let text =
        |name| headers.get(name).map_or(String::new(), |v| latin1(v.as_bytes()).to_lowercase());
    let kind = text(CONTENT_TYPE);
    let mut parts = kind.split(';').map(str::trim);
    let has_body = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    if !has_body || parts.next() != Some("application/json") {
        return Ok(None);
    }
    let charset =
        parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim() == "charset");
    if charset.is_some_and(|(_, name)| name.trim().trim_matches('"') != "utf-8") {
        return Err(Error::Unsupported);
    }
    match text(CONTENT_ENCODING).as_str() {
        "" | "identity" => Ok(Some(Coding::Identity)),
        "gzip" => Ok(Some(Coding::Gzip)),
        "deflate" => Ok(Some(Coding::Deflate)),
        _ => Err(Error::Unsupported),
    }
}

/// The whole body, or `None` if it is longer than `wanted`. The rest is read all the same, so that
/// the connection stays usable.
async fn collect(
    mut incoming: Incoming,
    wanted: usize,
    share: &mut Share,
) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    let mut total = 0;
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| UNREADABLE)?;
        let Some(data) = frame.data_ref() else { continue };
        total += data.len();
        if total <= wanted {
            bytes.extend_from_slice(data);
            share.set(bytes.capacity()).map_err(|_| Error::Full)?;
        } else if total > wanted + MAX_DROPPED {
            break;
        }
    }
    Ok((total <= wanted).then_some(bytes))
}

fn inflate(coding: Coding, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let bound = LIMIT as u64 + 1;
    match coding {
        Coding::Identity => bytes.take(bound).read_to_end(&mut out),
        Coding::Gzip => GzDecoder::new(bytes).take(bound).read_to_end(&mut out),
        Coding::Deflate => ZlibDecoder::new(bytes).take(bound).read_to_end(&mut out),
    }
    .map_err(|_| UNREADABLE)?;
    if out.len() > LIMIT { Err(Error::TooLarge) } else { Ok(out) }
}

fn parse(bytes: &[u8]) -> Result<Json, Error> {
    let text = String::from_utf8_lossy(bytes);
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with(['{', '[']) {
        return Err(UNREADABLE);
    }
    Json::parse(&text).map_err(|_| UNREADABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;

    fn planned(kind: &str, coding: &str) -> Result<bool, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, 0.into());
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        headers.insert(CONTENT_ENCODING, coding.parse().unwrap());
        plan(&headers).map(|plan| plan.is_some())
    }

    #[test]
    fn only_json_is_for_us() {
        assert!(planned("Application/JSON; Charset=\"UTF-8\"", "").unwrap());
        assert!(planned("application/json", "GZIP").unwrap());
        for kind in ["text/json", "application/vnd.api+json", "", "text/plain; charset=latin1"] {
            assert!(!planned(kind, "").unwrap(), "{kind}");
        }
        assert!(matches!(planned("application/json;charset=utf-16", ""), Err(Error::Unsupported)));
        assert!(matches!(planned("application/json", "br"), Err(Error::Unsupported)));
        assert!(plan(&HeaderMap::new()).is_ok_and(|plan| plan.is_none()));
    }

    #[test]
    fn parsing_is_strict() {
        for good in ["{}", " \n[]\t", "{\"a\":1}"] {
            assert!(parse(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", " ", "1", "null", "\"a\"", "{bad", "{} x", "\u{a0}{}"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(parse(b"[\"\xff\"]").unwrap(), Json::Arr(vec!["\u{fffd}".into()]));
    }

    #[test]
    fn inflating_is_bounded() {
        let gzip = |length| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
            gzip.write_all(&vec![b' '; length]).unwrap();
            inflate(Coding::Gzip, &gzip.finish().unwrap())
        };
        assert_eq!(gzip(LIMIT).unwrap().len(), LIMIT);
        assert!(matches!(gzip(LIMIT + 1), Err(Error::TooLarge)));
        assert!(matches!(inflate(Coding::Gzip, b"zzz"), Err(Error::Invalid(_))));
        assert!(matches!(inflate(Coding::Deflate, b"zzz"), Err(Error::Invalid(_))));
    }
}
