//! A chat message of a client, checked before the first command is sent to the store
//! (`realtime.md` section 8.5, `http-and-redis.md` sections 9 and 14).

use crate::{
    contract::events,
    engine::frame::Frame,
    js::{self, Json, Str},
    socketio,
};

/// A message that can be stored. It may have to wait for that, so it is text and not JSON in memory, which takes ten
/// times as much.
#[derive(Debug, PartialEq)]
pub struct Message {
    /// The room's id as JavaScript's text: it names the room of sockets.
    pub room: Str,
    /// Whether the room's id was sent as a string. If not, it can't be split into two users.
    pub room_is_text: bool,
    /// The ids that `from` stands for, as text.
    pub from: Vec<String>,
    /// Whether `from` is one id, not a list of ids.
    pub from_is_one: bool,
    /// The score: the text of `date`.
    pub score: String,
    /// Its value, in seconds since 1970.
    pub date: f64,
    /// All that was sent, in the sender's order, with its text cleaned: the JSON that is stored and announced, in which
    /// binary is text, as JavaScript writes a buffer.
    pub member: Vec<u8>,
    /// The same as an event, for the sockets of the room.
    pub frames: Vec<Frame>,
}

pub use super::answer::Refusal;

impl Message {
    /// Checks the argument of a `message` event and cleans its text.
    ///
    /// # Errors
    /// Where the original ends, or would store what breaks its readers.
    pub fn check(argument: Option<Json>) -> Result<Message, Refusal> {
        let Some(Json::Obj(mut document)) = argument else {
            return Err("The message is no object");
        };
        let Some(Json::Str(_)) = document.get("message") else {
            return Err("Its text is no string");
        };
        let from = senders(document.get("from"))?;
        let from_is_one = !matches!(document.get("from"), Some(Json::Arr(_)));
        let score = document.get("date").map(|date| js::to_js_string(date).to_lossy().into_owned());
        let score = score.ok_or("It has no date")?;
        let date = js::redis_score(score.as_bytes()).ok_or("Its date is no number")?;
        let (room, room_is_text) = match document.get("roomId") {
            None | Some(Json::Null) => return Err("It has no room"),
            Some(id) => (js::to_js_string(id), matches!(id, Json::Str(_))),
        };
        if let Some(text @ Json::Str(_)) = document.get_mut("message")
            && let Json::Str(dirty) = std::mem::replace(text, Json::Null)
        {
            *text = Json::Str(js::sanitise(dirty));
        }
        let (member, frames) = written(&Json::Obj(document));
        Ok(Message { room, room_is_text, from, from_is_one, score, date, member, frames })
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        let ids = self.from.iter().map(String::len).sum::<usize>();
        let frames = self.frames.iter().map(Frame::size).sum::<usize>();
        self.member.len() + frames + ids + self.score.len() + self.room.as_bytes().len()
    }

    /// The room's id as it stands in Redis keys.
    pub fn room_id(&self) -> String {
        self.room.to_lossy().into_owned()
    }
}

/// The ids of the two users that a private room's id stands for; `undefined` in the place of a
/// missing one, as the original has it.
pub fn room_users(room: &str) -> [String; 2] {
    let mut parts = room.split(':').map(str::to_owned);
    [(); 2].map(|()| parts.next().unwrap_or_else(|| "undefined".into()))
}

fn written(document: &Json) -> (Vec<u8>, Vec<Frame>) {
    let (mut member, mut attachments) = (Vec::new(), Vec::new());
    document.write_with_attachments(&mut member, &mut attachments);
    if attachments.is_empty() {
        let frame = socketio::event(events::MESSAGE, &member);
        return (member, vec![frame]);
    }
    let frames = socketio::binary_event(events::MESSAGE, &member, &attachments);
    member.clear();
    document.write(&mut member);
    (member, frames)
}

fn senders(from: Option<&Json>) -> Result<Vec<String>, Refusal> {
    let text = |id: &Json| match id {
        Json::Str(_) | Json::Num(_) | Json::Bool(_) => {
            Ok(js::to_js_string(id).to_lossy().into_owned())
        }
        _ => Err("Its sender is no id"),
    };
    match from {
        None => Err("It has no sender"),
        Some(Json::Arr(ids)) if ids.is_empty() => Err("It has no sender"),
        Some(Json::Arr(ids)) => ids.iter().map(text).collect(),
        Some(id) => Ok(vec![text(id)?]),
    }
}

/// The data of a `show.room` event (section 8.5.3).
pub fn show_room(room: &str, names: &[Option<String>; 2]) -> Vec<u8> {
    let name = |name: &Option<String>| {
        Json::Arr(vec![name.as_deref().map_or(Json::Null, |name| Json::Str(name.into()))])
    };
    let mut out = b"{\"id\":".to_vec();
    js::write_string(room, &mut out);
    out.extend_from_slice(b",\"names\":");
    Json::Arr(names.iter().map(name).collect()).write(&mut out);
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Message, Refusal> {
        Message::check(Some(Json::parse(text).unwrap()))
    }

    #[test]
    fn keeps_the_senders_keys_and_cleans_the_text() {
        let message = check(
            r#"{"10":2,"roomId":"0","message":"a<b>&amp;","from":"1","date":1600001000.0,"x":1E2}"#,
        )
        .unwrap();
        let text = r#"{"10":2,"roomId":"0","message":"a&ltb&gt&amp;","from":"1","date":1600001000,"x":100}"#;
        assert_eq!(message.member, text.as_bytes());
        assert_eq!(message.frames, [socketio::event("message", text.as_bytes())]);
        assert!((2 * text.len()..3 * text.len()).contains(&message.size()));
        assert_eq!(
            (message.score.as_str(), message.from.as_slice()),
            ("1600001000", &["1".to_owned()][..])
        );
    }

    #[test]
    fn odd_but_usable_values_pass() {
        for text in [
            r#"{"roomId":0,"message":"","from":true,"date":"1e3"}"#,
            r#"{"roomId":["0"],"message":"x","from":[1,"2"],"date":[7]}"#,
            r#"{"roomId":"","message":"x","from":"","date":"+inf"}"#,
        ] {
            assert!(check(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_ends_the_original_is_refused() {
        assert!(Message::check(None).is_err());
        for text in [
            "null",
            "5",
            "\"x\"",
            "[1]",
            "{}",
            r#"{"roomId":"0","from":1,"date":1}"#,
            r#"{"roomId":"0","message":5,"from":1,"date":1}"#,
            r#"{"roomId":"0","message":["<"],"from":1,"date":1}"#,
            r#"{"roomId":"0","message":"x","date":1}"#,
            r#"{"roomId":"0","message":"x","from":null,"date":1}"#,
            r#"{"roomId":"0","message":"x","from":{},"date":1}"#,
            r#"{"roomId":"0","message":"x","from":[],"date":1}"#,
            r#"{"roomId":"0","message":"x","from":1}"#,
            r#"{"roomId":"0","message":"x","from":1,"date":null}"#,
            r#"{"roomId":"0","message":"x","from":1,"date":"abc"}"#,
            r#"{"message":"x","from":1,"date":1}"#,
            r#"{"roomId":null,"message":"x","from":1,"date":1}"#,
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_room_id_is_split_at_its_colons() {
        assert_eq!(room_users("1:5"), ["1", "5"]);
        assert_eq!(room_users("1:5:7"), ["1", "5"]);
        assert_eq!(room_users("x"), ["x", "undefined"]);
    }

    #[test]
    fn show_room_has_nested_names() {
        let text = show_room("1:99", &[Some("Pablo".into()), None]);
        assert_eq!(text, br#"{"id":"1:99","names":[["Pablo"],[null]]}"#);
    }
}
