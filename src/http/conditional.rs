//! Conditional and range requests (`http-and-redis.md` sections 1 and 12).

use std::time::SystemTime;

use hyper::header::{
    CACHE_CONTROL, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty())
}

/// All lines of a header that is a list, as one.
fn list(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines: Vec<_> =
        headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    Some(lines.join(", ")).filter(|list| !list.is_empty())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    text(headers, name).and_then(|text| httpdate::parse_http_date(text).ok())
}

/// Whether a list of tags has ours, which is a weak one; its `W/` may be missing.
fn has_tag(list: &str, tag: &str) -> bool {
    list.split(',')
        .map(|item| item.trim_matches(' '))
        .any(|item| item == tag || tag.strip_prefix("W/").is_some_and(|strong| item == strong))
}

/// Whether the client has this already. If it names a tag and a date, both must fit; a date never
/// does where the answer has none.
pub fn is_fresh(headers: &HeaderMap, tag: &str, modified: Option<SystemTime>) -> bool {
    let tags = list(headers, IF_NONE_MATCH);
    let since = text(headers, IF_MODIFIED_SINCE).map(|_| date(headers, IF_MODIFIED_SINCE));
    if tags.is_none() && since.is_none() {
        return false;
    }
    let no_cache = |value: &str| value.split(',').any(|part| part.trim() == "no-cache");
    let mut cache_control = headers.get_all(CACHE_CONTROL).iter();
    if cache_control.any(|value| value.to_str().is_ok_and(no_cache)) {
        return false;
    }
    tags.is_none_or(|list| list == "*" || has_tag(&list, tag))
        && since.is_none_or(|since| since.is_some_and(|since| modified.is_some_and(|m| m <= since)))
}

/// Whether the client asks for a state that is no longer: 412.
pub fn precondition_failed(headers: &HeaderMap, tag: &str, modified: SystemTime) -> bool {
    match list(headers, IF_MATCH) {
        Some(list) => list != "*" && !has_tag(&list, tag),
        None => date(headers, IF_UNMODIFIED_SINCE).is_some_and(|since| modified > since),
    }
}

/// What part of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// From one byte to another, both included.
    Range(u64, u64),
    /// Nothing that there is: 416.
    Unsatisfiable,
}

/// Reads `Range` and `If-Range`. Several ranges that don't make one are answered with the whole.
pub fn part(headers: &HeaderMap, size: u64, tag: &str, modified: SystemTime) -> Part {
    let range = text(headers, RANGE).map(str::trim_start);
    let Some(list) = range.and_then(|text| text.strip_prefix("bytes=")) else { return Part::Whole };
    let current = match text(headers, IF_RANGE) {
        None => true,
        Some(value) if value.contains('"') => value.contains(tag),
        Some(_) => date(headers, IF_RANGE).is_some_and(|since| modified <= since),
    };
    if !current {
        return Part::Whole;
    }
    let mut ranges: Vec<_> = list.split(',').filter_map(|range| bounds(range, size)).collect();
    ranges.sort_unstable();
    let Some(&(start, mut end)) = ranges.first() else { return Part::Unsatisfiable };
    for (next, last) in ranges {
        if next > end + 1 {
            return Part::Whole;
        }
        end = end.max(last);
    }
    Part::Range(start, end)
}

/// `a-b`, `a-` or `-n`, if the file has any of it. A file shorter than `n` bytes has no last `n`.
fn bounds(range: &str, size: u64) -> Option<(u64, u64)> {
    let (start, end) = range.split_once('-').unwrap_or((range, ""));
    let last = size.checked_sub(1)?;
    let (start, end) = match (leading_number(start), leading_number(end)) {
        (None, count) => (size.checked_sub(count?)?, last),
        (Some(start), end) => (start, end.unwrap_or(last).min(last)),
    };
    (start <= end).then_some((start, end))
}

/// Digits up to the first character that is none.
fn leading_number(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let digits = &text[..digits];
    (!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    const TAG: &str = "W/\"46-1\"";

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn modified() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000_000)
    }

    #[test]
    fn tags_compare_weakly() {
        let fresh = |list| is_fresh(&headers(&[(IF_NONE_MATCH, list)]), TAG, None);
        for list in ["*", TAG, "\"46-1\"", "\"x\", W/\"46-1\""] {
            assert!(fresh(list), "{list}");
        }
        for list in ["\"x\"", "46-1", "w/\"46-1\"", "*, \"x\""] {
            assert!(!fresh(list), "{list}");
        }
        let uncached = |value| headers(&[(IF_NONE_MATCH, "*"), (CACHE_CONTROL, value)]);
        assert!(is_fresh(&uncached("max-age=0"), TAG, None));
        assert!(is_fresh(&uncached("No-Cache"), TAG, None));
        assert!(!is_fresh(&uncached("a, no-cache"), TAG, None));
    }

    #[test]
    fn dates_count_where_there_is_one() {
        let since = headers(&[(IF_MODIFIED_SINCE, "Tue, 24 Nov 2099 01:49:14 GMT")]);
        assert!(!is_fresh(&since, TAG, None));
        assert!(is_fresh(&since, TAG, Some(modified())));
        let old = headers(&[(IF_UNMODIFIED_SINCE, "Sat, 01 Jan 2000 00:00:00 GMT")]);
        assert!(precondition_failed(&old, TAG, modified()));
        assert!(precondition_failed(&headers(&[(IF_MATCH, "\"x\"")]), TAG, modified()));
        assert!(!precondition_failed(&headers(&[(IF_MATCH, "*")]), TAG, modified()));
        assert!(!precondition_failed(&headers(&[]), TAG, modified()));
    }

    #[test]
    fn ranges_are_merged_or_refused() {
        let part = |range| part(&headers(&[(RANGE, range)]), 70, TAG, modified());
        assert_eq!(part("bytes=0-4"), Part::Range(0, 4));
        assert_eq!(part("bytes=-4"), Part::Range(66, 69));
        assert_eq!(part("bytes=60-999"), Part::Range(60, 69));
        assert_eq!(part("bytes=1-3,0-1,4-5"), Part::Range(0, 5));
        assert_eq!(part("bytes=0-1,5-6"), Part::Whole);
        assert_eq!(part("lines=0-1"), Part::Whole);
        assert_eq!(part("bytes=999-,5-6"), Part::Range(5, 6));
        for bad in ["bytes=999-", "bytes=x", "bytes=5-4", "bytes=-71", "bytes="] {
            assert_eq!(part(bad), Part::Unsatisfiable, "{bad}");
        }
    }

    #[test]
    fn a_stale_if_range_gets_the_whole() {
        let part =
            |value| part(&headers(&[(RANGE, "bytes=0-1"), (IF_RANGE, value)]), 70, TAG, modified());
        assert_eq!(part(TAG), Part::Range(0, 1));
        assert_eq!(part("Tue, 24 Nov 2099 01:49:14 GMT"), Part::Range(0, 1));
        for stale in ["\"46-1\"", "Sat, 01 Jan 2000 00:00:00 GMT", "x"] {
            assert_eq!(part(stale), Part::Whole, "{stale}");
        }
    }

    proptest! {
        #[test]
        fn ranges_stay_within_the_file(range in "[-0-9, x]{0,30}", size in 0u64..100) {
            let headers = headers(&[(RANGE, &format!("bytes={range}"))]);
            if let Part::Range(start, end) = part(&headers, size, TAG, modified()) {
                prop_assert!(start <= end && end < size);
            }
        }
    }
}
