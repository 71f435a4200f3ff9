//! The state machine driven without sockets.

use std::{cell::RefCell, rc::Rc};

use super::*;

/// A WebSocket without a network: it writes down what is done to it.
#[derive(Clone, Default)]
struct Paper(Rc<RefCell<Vec<String>>>);

impl Wire for Paper {
    fn send(&self, frame: &Frame) {
        self.0.borrow_mut().push(String::from_utf8_lossy(frame.payload()).into_owned());
    }
    fn close(&self) {
        self.0.borrow_mut().push("closed".into());
    }
    fn give_up(&self) {
        self.0.borrow_mut().push("given up".into());
    }
    fn refuse(&self, _: u16, why: &'static str) {
        self.0.borrow_mut().push(why.into());
    }
    fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Paper {
    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

const SECOND: Millis = 1000;

fn limits() -> Limits {
    Limits {
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(5),
        upgrade_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(45),
        queue_bytes: 1000,
        queue_packets: 10,
        events: None,
    }
}

fn polling() -> Session<Paper> {
    let mut session = Session::polling(0, &limits());
    session.joined();
    session
}

fn get(session: &mut Session<Paper>) -> oneshot::Receiver<Answer> {
    let (reply, answer) = oneshot::channel();
    assert_eq!(session.get(reply), Polled::Held);
    answer
}

fn packets(answer: &mut oneshot::Receiver<Answer>) -> Vec<String> {
    match answer.try_recv() {
        Ok(Answer::Packets(frames)) => {
            frames.iter().map(|f| String::from_utf8_lossy(f.payload()).into_owned()).collect()
        }
        Ok(Answer::Conflict) => vec!["conflict".into()],
        Err(_) => Vec::new(),
    }
}

fn push(session: &mut Session<Paper>, text: &str) {
    assert!(session.push(Frame::text(text.as_bytes()), &limits()));
}

#[test]
fn a_get_is_held_until_there_is_something() {
    let mut session = polling();
    let mut answer = get(&mut session);
    assert!(packets(&mut answer).is_empty());
    push(&mut session, "4a");
    push(&mut session, "4b");
    session.flush_polling();
    assert_eq!(packets(&mut answer), ["4a", "4b"]);
    push(&mut session, "4c");
    assert_eq!(packets(&mut get(&mut session)), ["4c"]);
}

#[test]
fn answers_are_short_and_what_is_left_stays_in_order() {
    let limits = Limits { queue_bytes: usize::MAX, ..limits() };
    let sizes = [30_000, 30_000, 30_000, 100_000, 10, 10, 65_000];
    let mut session = polling();
    for (n, size) in sizes.into_iter().enumerate() {
        assert!(session.push(
            Frame::text(&[&vec![b' '; size - 1][..], n.to_string().as_bytes()].concat()),
            &limits
        ));
    }
    let ask = |session: &mut Session<Paper>| -> Vec<String> {
        packets(&mut get(session)).iter().map(|packet| packet.trim().to_owned()).collect()
    };
    assert_eq!(ask(&mut session), ["0", "1"]);
    assert_eq!(ask(&mut session), ["2"]);
    assert_eq!(ask(&mut session), ["3"], "one packet goes out, however long it is");
    // What is left when a WebSocket takes over goes out there.
    assert!(session.open_probe(Paper::default(), 0, &limits));
    assert!(session.receive_on_probe(&Packet::Upgrade, 0, &limits));
    assert_eq!((session.queue.len(), session.queue.bytes()), (3, 65_000 + 2 * 10 + 4 + 2 * 2));
    assert!(session.queue.pop().unwrap().payload().ends_with(b"4"));
}

#[test]
fn a_ping_does_not_wait_behind_many_answers() {
    let limits = Limits { queue_bytes: usize::MAX, ..limits() };
    let mut session = polling();
    for text in [&[b'x'; 40_000][..], &[b'y'; 40_000]] {
        assert!(session.push(Frame::text(text), &limits));
    }
    assert_eq!(session.tick(25 * SECOND, &limits), None);
    let first = packets(&mut get(&mut session));
    assert_eq!((first[0].as_str(), first.len()), ("2", 2));
    assert!(packets(&mut get(&mut session))[0].starts_with('y'));
    assert_eq!(session.queue.bytes(), 0);
}

#[test]
fn a_second_get_is_a_conflict_and_the_first_gets_the_close() {
    let mut session = polling();
    let mut first = get(&mut session);
    let (reply, _second) = oneshot::channel();
    assert_eq!(session.get(reply), Polled::Conflict);
    session.end(End::Server);
    assert_eq!(packets(&mut first), ["1"]);
}

#[test]
fn a_second_post_is_a_conflict() {
    let mut session = polling();
    assert_eq!(session.begin_post(), Posted::Begun);
    assert_eq!(session.begin_post(), Posted::Conflict);
    session.end_post();
    assert_eq!(session.begin_post(), Posted::Begun);
}

#[test]
fn table_of_packets() {
    let step = |text| polling().receive(&Packet::parse(text, true), 0, &limits());
    for text in ["3", "2", "2probe", "0", "5", "6"] {
        assert_eq!(step(text), Step::Done, "{text}");
    }
    assert_eq!(step("4x"), Step::Deliver);
    for text in ["", "7", "hello", "1"] {
        assert_eq!(step(text), Step::End(End::Client), "{text}");
    }
    let mut direct = Session::websocket(Paper::default(), 0, &limits());
    assert_eq!(direct.receive(&Packet::Close, 0, &limits()), Step::Done);
}

#[test]
fn heartbeats_begin_after_the_interval_and_end_without_an_answer() {
    let mut session = polling();
    assert_eq!(session.next_tick(), 25 * SECOND);
    assert_eq!(session.tick(25 * SECOND - 1, &limits()), None);
    assert!(session.queue.is_empty());
    assert_eq!(session.tick(25 * SECOND, &limits()), None);
    assert_eq!(packets(&mut get(&mut session)), ["2"]);
    assert_eq!(session.tick(30 * SECOND - 1, &limits()), None);
    assert_eq!(session.tick(30 * SECOND, &limits()), Some(End::PingTimeout));
}

#[test]
fn any_packet_is_life_and_the_next_ping_follows() {
    let mut session = polling();
    session.tick(25 * SECOND, &limits());
    session.receive(&Packet::Text("2[]"), 29 * SECOND, &limits());
    assert_eq!(session.tick(31 * SECOND, &limits()), None);
    assert_eq!(session.next_tick(), 54 * SECOND);
}

#[test]
fn without_a_namespace_it_ends() {
    let mut session = Session::<Paper>::polling(0, &limits());
    session.receive(&Packet::Pong, 24 * SECOND, &limits());
    assert_eq!(session.tick(45 * SECOND, &limits()), Some(End::Server));
}

#[test]
fn a_probe_releases_the_get_only_after_it_spoke() {
    let (mut session, wire) = (polling(), Paper::default());
    let mut answer = get(&mut session);
    assert!(session.open_probe(wire.clone(), 0, &limits()));
    session.tick(SECOND, &limits());
    assert!(packets(&mut answer).is_empty() && wire.take().is_empty());
    assert!(!session.receive_on_probe(&Packet::Probe, SECOND, &limits()));
    assert_eq!(wire.take(), ["3probe"]);
    session.tick(SECOND + RELEASE_MS, &limits());
    assert_eq!(packets(&mut answer), ["6"]);
}

#[test]
fn an_upgrade_keeps_what_waits() {
    let (mut session, wire) = (polling(), Paper::default());
    session.open_probe(wire.clone(), 0, &limits());
    session.receive_on_probe(&Packet::Probe, 0, &limits());
    push(&mut session, "4a");
    let mut answer = get(&mut session);
    assert_eq!(packets(&mut answer), ["4a"]);
    push(&mut session, "4b");
    assert!(session.receive_on_probe(&Packet::Upgrade, 1, &limits()));
    assert!(session.wire().is_some());
    assert_eq!(session.queue.pop().unwrap().payload(), b"4b");
    let (reply, _late) = oneshot::channel();
    assert_eq!(session.get(reply), Polled::WrongTransport);
}

#[test]
fn a_failed_probe_harms_nothing() {
    type Fault<'a> = &'a dyn Fn(&mut Session<Paper>);
    let faults: [Fault<'_>; 3] = [
        &|s| assert!(!s.receive_on_probe(&Packet::Text("x"), 0, &limits())),
        &|s| s.drop_probe(),
        &|s| assert_eq!(s.tick(10 * SECOND, &limits()), None),
    ];
    for fault in faults {
        let mut session = polling();
        let mut answer = get(&mut session);
        assert!(session.open_probe(Paper::default(), 0, &limits()));
        fault(&mut session);
        push(&mut session, "4a");
        session.flush_polling();
        assert_eq!(packets(&mut answer), ["4a"]);
        assert!(session.open_probe(Paper::default(), 0, &limits()), "a later one may succeed");
    }
}

#[test]
fn a_second_probe_is_refused_and_changes_nothing() {
    let (mut session, first) = (polling(), Paper::default());
    assert!(session.open_probe(first.clone(), 0, &limits()));
    assert!(!session.open_probe(Paper::default(), 0, &limits()));
    assert!(session.probes(&first));
}

#[test]
fn a_full_queue_says_so_once_and_for_all() {
    let mut session = polling();
    for _ in 0..10 {
        push(&mut session, "4a");
    }
    assert!(!session.push(Frame::text(b"4b"), &limits()));
    session.queue.pop();
    session.queue.pop();
    assert!(!session.push(Frame::text(b"4c"), &limits()));
}

#[test]
fn who_sends_more_than_the_limit_ends_and_is_told_why() {
    use crate::limits::bucket::Rate;
    let limits =
        Limits { events: Some(Rate::with_burst(2, Duration::from_secs(1), 3)), ..limits() };
    let paper = Paper::default();
    let mut session = Session::websocket(paper.clone(), 0, &limits);
    let text = Packet::Text("2[\"x\"]");
    for now in [0, 0, 0, 500, 1000] {
        assert_eq!(session.receive(&text, now, &limits), Step::Deliver);
    }
    // Heartbeats are free.
    assert_eq!(session.receive(&Packet::Pong, 1000, &limits), Step::Done);
    let binary = Packet::Binary(vec![1]);
    assert_eq!(session.receive(&binary, 1000, &limits), Step::End(End::TooMany));
    session.end(End::TooMany);
    assert_eq!(paper.take(), ["Too many events in a short time"]);
}
