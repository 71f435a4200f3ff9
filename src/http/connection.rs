//! One connection: HTTP/1.1 as Node.js speaks it, and who gets which request
//! (`http-and-redis.md` section 1, `realtime.md` sections 1.1 and 1.7).

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use http_body_util::Either;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::watch, time::sleep};

use super::{error::Abort, respond::Body, stall::Watched};
use crate::{
    app::App,
    engine::{self, line::READ_CHUNK, polling::Refused, query::Query},
};

/// Seconds that an idle connection is promised to stay open.
const KEEP_ALIVE: HeaderValue = HeaderValue::from_static("timeout=5");
/// How long it stays open, and how long a request's head may take: a little longer than promised,
/// so that a request that is under way then is not met by a closed door.
const IDLE: Duration = Duration::from_secs(6);
/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// How long a client that wants another protocol outside `/socket.io/` is left waiting.
const NO_SUCH_PROTOCOL: Duration = Duration::from_secs(1);

/// Serves a connection to its end. Once `stopping` is true no further request is taken; one that
/// is under way is answered.
pub async fn serve(app: Rc<App>, stream: TcpStream, mut stopping: watch::Receiver<bool>) {
    if let Err(why) = stream.set_nodelay(true) {
        tracing::debug!(%why, "TCP_NODELAY was refused");
    }
    // A connection that is broken already is no trusted proxy's.
    let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let from = stream.peer_addr().map_or(unspecified, |address| address.ip());
    let seen = stopping.clone();
    let stream = Watched::new(stream, app.config.connections.stall_timeout, app.engine.line());
    let service = service_fn(move |request| dispatch(Rc::clone(&app), request, from, seen.clone()));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE);
    // A buffer also bounds what is read at once.
    builder.max_header_size(MAX_HEAD).max_buf_size(READ_CHUNK).title_case_headers(true);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = pin!(connection);
    let stop = async {
        if stopping.wait_for(|stop| *stop).await.is_err() {
            // The one who stops is gone; then the runtime ends soon.
            std::future::pending::<Infallible>().await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "a connection broke");
    }
}

async fn dispatch(
    app: Rc<App>,
    request: Request<Incoming>,
    from: IpAddr,
    stopping: watch::Receiver<bool>,
) -> Result<Response<Body>, Abort> {
    let keep = keeps_alive(&request);
    let client = app.limits.client(request.headers(), from);
    let mut response = if request.uri().path().starts_with("/socket.io/") {
        let dir = app.config.engine_client_dir.as_deref();
        let allow = |headers: &HeaderMap, query: &Query| {
            if !app.origins.allow(headers, from, query.jsonp.is_some()) {
                return Err(Refused::Origin);
            }
            if query.sid.is_some() {
                return Ok(None);
            }
            app.limits.socket(client, || app.secrets.sid(headers)).map_err(Refused::Over)
        };
        let answer = engine::handle(app.engine.clone(), dir, request, allow).await;
        answer.map_err(|_| Abort)?.map(Either::Left)
    } else if request.method() == Method::CONNECT {
        return Err(Abort);
    } else if has_token(request.headers(), "upgrade") && request.headers().contains_key(UPGRADE) {
        sleep(NO_SUCH_PROTOCOL).await;
        return Err(Abort);
    } else {
        super::handle(app, request, client).await?
    };
    let said = response.headers().contains_key(CONNECTION);
    if !said && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let headers = response.headers_mut();
        if keep && !*stopping.borrow() {
            headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
            headers.insert(HeaderName::from_static("keep-alive"), KEEP_ALIVE);
        } else {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    Ok(response)
}

/// Whether the client means to go on with the connection.
fn keeps_alive(request: &Request<Incoming>) -> bool {
    match request.version() {
        Version::HTTP_11 => !has_token(request.headers(), "close"),
        _ => has_token(request.headers(), "keep-alive"),
    }
}

fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let listed = |value: &HeaderValue| {
        let is_it = |item: &str| item.trim().eq_ignore_ascii_case(token);
        value.to_str().is_ok_and(|list| list.split(',').any(is_it))
    };
    headers.get_all(CONNECTION).iter().any(listed)
}
