//! Query strings (`http-and-redis.md` section 4): `a[]=1&a[2]=3` and the like make arrays and
//! objects, by the rules of the qs library, version 6.7.

use std::collections::HashMap;

use crate::{contract::uri::decode_component, js};

/// Parts beyond this many are dropped.
const MAX_PARTS: usize = 1000;
/// An index above this one makes an object of an array.
const MAX_INDEX: usize = 20;
/// Brackets beyond this many count as one key.
const MAX_DEPTH: usize = 5;

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// It was given once, plainly.
    Text(String),
    /// It was given as an array. Holes are only there while parsing.
    List(Vec<Item>),
    /// It was given as an object; of which kind, nobody asks.
    Object,
}

/// An element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An index that was left out.
    Hole,
    /// A text.
    Text(String),
    /// An array or an object.
    Nested,
}

/// The value of the parameter `name`.
pub fn value(query: &str, name: &str) -> Option<Value> {
    let mut order: Vec<(String, Vec<String>)> = Vec::new();
    let mut places = HashMap::new();
    for part in query.split('&').take(MAX_PARTS) {
        let equals = part.find("]=").map(|at| at + 1).or_else(|| part.find('='));
        let (key, text) = equals.map_or((part, ""), |at| (&part[..at], &part[at + 1..]));
        let key = decode(key);
        // A key given again adds to the value at its first place.
        let place = *places.entry(key.clone()).or_insert_with(|| {
            order.push((key, Vec::new()));
            order.len() - 1
        });
        order[place].1.push(decode(text));
    }
    let mut found = None;
    for (key, texts) in order {
        let Some((parent, segments)) = path(&key) else { continue };
        if parent == name {
            let value = build(&segments, texts);
            found = Some(found.map_or(value.clone(), |before| merge(before, value)));
        }
    }
    match found {
        Some(Value::List(mut items)) => {
            items.retain(|item| *item != Item::Hole);
            Some(Value::List(items))
        }
        other => other,
    }
}

/// The parameter as unary plus has it: a text, or an array of one.
pub fn number(query: &str, name: &str) -> f64 {
    match value(query, name) {
        Some(Value::Text(text)) => js::number(&text),
        Some(Value::List(items)) => match &items[..] {
            [Item::Text(text)] => js::number(text),
            _ => f64::NAN,
        },
        _ => f64::NAN,
    }
}

fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    decode_component(&text).unwrap_or(text)
}

/// `a[b][c]` is `a` and the segments `[b]`, `[c]`. What stands between brackets is dropped.
fn path(key: &str) -> Option<(&str, Vec<&str>)> {
    let mut segments = Vec::new();
    let mut parent = key;
    let mut from = 0;
    while let Some((start, end)) = next_segment(key, from) {
        if segments.is_empty() {
            parent = &key[..start];
        }
        if segments.len() == MAX_DEPTH {
            segments.push(&key[start..]);
            break;
        }
        segments.push(&key[start..end]);
        from = end;
    }
    if parent.is_empty() {
        // `[a]=1` is `a=1`.
        (!segments.is_empty()).then(|| (inner(segments.remove(0)), segments))
    } else {
        Some((parent, segments))
    }
}

/// The next `[…]` without a bracket inside.
fn next_segment(key: &str, mut from: usize) -> Option<(usize, usize)> {
    loop {
        let close = from + key[from..].find(']')?;
        if let Some(open) = key[from..close].rfind('[') {
            return Some((from + open, close + 1));
        }
        from = close + 1;
    }
}

fn inner(segment: &str) -> &str {
    segment.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(segment)
}

fn build(segments: &[&str], mut texts: Vec<String>) -> Value {
    let Some((first, rest)) = segments.split_first() else {
        return match texts.len() {
            1 => Value::Text(texts.remove(0)),
            _ => Value::List(texts.into_iter().map(Item::Text).collect()),
        };
    };
    match (*first, build(rest, texts)) {
        ("[]", Value::List(items)) => Value::List(items),
        ("[]", value) => Value::List(vec![item(value)]),
        (segment, value) => match index(inner(segment)) {
            Some(index) => {
                let mut items = vec![Item::Hole; index];
                items.push(item(value));
                Value::List(items)
            }
            None => Value::Object,
        },
    }
}

fn item(value: Value) -> Item {
    match value {
        Value::Text(text) => Item::Text(text),
        Value::List(_) | Value::Object => Item::Nested,
    }
}

/// A canonical index that still makes an array.
fn index(text: &str) -> Option<usize> {
    text.parse().ok().filter(|index: &usize| *index <= MAX_INDEX && index.to_string() == text)
}

fn merge(target: Value, source: Value) -> Value {
    match (target, source) {
        // An empty text adds nothing to what is there already.
        (target, Value::Text(text)) if text.is_empty() => target,
        (Value::Text(first), source) => {
            let mut items = vec![Item::Text(first)];
            match source {
                Value::List(more) => items.extend(more),
                other => items.push(item(other)),
            }
            Value::List(items)
        }
        (Value::List(mut items), Value::Text(text)) => {
            items.push(Item::Text(text));
            Value::List(items)
        }
        (Value::List(mut items), Value::List(more)) => {
            for (index, item) in more.into_iter().enumerate() {
                place(&mut items, index, item);
            }
            Value::List(items)
        }
        (Value::List(_), Value::Object) | (Value::Object, _) => Value::Object,
    }
}

/// Sets an element, or appends it if its place is taken.
fn place(items: &mut Vec<Item>, index: usize, item: Item) {
    match (items.get_mut(index), item) {
        (_, Item::Hole) | (Some(Item::Nested), Item::Nested) => {}
        (Some(hole @ Item::Hole), item) => *hole = item,
        (Some(_), item) => items.push(item),
        (None, item) => {
            items.resize(index, Item::Hole);
            items.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(query: &str) -> Option<Vec<String>> {
        match value(query, "ids") {
            Some(Value::List(items)) => Some(
                items
                    .into_iter()
                    .map(|item| match item {
                        Item::Text(text) => text,
                        other => format!("{other:?}"),
                    })
                    .collect(),
            ),
            _ => None,
        }
    }

    #[test]
    fn arrays_are_what_section_4_says() {
        for (query, expected) in [
            ("ids[]=1&ids[]=2", "1 2"),
            ("ids%5B%5D=1&x=y&ids%5b%5d=2", "1 2"),
            ("ids=1&ids=2", "1 2"),
            ("ids[1]=2&ids[0]=1", "1 2"),
            ("ids[20]=1", "1"),
            ("ids[]=1&ids=2", "1 2"),
            ("ids=1&ids[]=2", "1 2"),
            ("ids[3]=1&ids=2", "1 2"),
            ("ids=1&ids[5]=2", "1 2"),
            ("ids[]=a+b%20c&ids[]=%&ids[]=a;b,c", "a b c % a;b,c"),
            ("ids[]", ""),
            ("ids[]=", ""),
            ("ids[0]=1&ids[0]=2", "Nested"),
            ("ids[0][]=1", "Nested"),
            ("ids[][]=1", "1"),
            ("[ids][]=1", "1"),
            ("ids=1&ids[a]=2", "1 Nested"),
        ] {
            assert_eq!(ids(query).map(|ids| ids.join(" ")).as_deref(), Some(expected), "{query}");
        }
        assert_eq!(ids(&"ids[]=1&".repeat(1500)).map(|ids| ids.len()), Some(1000));
    }

    #[test]
    fn all_else_is_no_array() {
        for query in [
            "",
            "ids",
            "ids=",
            "ids=1",
            "ids[21]=1",
            "ids[0]=1&ids[21]=2",
            "ids[a]=1",
            "ids[-1]=1",
            "ids[01]=1",
            "ids[]=1&ids[a]=2",
            "ids.0=1",
            "IDS[]=1",
            "ids[toString]=1",
            "ids[__proto__]=1",
            "ids[=1&ids]=2",
        ] {
            assert_eq!(ids(query), None, "{query}");
        }
    }

    #[test]
    fn numbers_are_read_by_unary_plus() {
        assert_eq!(number("n=+7+", "n"), 7.0);
        assert_eq!(number("n[]=0x10", "n"), 16.0);
        assert_eq!(number("n=", "n"), 0.0);
        for query in ["", "n=1&n=2", "n[a]=1", "n=x"] {
            assert!(number(query, "n").is_nan(), "{query}");
        }
    }

    #[test]
    fn any_number_of_brackets_is_read() {
        for brackets in ["]", "[", "[]", "[a]", "a]"] {
            value(&format!("ids{}=1", brackets.repeat(30_000)), "ids");
        }
    }

    proptest! {
        #[test]
        fn no_query_panics(query in "([ids\\[\\]=&%0-9+.]|ids|\\[\\]=|é){0,60}") {
            value(&query, "ids");
        }

        #[test]
        fn what_axios_sends_comes_back(list in prop::collection::vec(".*", 1..30)) {
            let encode = crate::contract::uri::encode_component;
            let parts: Vec<_> = list.iter().map(|id| format!("ids[]={}", encode(id))).collect();
            prop_assert_eq!(ids(&parts.join("&")), Some(list));
        }
    }
}
