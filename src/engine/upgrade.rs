//! WebSocket handshakes: a session's opening, or the probe of a polling session (`realtime.md`
//! sections 1.7, 3.1 and 4).

use std::rc::Rc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    upgrade::{OnUpgrade, Parts},
};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio::task::spawn_local;

use super::{
    Engine, Key,
    polling::{Refusal, Reply, reply},
    query::{Query, Transport},
    session::Session,
    socket::Socket,
};
use crate::{http::stall::Watched, limits::sockets::Seat};

/// Whether a request asks to change the protocol.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    let connection = headers.get_all(CONNECTION).iter().filter_map(|v| v.to_str().ok());
    headers.contains_key(UPGRADE)
        && connection.flat_map(|v| v.split(',')).any(|v| v.trim().eq_ignore_ascii_case("upgrade"))
}

/// What a WebSocket is for.
enum Purpose {
    /// A session of its own.
    Open(Box<HeaderMap>, Option<Seat>),
    /// To take over a polling session.
    Probe(Key),
    /// Asked for by `transport=polling`: accepted and closed.
    None,
}

impl Engine {
    /// Answers an upgrade request under `/socket.io/`.
    pub fn upgrade(self: Rc<Self>, mut request: Request<Incoming>, seat: Option<Seat>) -> Reply {
        let purpose = match self.purpose(&request) {
            Ok(purpose) => purpose,
            Err(refusal) => return refuse(refusal.message()),
        };
        let Some(accept) = handshake(&request) else { return refuse("Bad Request") };
        let purpose = match purpose {
            Purpose::Open(..) => {
                Purpose::Open(Box::new(std::mem::take(request.headers_mut())), seat)
            }
            other => other,
        };
        let switched = hyper::upgrade::on(&mut request);
        spawn_local(self.switched(switched, purpose));
        accept
    }

    fn purpose(&self, request: &Request<Incoming>) -> Result<Purpose, Refusal> {
        let query = Query::parse(request.uri().query());
        let transport = query.transport.ok_or(Refusal::Transport)?;
        let key = match &query.sid {
            None if request.method() != Method::GET => return Err(Refusal::Method),
            None => None,
            Some(sid) => Some(self.find(sid).ok_or(Refusal::Sid)?),
        };
        Ok(match (transport, key) {
            (Transport::Polling, _) => Purpose::None,
            (Transport::WebSocket, Some(key)) => Purpose::Probe(key),
            (Transport::WebSocket, None) => Purpose::Open(Box::default(), None),
        })
    }

    async fn switched(self: Rc<Self>, switched: OnUpgrade, purpose: Purpose) {
        let Ok(upgraded) = switched.await else { return };
        let Ok(Parts { io, read_buf, .. }) = upgraded.downcast::<TokioIo<Watched>>() else {
            return;
        };
        let socket = Socket::new(io.into_inner().into_inner());
        let key = match purpose {
            Purpose::Open(headers, seat) => self.open_websocket(&socket, &headers, seat),
            Purpose::Probe(key) => self.open_probe(key, &socket).then_some(key),
            Purpose::None => None,
        };
        match key {
            Some(key) => self.read(key, socket, read_buf).await,
            None => self.close_unused(socket).await,
        }
    }

    fn open_websocket(
        &self,
        socket: &Rc<Socket>,
        headers: &HeaderMap,
        seat: Option<Seat>,
    ) -> Option<Key> {
        let make = |now, limits: &_| Session::websocket(socket.clone(), now, limits);
        let (key, sid) = self.open(make, headers, seat)?;
        self.send(key, &self.open_packet(&sid, ""));
        Some(key)
    }

    fn open_probe(&self, key: Key, socket: &Rc<Socket>) -> bool {
        let mut table = self.table.borrow_mut();
        let Some(entry) = table.get(key) else { return false };
        let opened = entry.session.open_probe(socket.clone(), self.now(), &self.limits);
        let next = entry.session.next_tick();
        table.remind(key, next);
        opened
    }
}

/// The 101 answer, if the request is a proper WebSocket handshake.
fn handshake(request: &Request<Incoming>) -> Option<Reply> {
    let header = |name| request.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let key = header(SEC_WEBSOCKET_KEY)?.trim();
    let proper = request.method() == Method::GET
        && header(UPGRADE)?.eq_ignore_ascii_case("websocket")
        && matches!(header(SEC_WEBSOCKET_VERSION)?.trim(), "13" | "8")
        && key.len() == 24
        && STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    if !proper {
        return None;
    }
    let digest =
        Sha1::new().chain_update(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = HeaderValue::from_str(&STANDARD.encode(digest.finalize())).ok()?;
    let mut response = Response::new(http_body_util::Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    let offered = header(SEC_WEBSOCKET_PROTOCOL).and_then(|v| v.split(',').next());
    if let Some(protocol) = offered.and_then(|p| HeaderValue::from_str(p.trim()).ok()) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Some(response)
}

fn refuse(message: &'static str) -> Reply {
    let mut reply = reply(StatusCode::BAD_REQUEST, "text/html", message);
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}
