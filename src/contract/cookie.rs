//! The session cookie (`http-and-redis.md` section 6).

use base64::{
    Engine as _, engine::general_purpose::STANDARD_NO_PAD, engine::general_purpose::URL_SAFE_NO_PAD,
};
use hmac::{Hmac, Mac as _};
use hyper::header::{COOKIE, HeaderMap};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::uri::{decode_component, encode_component, latin1};

/// The cookie's name.
const NAME: &str = "connect.sid";
/// What a signed value begins with.
const SIGNED: &str = "s:";

/// What else holds, beside the form: name, section, rule.
pub(super) const RULES: [(&str, &str, &str); 5] = [
    ("signature", "H6", "HMAC-SHA256 of the sid in base64 without padding"),
    ("unsigned or forged", "H6", "counts as none"),
    ("first of several", "H6", "the first cookie of the name counts, even if it is of no use"),
    ("new sessions only", "H6", "Set-Cookie is sent with a new session, and not again"),
    (
        "rotation",
        "H6",
        "the first secret signs, all are accepted; what another has signed is signed anew",
    ),
];

/// The secrets that sign session ids: the first signs, all are accepted.
pub struct Secrets {
    keys: Vec<Hmac<Sha256>>,
    attributes: &'static str,
}

impl Secrets {
    /// Secrets in order of preference.
    pub fn new(secrets: &[String]) -> Secrets {
        // HMAC takes a key of any length, so none is left out.
        let keyed = |secret: &String| Hmac::new_from_slice(secret.as_bytes()).ok();
        let keys = secrets.iter().filter_map(keyed).collect();
        Secrets { keys, attributes: "; Path=/; HttpOnly" }
    }

    /// With other attributes behind the cookie's value than the original's.
    pub fn with_attributes(self, attributes: &'static str) -> Secrets {
        Secrets { attributes, ..self }
    }

    /// The `Set-Cookie` header that hands out a session id.
    pub fn set_cookie(&self, sid: &str) -> String {
        let signature = self.keys.first().map(|key| signature(key, sid)).unwrap_or_default();
        let value = encode_component(&format!("{SIGNED}{sid}.{signature}"));
        format!("{NAME}={value}{}", self.attributes)
    }

    /// The session id that a request shows. `None` if it has no cookie or one that was not signed
    /// here: the two count as the same.
    pub fn sid(&self, headers: &HeaderMap) -> Option<String> {
        self.signed(headers).map(|(sid, _)| sid)
    }

    /// The same, and whether another secret than the first has signed it: such a cookie is to be
    /// handed out anew, so that no living session depends on the old secret after a day.
    pub fn signed(&self, headers: &HeaderMap) -> Option<(String, bool)> {
        let lines: Vec<_> = headers.get_all(COOKIE).iter().map(|v| latin1(v.as_bytes())).collect();
        let value = value_of(&lines.join("; "))?;
        let (sid, given) = value.strip_prefix(SIGNED)?.rsplit_once('.')?;
        let right = |key| bool::from(signature(key, sid).as_bytes().ct_eq(given.as_bytes()));
        let by = self.keys.iter().position(right).filter(|_| !sid.is_empty())?;
        Some((sid.to_owned(), by > 0))
    }
}

fn signature(key: &Hmac<Sha256>, sid: &str) -> String {
    STANDARD_NO_PAD.encode(key.clone().chain_update(sid).finalize().into_bytes())
}

/// The decoded value of the first cookie with our name; later ones don't count, even if this one
/// is of no use.
fn value_of(header: &str) -> Option<String> {
    let space = |char: char| char.is_whitespace() && char != '\u{85}';
    let mut pairs = header.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim_matches(space) == NAME)?;
    let mut value = value.trim_matches(space);
    if value.starts_with('"') {
        // The last character goes too, whatever it is.
        let mut inner = value.chars();
        inner.next();
        inner.next_back();
        value = inner.as_str();
    }
    Some(decode_component(value).unwrap_or_else(|| value.to_owned()))
}

/// A new session id: 24 random bytes.
pub fn new_sid() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    // Recorded from the original; see fixtures/http/00-dataset.json.
    const PABLO: &str =
        "s%3Apablo-sid-00000000000000000000_A.V14C8ogr7VPSGi2PH4sHiXl4sZpSW396sge6GW9QKnM";
    const JOE: &str = "s%3Ajoe-sid-0000000000000000000000_B.3n%2FmOL7GdT3h5U2owLkGc%2B%2FRlf7dhleMD0%2FdiK%2BAgFs";
    const GUEST: &str = "s%3Aguest-sid-00000000000000000000_C.LN%2BpUifDwXt%2Fk%2Fs%2BbVKCHyJZG06CG%2BNcs9wtCZ0tjQU";
    const SID: &str = "pablo-sid-00000000000000000000_A";

    fn secrets(list: &[&str]) -> Secrets {
        Secrets::new(&list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    fn sid(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        secrets(&["keyboard cat"]).sid(&headers)
    }

    #[test]
    fn recorded_cookies_are_read_and_written() {
        let ours = secrets(&["keyboard cat"]);
        for recorded in [PABLO, JOE, GUEST] {
            let sid = sid(&[&format!("connect.sid={recorded}")]).unwrap();
            let expected = format!("connect.sid={recorded}; Path=/; HttpOnly");
            assert_eq!(ours.set_cookie(&sid), expected);
        }
    }

    #[test]
    fn the_header_is_read_as_the_original_reads_it() {
        let raw = PABLO.replace("%3A", ":");
        let good = [
            format!("a=b;connect.sid={PABLO};c=d"),
            format!("connect.sid={raw}"),
            format!("connect.sid=\"{PABLO}\""),
            format!("connect.sid = {PABLO} ; x"),
            format!("connect.sid={PABLO}; connect.sid={JOE}"),
        ];
        for header in &good {
            assert_eq!(sid(&[header]).as_deref(), Some(SID), "{header}");
        }
        assert_eq!(sid(&["a=b", &good[1]]).as_deref(), Some(SID));
        let bad = [
            format!("Connect.sid={PABLO}"),
            format!("connect.sid=; connect.sid={PABLO}"),
            format!("connect.sid=x; connect.sid={PABLO}"),
            format!("connect.sid={PABLO}%3D"),
            format!("connect.sid={}", PABLO.replace("s%3A", "")),
            format!("connect.sid={}", PABLO.replace("_A", "_B")),
            "connect.sid=s%3A.aJcKKTu8Uv0mRiw7LTI435t%2BpOa%2BgiU%2FWLAuLCKGEFc".to_owned(),
            "connect.sid=\"".to_owned(),
        ];
        for header in &bad {
            assert_eq!(sid(&[header]), None, "{header}");
        }
    }

    #[test]
    fn the_first_secret_signs_and_all_are_accepted() {
        let rotated = secrets(&["new", "keyboard cat"]);
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("connect.sid={PABLO}").parse().unwrap());
        assert_eq!(rotated.signed(&headers), Some((SID.to_owned(), true)));
        let current = secrets(&["keyboard cat", "new"]);
        assert_eq!(current.signed(&headers), Some((SID.to_owned(), false)));
        assert_eq!(rotated.set_cookie(SID), secrets(&["new"]).set_cookie(SID));
        assert_eq!(secrets(&["new"]).sid(&headers), None);
    }

    proptest! {
        #[test]
        fn any_sid_comes_back(sid in ".+") {
            let ours = secrets(&["x"]);
            let cookie = ours.set_cookie(&sid);
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).unwrap());
            prop_assert_eq!(ours.sid(&headers), Some(sid));
        }

        #[test]
        fn no_header_panics(line in prop::collection::vec(32u8..=255, 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&[b"connect.sid=", &line[..]].concat()) {
                let mut headers = HeaderMap::new();
                headers.insert(COOKIE, value);
                prop_assert_eq!(secrets(&["x"]).sid(&headers), None);
            }
        }
    }
}
