//! Properties that hold for every value and every text.

use super::{
    tests::{again, str_of},
    *,
};
use std::sync::Arc;

use proptest::prelude::*;

/// Any string, lone surrogates included, by way of its escapes.
fn any_str() -> impl Strategy<Value = Str> {
    let unit =
        prop_oneof![4 => 0x20u16..0x7f, 1 => 0u16..0x20, 2 => 0xd7f0u16..0xe010, 2 => any::<u16>()];
    prop::collection::vec(unit, 0..24).prop_map(|units| {
        let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        str_of(&format!("\"{escapes}\""))
    })
}

fn any_json() -> impl Strategy<Value = Json> {
    let number = prop::num::f64::POSITIVE
        | prop::num::f64::NEGATIVE
        | prop::num::f64::NORMAL
        | prop::num::f64::SUBNORMAL
        | prop::num::f64::ZERO;
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number.prop_filter("finite", |value| value.is_finite()).prop_map(Json::Num),
        any::<i32>().prop_map(|value| Json::Num(f64::from(value))),
        any_str().prop_map(Json::Str),
    ];
    let key =
        prop_oneof![any_str(), (0u64..=4294967296).prop_map(|key| Str::from(key.to_string()))];
    leaf.prop_recursive(6, 100, 24, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..24).prop_map(Json::Arr),
            prop::collection::vec((key.clone(), inner), 0..24)
                .prop_map(|pairs| Json::Obj(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_parses_to_the_same(value in any_json()) {
        let text = value.to_text();
        prop_assert_eq!(&Json::parse(&text), &Ok(value));
        prop_assert_eq!(again(&text), text);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC*|[\\[\\]{}:,\"\\\\u0-9dDeE+. tfn-]{0,40}") {
        if let Ok(value) = Json::parse(&text) {
            let text = value.to_text();
            prop_assert_eq!(again(&text), text);
        }
        let _ = (number(&text), parse_int(&text), sanitise(Str::from(text)));
    }

    #[test]
    fn any_bytes_are_a_score_or_not(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = (redis_score(&bytes).is_some(), array_index(&bytes));
        let bin = Json::Bin(Arc::from(bytes.as_slice()));
        prop_assert_eq!(to_js_string(&bin), &*String::from_utf8_lossy(&bytes));
        prop_assert!(Json::parse(&bin.to_text()).is_ok());
    }

    #[test]
    fn a_string_and_its_parts_agree(text in any_str()) {
        let lossy = text.to_lossy();
        match text.as_str() {
            Some(plain) => {
                prop_assert_eq!(plain, lossy);
                let mut out = Vec::new();
                write_string(plain, &mut out);
                prop_assert_eq!(out, Json::from(plain).to_text().into_bytes());
            }
            None => prop_assert!(lossy.contains(char::REPLACEMENT_CHARACTER)),
        }
        let clean = sanitise(text.clone());
        prop_assert!(!clean.to_lossy().contains(['<', '>']));
        prop_assert_eq!(clean.to_lossy(), text.to_lossy().replace('<', "&lt").replace('>', "&gt"));
    }

    #[test]
    fn a_number_survives_its_text(value in any::<f64>()) {
        let found = number(&number_text(value));
        prop_assert!(found == value || (found.is_nan() && value.is_nan()));
        if value.is_finite() {
            let taken = redis_score(number_text(value).as_bytes()).is_some();
            prop_assert!(taken);
        }
    }
}
