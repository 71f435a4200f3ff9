//! JSON text as JavaScript reads and writes it. `tests/fuzz_corpus.rs` compares the corpus with Node.

use redis_chat_server::js::{
    self, Json, MAX_DEPTH, ParseError, Str, is_canonical, number_text, redis_score, sanitise,
    to_js_string,
};
use serde::de::IgnoredAny;

/// The input as a JSON text, as a number and as a score.
pub fn run(data: &[u8]) {
    numbers(data);
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(!is_canonical(data), "not even UTF-8");
        return;
    };
    let valid = serde_json::from_str::<IgnoredAny>(text).is_ok();
    match Json::parse(text) {
        Ok(value) => {
            assert!(valid, "taken, but not by serde_json");
            written(text, &value);
            if let Ok(theirs) = serde_json::from_str(text) {
                same(&value, &theirs);
            }
        }
        Err(ParseError::Syntax { at }) => {
            assert!(!valid, "refused at {at}, but not by serde_json");
            assert!(at <= text.len());
            assert!(!is_canonical(data));
        }
        Err(ParseError::TooMany) => panic!("as many as there are may come"),
        Err(ParseError::TooDeep) => {
            let opening = data.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
            assert!(opening > MAX_DEPTH);
            assert!(!is_canonical(data));
        }
    }
}

fn written(text: &str, value: &Json) {
    let out = value.to_text();
    assert!(serde_json::from_str::<IgnoredAny>(&out).is_ok(), "{out}");
    let again = Json::parse(&out).expect("what we wrote is JSON");
    assert_eq!(again.to_text(), out, "a second writing changes nothing");
    if is_canonical(text.as_bytes()) {
        assert_eq!(out, text, "said to be as JavaScript writes it");
    }
    let (mut split, mut attachments) = (Vec::new(), Vec::new());
    value.write_with_attachments(&mut split, &mut attachments);
    assert!(attachments.is_empty() && split == out.as_bytes(), "a text has no attachments");
    let clean = sanitise(to_js_string(value));
    assert!(!clean.as_bytes().iter().any(|byte| matches!(byte, b'<' | b'>')));
    assert_eq!(sanitise(clean.clone()), clean);
}

/// Values agree with serde_json's, which has neither lone surrogates nor numbers out of range.
fn same(ours: &Json, theirs: &serde_json::Value) {
    use serde_json::Value;
    match (ours, theirs) {
        (Json::Null, Value::Null) => {}
        (Json::Bool(ours), Value::Bool(theirs)) => assert_eq!(ours, theirs),
        (Json::Num(ours), Value::Number(theirs)) => {
            // Its own reader of numbers may be off by the last bit, so that it has the largest for infinity.
            let theirs = theirs.as_f64().expect("a number");
            let ours = ours.clamp(f64::MIN, f64::MAX);
            assert!((ours - theirs).abs() <= theirs.abs() * 1e-15, "{ours} {theirs}");
        }
        (Json::Str(ours), Value::String(theirs)) => assert_eq!(ours, theirs.as_str()),
        (Json::Arr(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            ours.iter().zip(theirs).for_each(|(ours, theirs)| same(ours, theirs));
        }
        (Json::Obj(ours), Value::Object(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            for (name, value) in theirs {
                same(ours.get(name).expect("the same names"), value);
            }
        }
        _ => panic!("{ours:?} {theirs:?}"),
    }
}

fn numbers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for value in [Some(js::number(&text)), js::parse_int(&text)].into_iter().flatten() {
        let again = js::number(&number_text(value));
        assert!(again == value || (again.is_nan() && value.is_nan()), "{value}");
    }
    // A score that is not finite is one too, for Redis.
    let score = redis_score(data);
    assert!(!score.is_some_and(f64::is_nan));
    let _ = js::array_index(Str::from(&*text).as_bytes());
}
