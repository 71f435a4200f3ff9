//! Query strings and addresses. `tests/fuzz_corpus.rs` compares the corpus with the original's parser.

use redis_chat_server::{
    contract::uri::{decode_component, encode_component, encode_url, escape_html, latin1},
    engine::query::{Query, decode},
    http::query::{Item, Value, number, value},
};

/// What `qs` reads at most.
const PARTS: usize = 1000;
const INDEX: usize = 20;

/// The input as a query string, as ids that are asked for, and as an address.
pub fn run(data: &[u8]) {
    let text = latin1(data);
    read(&text);
    let text = String::from_utf8_lossy(data);
    asked(&text);
    address(&text);
}

fn read(query: &str) {
    for name in ["ids", "offset"] {
        let Some(found) = value(query, name) else { continue };
        let _ = number(query, name);
        if let Value::List(items) = found {
            // Holes are taken out, so only what was given is there, and what it collided with.
            assert!(items.len() <= PARTS + INDEX);
            assert!(!items.contains(&Item::Hole));
        }
    }
    let engine = Query::parse(Some(query));
    assert!(!engine.sid.is_some_and(|sid| sid.is_empty()));
    // It is echoed into a script.
    assert!(engine.jsonp.is_none_or(|number| number.bytes().all(|byte| byte.is_ascii_digit())));
}

fn asked(text: &str) {
    let ids: Vec<_> = text.split('\n').take(PARTS).map(str::to_owned).collect();
    let parts: Vec<_> = ids.iter().map(|id| format!("ids[]={}", encode_component(id))).collect();
    let expected = Value::List(ids.into_iter().map(Item::Text).collect());
    assert_eq!(value(&parts.join("&"), "ids"), Some(expected));
    let engine = Query::parse(Some(&format!("EIO=4&sid={}&t=x", encode_component(text))));
    assert_eq!(engine.sid.unwrap_or_default(), text);
}

fn address(text: &str) {
    if let Some(decoded) = decode_component(text) {
        assert!(decoded.len() <= text.len());
        if !text.contains('+') {
            assert_eq!(decode(text), decoded);
        }
    }
    let url = encode_url(text);
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    assert_eq!(encode_url(&url), url, "what is escaped stays");
    let html = escape_html(text);
    assert!(!html.contains(['<', '>', '"', '\'']));
}
