//! Tables from the contract.

use super::*;
use std::sync::Arc;

/// `JSON.stringify(JSON.parse(text))`.
pub(super) fn again(text: &str) -> String {
    Json::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).to_text()
}

pub(super) fn str_of(json: &str) -> Str {
    match Json::parse(json) {
        Ok(Json::Str(text)) => text,
        other => panic!("{json}: {other:?}"),
    }
}

#[test]
fn numbers_read_back_as_javascript_prints_them() {
    let table = [
        ("1.0", "1"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1e21", "1e+21"),
        ("1E2", "100"),
        ("1e-7", "1e-7"),
        ("0.000001", "0.000001"),
        ("1E400", "null"),
        ("-1E400", "null"),
        ("1e-400", "0"),
        ("9007199254740993", "9007199254740992"),
        ("123456789012345678901", "123456789012345680000"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("1600001000.601936", "1600001000.601936"),
    ];
    for (text, written) in table {
        assert_eq!(again(text), written, "{text}");
    }
}

#[test]
fn keys_come_in_javascripts_order() {
    let table = [
        (r#"{"b":1,"a":2}"#, r#"{"b":1,"a":2}"#),
        (r#"{"x":0,"10":1,"2":2,"0":3}"#, r#"{"0":3,"2":2,"10":1,"x":0}"#),
        (
            r#"{"01":1,"-1":2,"4294967295":3,"4294967294":4,"1.0":5," 1":6,"":7}"#,
            r#"{"4294967294":4,"01":1,"-1":2,"4294967295":3,"1.0":5," 1":6,"":7}"#,
        ),
        (r#"{"a":{"b":1,"1":[{"z":1,"0":2}]}}"#, r#"{"a":{"1":[{"0":2,"z":1}],"b":1}}"#),
        (r#"{"a":1,"b":2,"a":3,"1":4,"a":5,"1":6}"#, r#"{"1":6,"a":5,"b":2}"#),
        (r#"{"\u0061":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"__proto__":{"x":1},"__proto__":2}"#, r#"{"__proto__":2}"#),
    ];
    for (text, written) in table {
        assert_eq!(again(text), written);
    }
}

#[test]
fn strings_are_escaped_as_javascript_does() {
    let table = [
        (r#""\/\u0041""#, r#""/A""#),
        ("\"\u{2028}\u{2029}\u{7f}\u{feff}\"", "\"\u{2028}\u{2029}\u{7f}\u{feff}\""),
        (r#""\u2028\u007f""#, "\"\u{2028}\u{7f}\""),
        (
            r#""\u0000\u0008\u0009\u000a\u000b\u000C\u000d\u001F""#,
            r#""\u0000\b\t\n\u000b\f\r\u001f""#,
        ),
        (r#""\"\\\b\f\n\r\t""#, r#""\"\\\b\f\n\r\t""#),
        (r#""\uD83D\uDE00""#, "\"\u{1f600}\""),
        (r#""\uD83D\uDE0""#, ""),
        (r#""\uD83D\u0041""#, r#""\ud83dA""#),
        (r#""\uD83D\uD83D\uDE00""#, "\"\\ud83d\u{1f600}\""),
        (r#""\uDE00\uD83D""#, r#""\ude00\ud83d""#),
        ("\"\\uDBFF\u{1f600}\\udfff\"", "\"\\udbff\u{1f600}\\udfff\""),
        ("\"\u{d7ff}\u{e000}\u{d55c}\"", "\"\u{d7ff}\u{e000}\u{d55c}\""),
    ];
    for (text, written) in table {
        match written {
            "" => assert!(Json::parse(text).is_err()),
            _ => assert_eq!(again(text), written),
        }
    }
    for code in (0..=0x10ffff).filter_map(char::from_u32) {
        let mut out = Vec::new();
        write_string(&code.to_string(), &mut out);
        assert_eq!(out, Json::from(code.to_string().as_str()).to_text().into_bytes());
    }
}

#[test]
fn bare_values_pass_through() {
    for text in ["null", "true", "false", "17", "\"x\"", "[]", "{}", "[[],{}]", "\"\""] {
        assert_eq!(again(&format!(" \t\r\n{text} \t\r\n")), text);
    }
}

#[test]
fn what_json_parse_throws_at_is_refused() {
    #[rustfmt::skip]
    let table = [
        "", " ", "nul", "nulL", "truex", "undefined", "NaN", "Infinity", "-", "+1", "01", "-01",
        "1.", ".5", "1.e1", "1e", "1e+", "0x10", "1_0", "1 2", "[", "]", "[1,]", "[,1]", "[1 2]",
        "[1", "{", "}", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "{1:2}",
        "{\"a\" 1}", "{\"a\":1", "{\"a\":1 \"b\":2}", "'x'", "\"", "\"x", "\"\\", "\"\\\"",
        "\"\\x41\"", "\"\\u12\"", "\"\\u 123\"", "\"\\u+123\"", "\"\\u{41}\"", "\"\n\"", "\"\t\"",
        "\"\0\"", "\u{feff}1", "\u{a0}1", "1\u{2028}", "1\u{c}", "1\u{b}", "//x\n1", "[1]x", "\0",
    ];
    for text in table {
        assert!(matches!(Json::parse(text), Err(ParseError::Syntax { .. })), "{text:?}");
    }
    assert_eq!(Json::parse("[1,x]"), Err(ParseError::Syntax { at: 3 }));
    assert_eq!(Json::parse("[1"), Err(ParseError::Syntax { at: 2 }));
}

#[test]
fn nesting_is_limited() {
    let nested = |open: &str, close: &str, depth| open.repeat(depth) + "1" + &close.repeat(depth);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = nested(open, close, MAX_DEPTH);
        assert_eq!(again(&text), text);
        assert_eq!(Json::parse(&nested(open, close, MAX_DEPTH + 1)), Err(ParseError::TooDeep));
        assert_eq!(Json::parse(&open.repeat(1_000_000)), Err(ParseError::TooDeep));
    }
    // The depth is that of the place, not the number of arrays so far.
    let wide = format!("[{}[]]", "[[]],".repeat(2 * MAX_DEPTH));
    assert_eq!(again(&wide), wide);
    // A quarter of a worker's stack is enough, even unoptimised.
    let small = std::thread::Builder::new().stack_size(512 << 10);
    let worker = small.spawn(move || again(&nested("[{\"a\":", "}]", MAX_DEPTH / 2)).len());
    assert!(worker.expect("a thread").join().is_ok());
}

#[test]
fn values_can_be_limited() {
    for (text, count) in [("1", 1), ("[]", 1), ("[1,[2,{}]]", 5), (r#"{"a":1,"b":[true]}"#, 4)] {
        assert!(Json::parse_few(text, count).is_ok(), "{text}");
        assert_eq!(Json::parse_few(text, count - 1), Err(ParseError::TooMany), "{text}");
    }
}

#[test]
fn objects_keep_their_order_when_changed() {
    let mut object = Object::default();
    assert!(object.is_empty());
    for key in ["b", "7", "a", "30", "4"] {
        assert_eq!(object.insert(key, Json::Num(1.0)), None);
    }
    assert_eq!(object.insert("b", Json::Bool(true)), Some(Json::Num(1.0)));
    assert_eq!(object.insert("7", Json::Null), Some(Json::Num(1.0)));
    if let Some(value) = object.get_mut("a") {
        *value = Json::from("x");
    }
    assert_eq!(Json::Obj(object.clone()).to_text(), r#"{"4":1,"7":null,"30":1,"b":true,"a":"x"}"#);
    assert_eq!(object.get("7"), Some(&Json::Null));
    assert_eq!(
        (object.get("07"), object.get("5"), object.get("99"), object.get("c")),
        (None, None, None, None)
    );
    assert_eq!(object.remove("7"), Some(Json::Null));
    assert_eq!(object.remove("b"), Some(Json::Bool(true)));
    assert_eq!((object.remove("b"), object.remove("5"), object.len()), (None, None, 3));
    let keys: Vec<_> = object.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys, ["4", "30", "a"]);
}

/// Big objects take another way than small ones; both have to agree with one `insert` after the other.
#[test]
fn collecting_is_inserting() {
    let mut state = 1u64;
    for len in 0..200 {
        let pairs = (0..len).map(|place| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let key = state >> 33;
            let key = if key.is_multiple_of(2) {
                format!("k{}", key % 31)
            } else {
                (key % 67).to_string()
            };
            (key, Json::Num(f64::from(place)))
        });
        let pairs: Vec<_> = pairs.collect();
        let mut inserted = Object::default();
        for (key, value) in pairs.clone() {
            inserted.insert(key, value);
        }
        assert_eq!(pairs.into_iter().collect::<Object>(), inserted);
    }
}

/// The limit is far above what this takes (in a debug build too) and far below what a quadratic
/// algorithm would take.
#[test]
fn big_objects_are_not_quadratic() {
    // The CPU time of this thread, since others may take the cores meanwhile; the least of a few.
    let cpu_nanos = |key: fn(u32) -> String, size: u32| {
        let pairs: Vec<_> = (0..size).map(|place| format!("\"{}\":1", key(place))).collect();
        let text = format!("{{{}}}", pairs.join(","));
        let now = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            time.tv_sec * 1_000_000_000 + time.tv_nsec
        };
        let run = |_| {
            let start = now();
            assert!(Json::parse(&text).is_ok());
            now() - start
        };
        (0..5).map(run).min().unwrap()
    };
    let hostile: [fn(u32) -> String; 4] = [
        |place| format!("k{place}"),
        |place| format!("{}", 4_000_000_000 - place),
        |place| format!("{}", place % 3),
        |place| format!("{}", place.wrapping_mul(2_654_435_761)),
    ];
    for key in hostile {
        let (small, large) = (cpu_nanos(key, 5_000), cpu_nanos(key, 80_000));
        // 16 times the size: quadratic would be 256 times the work.
        assert!(large < small * 64, "{small} ns, then {large} ns");
    }
}

#[test]
fn bytes_are_buffers_or_attachments() {
    let bin = |bytes: &[u8]| Json::Bin(Arc::from(bytes));
    let value = Json::Arr(vec![
        bin(&[0, 9, 10, 99, 100, 255]),
        Json::from([("b", bin(b"")), ("s", Json::from("x"))].into_iter().collect::<Object>()),
    ]);
    assert_eq!(
        value.to_text(),
        r#"[{"type":"Buffer","data":[0,9,10,99,100,255]},{"b":{"type":"Buffer","data":[]},"s":"x"}]"#
    );
    let (mut out, mut attachments) = (Vec::new(), Vec::new());
    value.write_with_attachments(&mut out, &mut attachments);
    assert_eq!(
        String::from_utf8_lossy(&out),
        r#"[{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1},"s":"x"}]"#
    );
    assert_eq!(attachments.iter().map(|bytes| bytes.len()).collect::<Vec<_>>(), [6, 0]);
}

#[test]
fn strings_know_their_surrogates() {
    let plain = Str::from("a\u{d55c}\u{1f600}");
    assert_eq!(plain.as_str(), Some("a\u{d55c}\u{1f600}"));
    assert!(matches!(plain.to_lossy(), std::borrow::Cow::Borrowed("a\u{d55c}\u{1f600}")));
    assert_eq!(plain, str_of(r#""a\uD55C\uD83D\uDE00""#));
    let lone = str_of(r#""\ud800a\udfff\udc00""#);
    assert_eq!(lone.as_bytes(), b"\xed\xa0\x80a\xed\xbf\xbf\xed\xb0\x80");
    assert_eq!((lone.as_str(), &*lone.to_lossy()), (None, "\u{fffd}a\u{fffd}\u{fffd}"));
    assert_eq!(format!("{lone:?}"), r#""\ud800a\udfff\udc00""#);
    assert_eq!(Str::from(String::new()), Str::default());
}

#[test]
fn strings_of_values() {
    let table = [
        ("\"0\"", "0"),
        ("-0", "0"),
        ("1e21", "1e+21"),
        ("1E400", "Infinity"),
        ("null", "null"),
        ("true", "true"),
        ("false", "false"),
        ("[]", ""),
        ("[null]", ""),
        (r#"[["q"],[1,null]]"#, "q,1,"),
        (r#"[1,[2,[3,[]]],{"a":1},false]"#, "1,2,3,,[object Object],false"),
        ("{}", "[object Object]"),
        (r#"{"toString":1}"#, "[object Object]"),
    ];
    for (json, text) in table {
        assert_eq!(to_js_string(&Json::parse(json).unwrap()), text, "{json}");
    }
    assert_eq!(
        to_js_string(&Json::Bin(Arc::from(&b"\xef\xbb\xbfa\xffb"[..]))),
        "\u{feff}a\u{fffd}b"
    );
    assert_eq!(to_js_string(&Json::parse(r#"["\ud800"]"#).unwrap()), str_of(r#""\ud800""#));
}

#[test]
fn angle_brackets_are_cleaned() {
    let table = [
        ("", ""),
        ("plain & \"quoted\"", "plain & \"quoted\""),
        ("hi <b>&amp;\"", "hi &ltb&gt&amp;\""),
        ("<>", "&lt&gt"),
        ("&lt; \u{2028}<\0", "&lt; \u{2028}&lt\0"),
    ];
    for (text, clean) in table {
        assert_eq!(sanitise(Str::from(text)), clean);
    }
    assert_eq!(sanitise(str_of(r#""\ud800<""#)), str_of(r#""\ud800&lt""#));
    let plain = Str::from("nothing to do in a long text"); // a short one stands in the value itself
    let before = plain.as_bytes().as_ptr();
    assert_eq!(sanitise(plain).as_bytes().as_ptr(), before);
}

#[test]
fn number_texts() {
    let table = [
        (0.0, "0"),
        (-0.0, "0"),
        (1600001000.0, "1600001000"),
        (1e21, "1e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-7, "1e-7"),
        (0.000001, "0.000001"),
        (-1.5e-10, "-1.5e-10"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ];
    for (value, text) in table {
        assert_eq!(number_text(value), text);
    }
}

#[test]
fn numbers_of_texts() {
    let nan = f64::NAN;
    #[rustfmt::skip]
    let table = [
        ("", 0.0), (" \u{feff}\u{a0}\u{2028}\u{2029}\u{3000}\u{b}\n", 0.0), ("\u{85}", nan),
        ("\u{180e}", nan), (" 15 ", 15.0), ("+5", 5.0), ("-5", -5.0), ("1.", 1.0), (".5", 0.5),
        ("-.5e1", -5.0), (".", nan), ("+", nan), ("1e1", 10.0), ("1e", nan), ("e1", nan),
        ("1_0", nan), ("007", 7.0), ("0x1F", 31.0), ("0X1f", 31.0), ("0o17", 15.0), ("0b101", 5.0),
        ("0x", nan), ("0b2", nan), ("-0x10", nan), ("0x1.8", nan), ("0x 1", nan),
        ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY), ("+Infinity", f64::INFINITY),
        ("infinity", nan), ("inf", nan), ("NaN", nan), ("1 2", nan), ("1,2", nan), ("12px", nan),
        ("+-5", nan), ("--5", nan), ("1e400", f64::INFINITY),
        ("0x20000000000001", 9007199254740992.0), ("0x20000000000003", 9007199254740996.0),
        ("0x200000000000010000000000000000000000000001", 9007199254740994.0 * 2f64.powi(112)),
    ];
    for (text, value) in table {
        let found = number(text);
        assert!(found == value || (found.is_nan() && value.is_nan()), "{text:?}: {found}");
    }
    assert!(number("-0").is_sign_negative());
    assert_eq!(number(&format!("0x{}", "f".repeat(256))), f64::INFINITY);
    assert_eq!(number(&format!("0x{}", "f".repeat(100_000))), f64::INFINITY);
}

#[test]
fn integers_of_texts() {
    #[rustfmt::skip]
    let table = [
        ("2abc", Some(2.0)), ("2.9", Some(2.0)), ("1e+21", Some(1.0)), ("true", None),
        ("null", None), ("undefined", None), ("", None), ("-", None), ("+", None),
        (" \u{feff}\n+7 ", Some(7.0)), ("-12", Some(-12.0)), ("0x", None), ("0xg", None),
        ("0x1Fg", Some(31.0)), ("-0X10", Some(-16.0)), ("0o17", Some(0.0)), ("0b1", Some(0.0)),
        ("010", Some(10.0)), ("4107abc", Some(4107.0)),
        ("9007199254740993", Some(9007199254740992.0)), ("- 1", None), ("--1", None),
        ("Infinity", None), ("1_0", Some(1.0)), ("\u{661}", None), ("1\u{fffd}", Some(1.0)),
    ];
    for (text, value) in table {
        assert_eq!(parse_int(text), value, "{text:?}");
    }
    assert!(parse_int("-0").is_some_and(f64::is_sign_negative));
    assert_eq!(parse_int(&"9".repeat(400)), Some(f64::INFINITY));
}

#[test]
fn integer_like_keys() {
    #[rustfmt::skip]
    let table = [
        ("0", Some(0)), ("1", Some(1)), ("10", Some(10)), ("4294967294", Some(4294967294)),
        ("4294967295", None), ("4294967296", None), ("9999999999", None), ("42949672940", None),
        ("", None), ("00", None), ("01", None), ("-1", None), ("-0", None), ("+1", None),
        ("1.0", None), ("1e3", None), (" 1", None), ("1 ", None), ("x", None), ("\u{661}", None),
    ];
    for (key, index) in table {
        assert_eq!(array_index(key.as_bytes()), index, "{key:?}");
    }
}

/// Each row was tried on Redis 7.0.15; `redis_takes_the_same_scores` does it again.
#[rustfmt::skip]
pub(super) const SCORES: &[(&str, bool)] = &[
    ("1600001000", true), ("-5", true), ("+5", true), ("0", true), ("-0", true), ("1e3", true),
    ("1E3", true), ("1e+3", true), ("5.", true), (".5", true), ("5.e1", true), ("inf", true),
    ("+inf", true), ("-inf", true), ("InF", true), ("infinity", true), ("-INFINITY", true),
    ("0x10", true), ("-0X1f", true), ("0x1p4", true), ("0x1P-4", true), ("0x.8", true),
    ("0x1.", true), ("0x1.8p+1", true), ("0x0p99999999999", true), ("5e-324", true),
    ("1e-310", true), ("2.5e-324", true), ("0e999999", true), ("0.0e-999999", true),
    ("1.7976931348623158e308", true), ("0x1p1023", true), ("0x1.fffffffffffff7p1023", true),
    ("0x1p-1074", true), ("0x1.00000000000000000001p-1075", true), ("007", true), ("", false),
    (" 5", false), ("5 ", false), ("\t5", false), ("5\n", false), ("\u{b}5", false), ("5\0", false),
    ("\x005", false), ("5\x006", false), ("nan", false), ("-nan", false), ("NaN", false),
    ("nan(1)", false), ("infinit", false), ("Infinityx", false), ("--5", false), ("+-5", false),
    ("+", false), (".", false), ("-.", false), ("e5", false), ("1e", false), ("1e+", false),
    ("1_0", false), ("1,5", false), ("0x", false), ("0x.", false), ("0x1p", false),
    ("0x1p+", false), ("0xg", false), ("0x1.8.0", false), ("0b1", false), ("0o7", false),
    ("1e400", false), ("-1e400", false), ("1e-400", false), ("2.4e-324", false),
    ("1.7976931348623159e308", false), ("0x1p1024", false), ("0x1.fffffffffffff8p1023", false),
    ("0x1p-1075", false), ("0x1p99999999999999999999", false), ("0x1p-99999999999999999999", false),
    ("1f", false), ("0x1l", false), ("five", false), ("\u{661}", false), ("5\u{a0}", false),
    ("undefined", false), ("[object Object]", false), ("1,2", false),
];

#[test]
fn scores() {
    for &(text, taken) in SCORES {
        assert_eq!(redis_score(text.as_bytes()).is_some(), taken, "{text:?}");
    }
    assert!(redis_score(b"5\xff").is_none() && redis_score(b"\xff").is_none());
}
