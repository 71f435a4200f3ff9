//! The stored session (`http-and-redis.md` section 6): JSON that other servers on the same store
//! read and write too, so that what we don't know must survive.

use crate::js::{Json, Object};

use super::keys::SESSION_SECONDS;

/// The cookie's members that are written back, in this order; all others vanish.
const COOKIE_MEMBERS: [&str; 7] =
    ["originalMaxAge", "expires", "secure", "httpOnly", "domain", "path", "sameSite"];

/// Names that a session object of the original has by itself: such fields vanish.
#[rustfmt::skip]
pub const RESERVED: [&str; 20] = [
    "id", "req", "touch", "save", "reload", "destroy", "regenerate", "resetMaxAge", "constructor",
    "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
    "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__",
];

/// What else holds, beside the form: name, section, rule.
pub(super) const RULES: [(&str, &str, &str); 6] = [
    ("user", "H6", "a log-in adds the user, a log-out deletes the session"),
    ("unknown fields", "H6", "are kept"),
    ("reserved names", "H6", "of fields vanish"),
    ("life", "H6", "is a day, and renewed by every request"),
    ("corrupt", "H6", "counts as gone"),
    ("lost updates", "H6", "a slow request undoes neither a log-in nor a log-out"),
];

/// How long what a renewal leaves under the old id lives, in milliseconds.
pub const LEFTOVER_MS: u64 = 60_000;
/// The field of what a renewal leaves that names the user who has signed in.
const RENEWED_FOR: &str = "renewedFor";

/// What is known of a visitor.
#[derive(Debug, Clone)]
pub struct Session {
    fields: Object,
    dirty: bool,
}

/// A session as it is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The text.
    pub text: String,
    /// Its life; 0 if it is over.
    pub seconds: u64,
}

impl Session {
    /// A new visitor's.
    pub fn fresh() -> Session {
        let mut cookie = Object::default();
        for name in ["originalMaxAge", "expires"] {
            cookie.insert(name, Json::Null);
        }
        let mut fields = Object::default();
        fields.insert("cookie", with_defaults(cookie).into());
        Session { fields, dirty: true }
    }

    /// Reads what is stored. `None` if that is no session: then it counts as gone, so that one bad
    /// value doesn't lock its visitor out for a day.
    pub fn parse(stored: &[u8]) -> Option<Session> {
        match Json::parse(&String::from_utf8_lossy(stored)) {
            Ok(Json::Obj(fields)) if matches!(fields.get("cookie"), Some(Json::Obj(_))) => {
                Some(Session { fields, dirty: false })
            }
            _ => None,
        }
    }

    /// The field `user` as it is, if there is one: what a socket looks at.
    pub fn user_field(&self) -> Option<&Json> {
        self.fields.get("user")
    }

    /// The user who is signed in. What JavaScript takes for false is nobody.
    pub fn user(&self) -> Option<&Json> {
        self.user_field().filter(|user| match user {
            Json::Null | Json::Bool(false) => false,
            Json::Num(number) => *number != 0.0 && !number.is_nan(),
            Json::Str(text) => !text.as_bytes().is_empty(),
            _ => true,
        })
    }

    /// Signs a user in, in the place of whoever was.
    pub fn set_user(&mut self, user: Json) {
        self.fields.insert("user", user);
        self.dirty = true;
    }

    /// Prepares it for a new id: what was left under an old one is not short-lived any more.
    pub fn renew(&mut self) {
        if self.max_age() == Some(LEFTOVER_MS)
            && let Some(Json::Obj(cookie)) = self.fields.get_mut("cookie")
        {
            cookie.insert("originalMaxAge", Json::Null);
        }
        self.fields.remove(RENEWED_FOR);
        self.dirty = true;
    }

    /// What stays under the old id of a renewed session: nobody's session, for a minute. A request
    /// that is still under way with the old cookie finds it, so that it gets no new session, whose
    /// cookie would replace the renewed one. The life is in the document for Node servers, and since
    /// a load renews it. It names the user who has signed in, by their id, for servers of ours that were not
    /// told; the new id nobody can learn from it.
    pub fn leftover(now: u64, user: &str) -> Stored {
        let mut session = Session::fresh();
        session.fields.insert(RENEWED_FOR, user.into());
        if let Some(Json::Obj(cookie)) = session.fields.get_mut("cookie") {
            cookie.insert("originalMaxAge", Json::Num(LEFTOVER_MS as f64));
        }
        session.stored(now)
    }

    /// The id of the user for whom the session was renewed, if this is what was left under its old id. Not if
    /// somebody has signed in on that since, as on a Node server.
    pub fn renewed_for(&self) -> Option<String> {
        match self.fields.get(RENEWED_FOR) {
            Some(Json::Str(user)) if self.user().is_none() => Some(user.to_lossy().into_owned()),
            _ => None,
        }
    }

    /// Whether it is new or was changed.
    pub fn is_changed(&self) -> bool {
        self.dirty
    }

    /// Whether it must be written although its life was renewed when it was loaded: it was changed,
    /// or it says itself when it ends. Others are left alone, so that a slow request can't undo
    /// what a faster one has written.
    pub fn must_be_stored(&self) -> bool {
        self.dirty || self.max_age().is_some()
    }

    /// What to store at this moment, in milliseconds since 1970.
    pub fn stored(&self, now: u64) -> Stored {
        let mut fields = Object::default();
        for (name, value) in self.fields.iter() {
            if *name == "cookie" {
                fields.insert("cookie", self.cookie(now).into());
            } else if !RESERVED.iter().any(|reserved| name == reserved) {
                fields.insert(name.clone(), value.clone());
            }
        }
        let seconds = self.max_age().map_or(SESSION_SECONDS, |age| age.div_ceil(1000));
        Stored { text: Json::Obj(fields).to_text(), seconds }
    }

    /// The life in milliseconds that the cookie asks for; the original itself never does.
    fn max_age(&self) -> Option<u64> {
        // A century is for ever; the bound keeps sums and dates within their types.
        const CENTURY: f64 = 100.0 * 365.25 * 86_400_000.0;
        let Some(Json::Obj(cookie)) = self.fields.get("cookie") else { return None };
        match cookie.get("originalMaxAge") {
            // What is not finite is written as null, and is none when it is read again.
            Some(Json::Num(age)) if age.is_finite() => Some(age.clamp(0.0, CENTURY) as u64),
            _ => None,
        }
    }

    fn cookie(&self, now: u64) -> Object {
        let mut cookie = match self.fields.get("cookie") {
            Some(Json::Obj(cookie)) => cookie.clone(),
            _ => Object::default(),
        };
        match (cookie.get("originalMaxAge").is_some(), self.max_age()) {
            (true, Some(age)) => cookie.insert("expires", iso(now + age).as_str().into()),
            (true, None) => cookie.insert("expires", Json::Null),
            (false, _) => cookie.remove("expires"),
        };
        with_defaults(cookie)
    }
}

/// The known members alone, in their order.
fn with_defaults(mut cookie: Object) -> Object {
    if cookie.get("httpOnly").is_none() {
        cookie.insert("httpOnly", Json::Bool(true));
    }
    if cookie.get("path").is_none() {
        cookie.insert("path", "/".into());
    }
    let mut known = Object::default();
    for name in COOKIE_MEMBERS {
        if let Some(value) = cookie.remove(name) {
            known.insert(name, value);
        }
    }
    known
}

/// `Date.prototype.toISOString` for milliseconds since 1970.
fn iso(millis: u64) -> String {
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    // Years begin in March here, which puts the leap day last; 719468 days before 1970 is the
    // 1st of March of the year 0, and 146097 days are 400 years.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + carry;
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str =
        r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}}"#;

    fn restored(text: &str) -> Stored {
        Session::parse(text.as_bytes()).unwrap().stored(1_600_000_000_000)
    }

    #[test]
    fn a_fresh_session_is_written_as_recorded() {
        let fresh = Session::fresh();
        assert_eq!(fresh.stored(0), Stored { text: PLAIN.to_owned(), seconds: 86_400 });
        assert!(fresh.must_be_stored() && fresh.user().is_none());
    }

    #[test]
    fn what_is_no_session_is_gone() {
        let bad = ["", "null", "false", "0", "\"\"", "{bad", "5", "[]", "{}", r#"{"cookie":null}"#];
        for text in bad {
            assert!(Session::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn unknown_fields_survive_in_javascripts_order() {
        let kept = restored(
            r#"{"zeta":1,"cookie":{"expires":null,"extra":1,"originalMaxAge":null},"user":{"id":"1","n":1.0},"id":5,"save":7,"toString":9,"10":1,"2":2}"#,
        );
        let expected = r#"{"2":2,"10":1,"zeta":1,"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"user":{"id":"1","n":1}}"#;
        assert_eq!(kept.text, expected);
        let empty = restored(r#"{"cookie":{"expires":"x"}}"#);
        assert_eq!(empty.text, r#"{"cookie":{"httpOnly":true,"path":"/"}}"#);
    }

    #[test]
    fn a_maximum_age_moves_the_end() {
        let text = r#"{"cookie":{"originalMaxAge":7200001,"expires":"old"}}"#;
        let kept = restored(text);
        assert!(Session::parse(text.as_bytes()).unwrap().must_be_stored());
        assert_eq!(kept.seconds, 7201);
        assert!(kept.text.contains(r#""expires":"2020-09-13T14:26:40.001Z""#), "{}", kept.text);
        assert_eq!(restored(r#"{"cookie":{"originalMaxAge":-5}}"#).seconds, 0);
        let endless = restored(r#"{"cookie":{"originalMaxAge":1e400,"expires":null}}"#);
        assert_eq!(endless, Stored { text: PLAIN.to_owned(), seconds: 86_400 });
    }

    #[test]
    fn a_renewal_leaves_nobody_for_a_minute() {
        let left = Session::leftover(1_600_000_000_000, "7");
        let text = r#"{"cookie":{"originalMaxAge":60000,"expires":"2020-09-13T12:27:40.000Z","httpOnly":true,"path":"/"},"renewedFor":"7"}"#;
        assert_eq!(left, Stored { text: text.to_owned(), seconds: 60 });
        // Used again within that minute it has no longer life, and a log-in on it is as any other.
        let mut again = Session::parse(text.as_bytes()).unwrap();
        assert_eq!(again.stored(1_600_000_000_000), left);
        assert_eq!(again.renewed_for().as_deref(), Some("7"));
        again.set_user("zoe".into());
        assert_eq!(again.renewed_for(), None);
        again.renew();
        let expected = PLAIN.replace("}}", r#"},"user":"zoe"}"#);
        assert_eq!(again.stored(0), Stored { text: expected, seconds: 86_400 });
        let mut other = Session::parse(br#"{"x":1,"cookie":{"originalMaxAge":7000}}"#).unwrap();
        other.renew();
        assert_eq!(other.stored(0).seconds, 7);
        assert!(other.stored(0).text.starts_with(r#"{"x":1,"#));
    }

    #[test]
    fn a_user_is_who_counts_as_true() {
        for (user, signed_in) in
            [("null", false), ("0", false), ("\"\"", false), ("{}", true), ("\"bob\"", true)]
        {
            let text = format!(r#"{{"cookie":{{}},"user":{user}}}"#);
            let mut session = Session::parse(text.as_bytes()).unwrap();
            assert_eq!(session.user().is_some(), signed_in, "{user}");
            assert!(!session.must_be_stored());
            session.set_user("zoe".into());
            assert!(session.must_be_stored());
        }
    }

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(951_868_800_000), "2000-03-01T00:00:00.000Z");
        assert_eq!(iso(1_709_164_799_999), "2024-02-28T23:59:59.999Z");
        assert_eq!(iso(4_102_444_800_000), "2100-01-01T00:00:00.000Z");
    }
}
