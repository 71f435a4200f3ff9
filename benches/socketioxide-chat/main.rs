//! A small chat on socketioxide, to compare with: the same events and, per event, the same Redis commands as the
//! original, each awaited (`docs/contract/http-and-redis.md` section 8). It has no HTTP routes.
//!
//! It is written as the crate wants it: its multi-threaded runtime, its rooms, a broadcast encoded once. Two things are
//! needed beyond the obvious (`docs/contract/realtime.md` section 13): the events of a socket go through a queue, since
//! handlers run side by side and would reorder them, and the buffer of a socket is large, since a full one loses events.

use std::{env, error::Error, sync::Arc, time::Duration};

use axum::{Router, serve::ListenerExt};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use futures_util::StreamExt;
use hmac::{Hmac, Mac};
use redis::{AsyncCommands, Client, RedisResult, aio::MultiplexedConnection};
use serde_json::{Value, json};
use sha2::Sha256;
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef},
    handler::ConnectHandler,
};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

const CHANNEL: &str = "MESSAGES";
const BUFFER: usize = 100_000;

type Fault = Box<dyn Error + Send + Sync>;

/// What all sockets share.
#[derive(Clone)]
struct Chat {
    io: SocketIo,
    redis: MultiplexedConnection,
    server_id: Arc<str>,
    secret: Arc<str>,
}

/// What a socket's queue holds.
enum Job {
    Message(Value),
    Left,
}

/// A signed-in user, in the extensions of its socket.
#[derive(Clone)]
struct SignedIn(Value);

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let setting = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let port = setting("PORT", "4000");
    let address = setting("REDIS_ENDPOINT_URL", "127.0.0.1:6379");
    let client = Client::open(format!("redis://{address}/"))?;
    let (layer, io) = SocketIo::builder()
        .ping_interval(Duration::from_secs(25))
        .ping_timeout(Duration::from_secs(5))
        .max_payload(1_000_000)
        .max_buffer_size(BUFFER)
        .build_layer();
    let chat = Chat {
        io: io.clone(),
        redis: client.get_multiplexed_async_connection().await?,
        server_id: setting("SERVER_ID", &format!("127.0.0.1:{port}")).into(),
        secret: setting("SESSION_SECRET", "keyboard cat").into(),
    };
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(CHANNEL).await?;
    let listener = chat.clone();
    tokio::spawn(async move {
        let mut envelopes = subscription.into_on_message();
        while let Some(envelope) = envelopes.next().await {
            listener.heard(envelope.get_payload_bytes()).await;
        }
    });

    let connecting = chat.clone();
    let look_up = async move |socket: SocketRef| {
        connecting.look_up(socket).await;
        Ok::<(), std::convert::Infallible>(())
    };
    let connected = async move |socket: SocketRef| chat.connected(socket).await;
    io.ns("/", connected.with(look_up));

    let tcp = TcpListener::bind(format!("0.0.0.0:{port}")).await?;
    let tcp = tcp.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    println!("Listening on {port}...");
    axum::serve(tcp, Router::new().layer(layer)).await?;
    Ok(())
}

impl Chat {
    /// Before the socket learns that it has joined, so that none of its events comes too early.
    async fn look_up(&self, socket: SocketRef) {
        let Some(user) = self.user_of(&socket).await else { return };
        let (jobs, queue) = unbounded_channel();
        socket.extensions.insert(SignedIn(user.clone()));

        socket.on("room.join", async |socket: SocketRef, Data(room): Data<String>| {
            socket.join(format!("room:{room}"));
        });
        let messages = jobs.clone();
        socket.on("message", move |Data::<Value>(message)| {
            let _ = messages.send(Job::Message(message));
            std::future::ready(())
        });
        socket.on_disconnect(move || {
            let _ = jobs.send(Job::Left);
            std::future::ready(())
        });
        let (chat, socket) = (self.clone(), socket.clone());
        tokio::spawn(async move { chat.work(socket, user, queue).await });
    }

    async fn connected(&self, socket: SocketRef) {
        let Some(SignedIn(user)) = socket.extensions.get::<SignedIn>() else { return };
        let mut redis = self.redis.clone();
        let _: RedisResult<()> = redis.sadd("online_users", text(&user["id"])).await;
        self.announce(&socket, "user.connected", &with_online(user, true)).await;
    }

    /// The events of one socket, in order.
    async fn work(self, socket: SocketRef, user: Value, mut queue: UnboundedReceiver<Job>) {
        while let Some(job) = queue.recv().await {
            match job {
                Job::Message(message) => {
                    if let Err(error) = self.message(&socket, message).await {
                        eprintln!("a message was not stored: {error}");
                    }
                }
                Job::Left => {
                    let mut redis = self.redis.clone();
                    let _: RedisResult<()> = redis.srem("online_users", text(&user["id"])).await;
                    self.announce(&socket, "user.disconnected", &with_online(user, false)).await;
                    return;
                }
            }
        }
    }

    async fn message(&self, socket: &SocketRef, mut message: Value) -> RedisResult<()> {
        let Some(said) = message["message"].as_str() else { return Ok(()) };
        message["message"] = said.replace('<', "&lt").replace('>', "&gt").into();
        let room = text(&message["roomId"]);
        let key = format!("room:{room}");
        let mut redis = self.redis.clone();

        let _: () = redis.sadd("online_users", text(&message["from"])).await?;
        let has_name: bool = redis.exists(format!("{key}:name")).await?;
        let has_messages: bool = redis.exists(&key).await?;
        if !has_name && !has_messages {
            let mut names = Vec::new();
            for id in room.split(':').take(2) {
                let name: Option<String> = redis.hget(format!("user:{id}"), "username").await?;
                names.push([name]);
            }
            self.announce(socket, "show.room", &json!({ "id": room, "names": names })).await;
        }
        let member = message.to_string();
        let _: () = redis.zadd(&key, member, text(&message["date"])).await?;
        self.publish("message", &message).await?;
        let _ = self.io.to(key).emit("message", &message).await;
        Ok(())
    }

    /// To everybody but the originator, here and elsewhere.
    async fn announce(&self, socket: &SocketRef, event: &str, data: &Value) {
        let _ = self.publish(event, data).await;
        let _ = socket.broadcast().emit(event, data).await;
    }

    async fn publish(&self, event: &str, data: &Value) -> RedisResult<()> {
        let envelope = json!({ "serverId": &*self.server_id, "type": event, "data": data });
        self.redis.clone().publish(CHANNEL, envelope.to_string()).await
    }

    /// What another server announced.
    async fn heard(&self, envelope: &[u8]) {
        let Ok(envelope) = serde_json::from_slice::<Value>(envelope) else { return };
        if envelope["serverId"].as_str() == Some(&*self.server_id) {
            return;
        }
        if let Some(event) = envelope["type"].as_str() {
            let _ = self.io.emit(event, &envelope["data"]).await;
        }
    }

    async fn user_of(&self, socket: &SocketRef) -> Option<Value> {
        let header = socket.req_parts().headers.get("cookie")?.to_str().ok()?;
        let value = header.split("; ").find_map(|pair| pair.strip_prefix("connect.sid="))?;
        let value = value.replace("%3A", ":").replace("%2B", "+").replace("%2F", "/");
        let (sid, signature) = value.strip_prefix("s:")?.rsplit_once('.')?;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).ok()?;
        mac.update(sid.as_bytes());
        mac.verify_slice(&STANDARD_NO_PAD.decode(signature).ok()?).ok()?;
        let stored: Option<String> = self.redis.clone().get(format!("sess:{sid}")).await.ok()?;
        let session: Value = serde_json::from_str(&stored?).ok()?;
        session.get("user").filter(|user| user.is_object()).cloned()
    }
}

fn with_online(mut user: Value, online: bool) -> Value {
    user["online"] = online.into();
    user
}

/// A value as Redis gets it: texts without quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
