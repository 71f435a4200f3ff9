//! The query string of an engine request (`realtime.md` section 1.2).

/// The parameters that the engine looks at. `EIO`, `t` and `b64` are not among them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `None` if missing, given twice or not a known transport.
    pub transport: Option<Transport>,
    /// The session; an empty one counts as none.
    pub sid: Option<String>,
    /// `j=N`: the client wants JSONP answers under this number.
    pub jsonp: Option<String>,
}

/// A transport's name in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Long polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

impl Query {
    /// Reads a query string (without the `?`).
    pub fn parse(query: Option<&str>) -> Query {
        // A parameter given twice is a list for the original: never the name of a transport or of
        // a session. Joined by commas it is neither here.
        let one = |name: &str| {
            let values = query.unwrap_or_default().split('&').filter_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(key) == name).then(|| decode(value))
            });
            values.reduce(|all, next| all + "," + &next)
        };
        let transport = match one("transport").as_deref() {
            Some("polling") => Some(Transport::Polling),
            Some("websocket") => Some(Transport::WebSocket),
            _ => None,
        };
        // Only digits: the number is echoed into a script.
        let jsonp = one("j").map(|j| j.chars().filter(char::is_ascii_digit).collect());
        Query { transport, sid: one("sid").filter(|sid| !sid.is_empty()), jsonp }
    }
}

/// Percent-decodes with `+` as a space; what can't be decoded stays as it is.
pub fn decode(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = |i: usize| tail.get(i).and_then(|c| char::from(*c).to_digit(16));
        rest = tail;
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_parameters() {
        let query = Query::parse(Some("EIO=4&transport=poll%69ng&t=x&sid=abc&j=7"));
        assert_eq!(query.transport, Some(Transport::Polling));
        assert_eq!(query.sid.as_deref(), Some("abc"));
        assert_eq!(query.jsonp.as_deref(), Some("7"));
    }

    #[test]
    fn twice_is_unknown_and_empty_is_none() {
        assert_eq!(Query::parse(Some("transport=polling&transport=polling")).transport, None);
        assert_eq!(Query::parse(Some("transport=polling&sid=")).sid, None);
        assert_eq!(Query::parse(None), Query::default());
    }
}
