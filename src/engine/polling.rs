//! The polling transport's HTTP side (`realtime.md` sections 1.6, 1.8 and 2).

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Body,
    header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Engine, Key, packet,
    payload::{Coding, Payload, encode_jsonp},
    query::{Query, Transport},
    session::{Answer, End, Polled, Posted, Session},
    unfinished::collect,
};
use crate::limits::{Over, sockets::Seat};

/// How long a body may take. While one is under way its client can answer no heartbeat, so that it has
/// no longer in any case.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(25);

/// An engine answer.
pub type Reply = Response<Full<Bytes>>;

/// The connection must be cut without an answer.
#[derive(Debug)]
pub struct Cut;

/// The error answers, with the numbers that clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No known transport.
    Transport = 0,
    /// No such session.
    Sid = 1,
    /// Not a GET, but no session either.
    Method = 2,
    /// The session is on another transport.
    Request = 3,
}

impl Refusal {
    /// The plain message, as a refused upgrade has it.
    pub fn message(self) -> &'static str {
        match self {
            Refusal::Transport => "Transport unknown",
            Refusal::Sid => "Session ID unknown",
            Refusal::Method => "Bad handshake method",
            Refusal::Request => "Bad request",
        }
    }

    /// The answer to a polling request.
    pub fn reply(self) -> Reply {
        let body = format!(r#"{{"code":{},"message":"{}"}}"#, self as u8, self.message());
        reply(StatusCode::BAD_REQUEST, "application/json", body)
    }
}

/// An answer with a type and a body.
pub fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// Why a request is not served.
#[derive(Debug)]
pub enum Refused {
    /// 403: a page of another host.
    Origin,
    /// 429: too many sockets, or events on one. The stock client tries again by itself.
    Over(Over),
}

impl Refused {
    /// The answer, with the number that clients know.
    pub fn reply(self) -> Reply {
        let (status, message) = match &self {
            Refused::Origin => (StatusCode::FORBIDDEN, "Origin not allowed".to_owned()),
            Refused::Over(over) => (StatusCode::TOO_MANY_REQUESTS, over.message()),
        };
        let body = format!(r#"{{"code":4,"message":"{message}"}}"#);
        let mut reply = reply(status, "application/json", body);
        let headers = reply.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Refused::Over(over) = self {
            headers.insert(RETRY_AFTER, over.seconds().into());
        }
        reply
    }
}

fn failed() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    reply
}

impl Engine {
    /// Answers a request that is no upgrade. Checked in the order of section 1.6.
    ///
    /// # Errors
    /// When the connection is to be cut: the body was too long.
    pub async fn polling<B>(
        self: Rc<Self>,
        request: Request<B>,
        seat: Option<Seat>,
    ) -> Result<Reply, Cut>
    where
        B: Body<Data = Bytes>,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let query = Query::parse(request.uri().query());
        let Some(transport) = query.transport else { return Ok(Refusal::Transport.reply()) };
        let method = request.method();
        let Some(sid) = &query.sid else {
            return Ok(match (method, transport) {
                (&Method::GET, Transport::Polling) => {
                    self.open_polling(request.headers(), &query, seat)
                }
                (&Method::GET, Transport::WebSocket) => Refusal::Request.reply(),
                _ => Refusal::Method.reply(),
            });
        };
        let Some(key) = self.find(sid) else { return Ok(Refusal::Sid.reply()) };
        if transport != Transport::Polling || !self.is_polling(key) {
            return Ok(Refusal::Request.reply());
        }
        match *method {
            Method::GET => Ok(self.get(key, request.headers(), query.jsonp.as_deref()).await),
            Method::POST => self.post(key, request, query.jsonp.is_some()).await,
            _ => Ok(failed()),
        }
    }

    fn is_polling(&self, key: Key) -> bool {
        self.table.borrow_mut().get(key).is_some_and(|entry| entry.session.wire().is_none())
    }

    fn open_polling(&self, headers: &HeaderMap, query: &Query, seat: Option<Seat>) -> Reply {
        let Some((_, sid)) = self.open(Session::polling, headers, seat) else {
            return Refusal::Sid.reply(); // the server is stopping: the client tries again
        };
        let packet = self.open_packet(&sid, r#""websocket""#);
        let mut payload = Vec::new();
        packet.append_to_payload(&mut payload);
        answer(encode_jsonp(payload, query.jsonp.as_deref()), headers)
    }

    async fn get(self: &Rc<Self>, key: Key, headers: &HeaderMap, jsonp: Option<&str>) -> Reply {
        let (reply, answered) = oneshot::channel();
        match self.poll(key, reply) {
            Polled::Held => {}
            Polled::WrongTransport => return Refusal::Request.reply(),
            Polled::Conflict => {
                self.end(key, End::Client);
                return failed();
            }
        }
        // A client that drops its GET drops this future: that ends the session (section 2.6).
        let mut hold = EndOnDrop { engine: self, key, armed: true };
        let frames = match answered.await {
            Ok(Answer::Packets(frames)) => frames,
            Ok(Answer::Conflict) => Vec::new(),
            Err(_) => {
                hold.armed = false;
                return Refusal::Sid.reply();
            }
        };
        let (jsonp, coding) = (jsonp.map(str::to_owned), Coding::preferred(headers));
        let made = self.bodies.make(Payload { frames, jsonp, coding }).await;
        let Ok((body, coding)) = made else { return failed() };
        hold.armed = false;
        let mut reply = answer(body, headers);
        if let Some(coding) = coding {
            let name = HeaderValue::from_static(coding.name());
            reply.headers_mut().insert(CONTENT_ENCODING, name);
        }
        reply
    }

    async fn post<B>(
        self: &Rc<Self>,
        key: Key,
        request: Request<B>,
        jsonp: bool,
    ) -> Result<Reply, Cut>
    where
        B: Body<Data = Bytes>,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let begun = self.table.borrow_mut().get(key).map(|entry| entry.session.begin_post());
        match begun {
            Some(Posted::Begun) => {}
            Some(Posted::Conflict) => {
                self.end(key, End::Client);
                return Ok(failed());
            }
            Some(Posted::WrongTransport) | None => return Ok(Refusal::Request.reply()),
        }
        // A POST that breaks off ends the session too.
        let mut hold = EndOnDrop { engine: self, key, armed: true };
        let mut share = self.unfinished();
        let body = collect(request.into_body(), self.max_payload, &mut share);
        // The session may end meanwhile, so it can't be what ends a body that never does.
        let body = match timeout(BODY_TIMEOUT, body).await {
            Ok(Ok(body)) => body,
            why => {
                drop(hold);
                tracing::debug!(?why, "a polling body was not complete");
                return Err(Cut);
            }
        };
        drop(share);
        hold.armed = false;
        if let Some(entry) = self.table.borrow_mut().get(key) {
            entry.session.end_post();
        }
        let text = String::from_utf8_lossy(&body);
        let form = if jsonp { packet::jsonp_payload(&text) } else { None };
        for packet in packet::payload(form.as_deref().unwrap_or(&text)) {
            match (self.receive(key, &packet), self.limits.events) {
                (Ok(()), _) => {}
                (Err(End::TooMany), Some(events)) => {
                    return Ok(Refused::Over(Over::events(events)).reply());
                }
                (Err(_), _) => break,
            }
        }
        // A client that sends faster than Redis stores gets its answer later.
        while let Some(go_on) = self.paused(key) {
            go_on.notified().await;
        }
        Ok(reply(StatusCode::OK, "text/html", "ok"))
    }
}

/// Ends a session unless it is disarmed: the request that it belongs to broke off.
struct EndOnDrop<'a> {
    engine: &'a Rc<Engine>,
    key: Key,
    armed: bool,
}

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.engine.end(self.key, End::TransportClosed);
        }
    }
}

fn answer(payload: impl Into<Bytes>, headers: &HeaderMap) -> Reply {
    let mut reply = reply(StatusCode::OK, "text/plain; charset=UTF-8", payload);
    let agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes);
    let agent = String::from_utf8_lossy(agent.unwrap_or_default());
    // Old Internet Explorers get the header that keeps their script filter away (section 1.5).
    if agent.contains(";MSIE") || agent.contains("Trident/") {
        reply.headers_mut().insert("x-xss-protection", HeaderValue::from_static("0"));
    }
    reply
}
