//! A client of the chat on `rust_socketio`: joins a room, says something, and listens until it is told to leave.
//!
//! `rust-client <url> <transport> <cookie> <user id> <room> <text>`
//!
//! Prints each message of the room as a line of JSON. Ends with 0 when one says `leave`, and with 1 and a
//! reason when nothing comes for ten seconds.

use std::{
    env,
    process::exit,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use rust_socketio::{ClientBuilder, Event, Payload, TransportType, client::Client};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, url, transport, cookie, user, room, text] = &arguments[..] else {
        fail("usage: rust-client <url> <transport> <cookie> <user id> <room> <text>")
    };
    let transport = match transport.as_str() {
        "websocket" => TransportType::Websocket,
        "polling" => TransportType::Polling,
        "upgrading" => TransportType::WebsocketUpgrade,
        other => fail(&format!("there is no transport {other}")),
    };
    let (joined, wait_joined) = channel();
    let (heard, wait_heard) = channel();
    let client = ClientBuilder::new(url)
        .transport_type(transport)
        .opening_header("Cookie", cookie.as_str())
        .reconnect(false)
        .on(Event::Connect, move |_, _| {
            let _ = joined.send(());
        })
        .on("message", move |payload, _| {
            if let Payload::Text(values) = payload {
                let _ = heard.send(values);
            }
        })
        .on(Event::Error, |payload, _| eprintln!("error: {payload:?}"))
        .connect()
        .unwrap_or_else(|why| fail(&format!("can't connect: {why}")));
    if let Err(why) = wait_joined.recv_timeout(PATIENCE) {
        fail(&format!("the answer to CONNECT did not come: {why}"));
    }
    let mut message = say_until_heard(&client, &wait_heard, user, room, text);
    loop {
        println!("{message}");
        if message["message"] == "leave" {
            break;
        }
        message = match wait_heard.recv_timeout(PATIENCE) {
            Ok(values) => values[0].clone(),
            Err(why) => fail(&format!("nothing came: {why}")),
        };
    }
    let _ = client.disconnect();
    // Its threads would keep the process for a while.
    exit(0);
}

/// Servers of the original's kind lose what they get before they have read the session
/// (realtime.md §8.3), so the first words are said until their echo comes.
fn say_until_heard(client: &Client, heard: &Receiver<Vec<Value>>, user: &str, room: &str, text: &str) -> Value {
    let message = json!({ "from": user, "date": 1_700_000_000, "message": text, "roomId": room });
    let began = Instant::now();
    loop {
        client.emit("room.join", json!(room)).unwrap_or_else(|why| fail(&format!("join: {why}")));
        client.emit("message", message.clone()).unwrap_or_else(|why| fail(&format!("message: {why}")));
        match heard.recv_timeout(Duration::from_millis(500)) {
            Ok(values) => return values[0].clone(),
            Err(RecvTimeoutError::Timeout) if began.elapsed() < PATIENCE => {}
            Err(why) => fail(&format!("the message did not come: {why}")),
        }
    }
}

fn fail(why: &str) -> ! {
    eprintln!("{why}");
    exit(1)
}
