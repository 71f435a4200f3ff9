//! Whether a JSON text is already what JavaScript would write of it, so that it need not be read into
//! memory and written again. Stored messages nearly always are: a server wrote them in that way.

/// Deeper texts are looked at the long way.
const DEPTH: usize = 16;
/// Objects with more keys too, since each key is compared with all before it.
const KEYS: usize = 16;
/// A number of up to so many digits is told apart from all others by its text alone.
const DIGITS: usize = 15;

/// Whether `JSON.stringify(JSON.parse(text))` is `text`. May be `false` where that is so, never `true`
/// where it is not.
pub fn is_canonical(text: &[u8]) -> bool {
    let mut rest = text;
    std::str::from_utf8(text).is_ok() && value(&mut rest, DEPTH).is_some() && rest.is_empty()
}

/// Each takes what it has looked at off the text, and gives nothing if it is not sure.
fn value(rest: &mut &[u8], depth: usize) -> Option<()> {
    match rest.first()? {
        b'"' => string(rest).map(|_| ()),
        b'{' if depth > 0 => object(rest, depth - 1),
        b'[' if depth > 0 => array(rest, depth - 1),
        b't' => word(rest, b"true"),
        b'f' => word(rest, b"false"),
        b'n' => word(rest, b"null"),
        _ => number(rest),
    }
}

fn word(rest: &mut &[u8], word: &[u8]) -> Option<()> {
    *rest = rest.strip_prefix(word)?;
    Some(())
}

fn object(rest: &mut &[u8], depth: usize) -> Option<()> {
    word(rest, b"{")?;
    if word(rest, b"}").is_some() {
        return Some(());
    }
    let mut keys: [&[u8]; KEYS] = [b""; KEYS];
    for count in 0..KEYS {
        let key = string(rest)?;
        // Keys that are numbers go to the front, a second one of a name replaces the first, and one
        // with an escape may be another one's double.
        let plain = !key.first().is_some_and(u8::is_ascii_digit) && !key.contains(&b'\\');
        if !plain || keys[..count].contains(&key) {
            return None;
        }
        keys[count] = key;
        word(rest, b":")?;
        value(rest, depth)?;
        if word(rest, b"}").is_some() {
            return Some(());
        }
        word(rest, b",")?;
    }
    None
}

fn array(rest: &mut &[u8], depth: usize) -> Option<()> {
    word(rest, b"[")?;
    if word(rest, b"]").is_some() {
        return Some(());
    }
    loop {
        value(rest, depth)?;
        if word(rest, b"]").is_some() {
            return Some(());
        }
        word(rest, b",")?;
    }
}

/// Gives what stands between the quotes.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    word(rest, b"\"")?;
    let text = *rest;
    let mut at = 0;
    loop {
        match *text.get(at)? {
            b'"' => break,
            // Others are written as \u or not escaped at all.
            b'\\' if b"\"\\bfnrt".contains(text.get(at + 1)?) => at += 2,
            b'\\' | 0..=0x1f => return None,
            _ => at += 1,
        }
    }
    *rest = &text[at + 1..];
    Some(&text[..at])
}

/// Numbers in plain notation without a needless digit.
fn number(rest: &mut &[u8]) -> Option<()> {
    let negative = word(rest, b"-").is_some();
    let whole = digits(rest);
    let fraction = if word(rest, b".").is_some() { Some(digits(rest)) } else { None };
    let part = fraction.unwrap_or_default();
    let sure = match (whole, fraction) {
        (b"", _) | (_, Some(b"")) => false,
        // Smaller than a millionth it is written with an exponent.
        (b"0", Some(part)) => !part.starts_with(b"00000"),
        (b"0", None) => !negative,
        (whole, _) => whole[0] != b'0',
    };
    let goes_on = rest.first().is_some_and(|next| matches!(next, b'e' | b'E' | b'.'));
    let short = whole.len() + part.len() <= DIGITS;
    (sure && short && !goes_on && !part.ends_with(b"0")).then_some(())
}

fn digits<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let text = *rest;
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    *rest = &text[end..];
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::js::Json;
    use proptest::prelude::*;

    #[test]
    fn what_servers_store_is_canonical() {
        for text in [
            r#"{"from":"1","date":1600001000,"message":"a &lt é 😀 \"\n\\","roomId":"0"}"#,
            r#"{"from":1,"date":1700000000.123,"message":"","roomId":"1:2"}"#,
            "[]",
            "{}",
            "0",
            "-1",
            "0.5",
            "-0.25",
            "0.00001",
            "true",
            "null",
            r#"["",[{}],false]"#,
        ] {
            assert!(is_canonical(text.as_bytes()), "{text}");
            assert_eq!(Json::parse(text).unwrap().to_text(), text);
        }
    }

    #[test]
    fn what_comes_out_otherwise_is_not() {
        for text in [
            "",
            " 1",
            "1 ",
            "-0",
            "01",
            "1.0",
            "1e3",
            "1.",
            ".5",
            "-",
            "+1",
            "0.0",
            "0.000001234",
            "1.50",
            "12345678901234567890",
            "0.1234567890123456",
            r#"{"a":1,"a":2}"#,
            r#"{"1":1}"#,
            r#"{"b":1, "a":2}"#,
            r#"{"\n":1}"#,
            r#""\u0041""#,
            r#""\/""#,
            "\"\u{1}\"",
            "\"a",
            "{",
            "[1,]",
            "{\"a\"}",
            "tru",
            "nul",
            "[1 ]",
            "\"\\ud800\"",
        ] {
            assert!(!is_canonical(text.as_bytes()), "{text}");
        }
        assert!(!is_canonical(b"\"\xff\""));
        assert!(!is_canonical("[".repeat(100_000).as_bytes()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn yes_is_never_wrong(text in r#"[\[\]{},:"\\a1-9.0eEnu -]{0,24}|-?[0-9]{1,3}(\.[0-9]{1,16})?(e[0-9])?|\{("[a1]{1,2}":[01.]{1,3},?){0,3}\}"#) {
            if is_canonical(text.as_bytes()) {
                let parsed = Json::parse(&text);
                prop_assert!(parsed.is_ok(), "{text}");
                prop_assert_eq!(parsed.unwrap().to_text(), text);
            }
        }

        #[test]
        fn numbers_come_out_as_they_are(number in prop_oneof![any::<f64>().prop_map(|n| n.to_string()), (0u64..10_000_000_000, 0u32..1_000_000).prop_map(|(a, b)| format!("{a}.{b}"))]) {
            if is_canonical(number.as_bytes()) {
                prop_assert_eq!(Json::parse(&number).unwrap().to_text(), number);
            }
        }
    }
}
