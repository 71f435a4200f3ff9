//! JSON bodies, plain and compressed.

use std::io::Write as _;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use redis_chat_server::{
    http::body::{Coding, decode},
    js::Json,
};

/// The input as a body in each coding, and compressed by us.
pub fn run(data: &[u8]) {
    let plain = text(Coding::Identity, data);
    let as_text = String::from_utf8_lossy(data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data));
    match (&plain, Json::parse(&as_text)) {
        (Some(plain), Ok(value)) => assert_eq!(*plain, value.to_text()),
        // Nothing counts as an empty object.
        (Some(plain), Err(_)) => assert!(as_text.is_empty() && plain == "{}"),
        (None, Ok(Json::Obj(_) | Json::Arr(_))) => panic!("refused"),
        (None, _) => {}
    }
    let _ = (text(Coding::Gzip, data), text(Coding::Deflate, data));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let gzip = gzip.write_all(data).and_then(|()| gzip.finish()).expect("memory");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    let zlib = zlib.write_all(data).and_then(|()| zlib.finish()).expect("memory");
    assert_eq!(text(Coding::Gzip, &gzip), plain);
    assert_eq!(text(Coding::Deflate, &zlib), plain);
}

fn text(coding: Coding, bytes: &[u8]) -> Option<String> {
    decode(coding, bytes).ok().map(|value| value.to_text())
}
