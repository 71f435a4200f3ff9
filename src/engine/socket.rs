//! A WebSocket connection: the write side, and the task that reads (`realtime.md` section 3).

use std::{
    cell::{Cell, RefCell},
    io::{self, Read as _},
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
    time::Duration,
};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream, sync::Notify};

use super::{frame::Frame, queue::Queue, session::Wire};

/// How much is merged into one write.
const CHUNK: usize = 64 * 1024;

/// How long a closed connection may take to answer the close frame.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(3);
/// The same for one that has not answered a heartbeat, or does not read what is sent.
const SILENT_PATIENCE: Duration = Duration::from_millis(250);

/// The write side. Bytes wait here only when the kernel took a part of a write. Those of a large frame are the frame's
/// own, however many sockets they wait in.
pub struct Socket {
    stream: TcpStream,
    unsent: RefCell<Bytes>,
    closing: Cell<bool>,
    silent: Cell<bool>,
    /// Since when, in milliseconds of the engine, the kernel takes nothing.
    blocked: Cell<Option<u64>>,
    /// Wakes the reading task when it must stop.
    pub gone: Notify,
    /// The same for [`drain`](Self::drain), which else would keep the connection of a client that
    /// never reads again.
    given_up: Notify,
}

/// What a write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Everything is with the kernel.
    All,
    /// The kernel's buffer is full: [`Socket::drain`] must go on.
    Blocked,
    /// The connection is lost.
    Lost,
}

impl Socket {
    /// Takes over a stream after the handshake.
    pub fn new(stream: TcpStream) -> Rc<Socket> {
        Rc::new(Socket {
            stream,
            unsent: RefCell::default(),
            closing: Cell::new(false),
            silent: Cell::new(false),
            blocked: Cell::new(None),
            gone: Notify::new(),
            given_up: Notify::new(),
        })
    }

    /// The stream, to wait for what comes.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads what has come. A read that does not fill the buffer has emptied the kernel's, so the
    /// stream counts as not ready from then on, without a second read to find that out: more that
    /// comes makes it ready again.
    ///
    /// # Errors
    /// `WouldBlock` if nothing has come; others if the connection is lost.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut part = None;
        let read = self.stream.try_io(Interest::READABLE, || {
            let n = (&*SockRef::from(&self.stream)).read(buffer)?;
            if n == 0 || n == buffer.len() {
                return Ok(n);
            }
            part = Some(n);
            // This is how a stream is told that it is not ready.
            Err(io::ErrorKind::WouldBlock.into())
        });
        part.map_or(read, Ok)
    }

    /// Whether a close frame was sent: what comes in now has no effect.
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// How long the answer to the close frame is waited for.
    pub fn close_patience(&self) -> Duration {
        if self.silent.get() { SILENT_PATIENCE } else { CLOSE_PATIENCE }
    }

    /// Since when the kernel takes nothing, in milliseconds of the engine.
    pub fn blocked_since(&self) -> Option<u64> {
        self.blocked.get()
    }

    /// Whether a packet can be handed to the kernel now.
    pub fn is_free(&self) -> bool {
        !self.closing.get() && self.unsent.borrow().is_empty()
    }

    /// Notes what the kernel took of a packet that was sent to a socket that [was free](Self::is_free).
    pub fn sent(&self, frame: &Frame, taken: io::Result<usize>, now: u64) -> Written {
        let taken = match taken {
            Ok(taken) => taken,
            Err(why)
                if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
            {
                0
            }
            Err(_) => return Written::Lost,
        };
        if taken == frame.size() {
            self.blocked.set(None);
            return Written::All;
        }
        *self.unsent.borrow_mut() = frame.rest(taken);
        self.blocked(now)
    }

    /// The kernel takes nothing from now on, if not for longer.
    fn blocked(&self, now: u64) -> Written {
        self.blocked.set(self.blocked.get().or(Some(now)));
        Written::Blocked
    }

    /// Writes as much of the queue as the kernel takes, merging small frames. `scratch` is a
    /// buffer that all connections share; `now` is the engine's time.
    pub fn write(&self, queue: &mut Queue, scratch: &mut Vec<u8>, now: u64) -> Written {
        if self.closing.get() {
            return Written::All;
        }
        if !self.unsent.borrow().is_empty() {
            return self.blocked(now);
        }
        while let Some(first) = queue.front() {
            let single = queue.len() == 1 || first.size() >= CHUNK;
            let sent = if single {
                let frame = first.clone();
                queue.pop();
                self.send_frame(&frame)
            } else {
                scratch.clear();
                while let Some(frame) = queue.front()
                    && (scratch.is_empty() || scratch.len() + frame.size() <= CHUNK)
                {
                    scratch.extend_from_slice(frame.wire());
                    queue.pop();
                }
                self.send_bytes(scratch, |sent| Bytes::copy_from_slice(&scratch[sent..]))
            };
            match sent {
                Ok(true) => self.blocked.set(None),
                Ok(false) => return self.blocked(now),
                Err(_) => return Written::Lost,
            }
        }
        queue.pop(); // gives the buffer of the empty queue back
        Written::All
    }

    fn send_frame(&self, frame: &Frame) -> io::Result<bool> {
        self.send_bytes(frame.wire(), |sent| frame.rest(sent))
    }

    /// True if the kernel took everything; what it did not take is kept, as `rest` gives it by where it begins.
    fn send_bytes(&self, bytes: &[u8], rest: impl FnOnce(usize) -> Bytes) -> io::Result<bool> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.try_write(&bytes[sent..]) {
                Ok(n) => sent += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    *self.unsent.borrow_mut() = rest(sent);
                    return Ok(false);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Waits until the kernel took the rest of a partial write, or the connection closes. `now`
    /// tells the engine's time.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn drain(&self, now: impl Fn() -> u64) -> io::Result<()> {
        while !self.closing.get() {
            tokio::select! {
                biased;
                () = self.given_up.notified() => continue,
                ready = self.stream.writable() => ready?,
            }
            let mut unsent = self.unsent.borrow_mut();
            match self.stream.try_write(&unsent) {
                Ok(n) if n == unsent.len() => {
                    *unsent = Bytes::new();
                    self.blocked.set(None);
                    break;
                }
                Ok(n) => {
                    unsent.advance(n);
                    self.blocked.set(Some(now()));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Sends a close frame, with a status code if there is one, and stops writing. The reading
    /// task waits a little for the answer and then drops the connection.
    pub fn close_with(&self, code: Option<u16>) {
        self.close_saying(code, "");
    }

    fn close_saying(&self, code: Option<u16>, reason: &str) {
        if self.closing.replace(true) {
            return;
        }
        let mut frame = vec![0x88, 0];
        if let Some(code) = code {
            frame.extend(code.to_be_bytes());
            frame.extend(reason.bytes());
            frame[1] = (frame.len() - 2) as u8;
        }
        // Behind half a frame a close frame can't be read: then the connection just ends.
        if self.unsent.borrow().is_empty() {
            let _ = self.stream.try_write(&frame);
        }
        self.gone.notify_one();
        self.given_up.notify_one();
    }

    /// Lets go of the connection. One that stands still is reset, so that the kernel does not keep
    /// what it could not send.
    pub fn abandon(&self) {
        self.closing.set(true);
        self.given_up.notify_one();
        if self.blocked.get().is_some() {
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Answers a ping of the WebSocket protocol. Behind half a frame it is left out, as a reader
    /// that is so far behind has other worries.
    pub fn pong(&self, payload: &[u8]) {
        if self.unsent.borrow().is_empty() && !self.closing.get() {
            let mut frame = vec![0x8a, payload.len().min(125) as u8];
            frame.extend_from_slice(payload);
            let _ = self.send_bytes(&frame, |sent| Bytes::copy_from_slice(&frame[sent..]));
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Wire for Rc<Socket> {
    fn send(&self, frame: &Frame) {
        let _ = self.send_frame(frame);
    }

    fn close(&self) {
        self.close_with(None);
    }

    fn give_up(&self) {
        self.silent.set(true);
        self.close_with(None);
    }

    fn refuse(&self, status: u16, why: &'static str) {
        self.close_saying(Some(status), why);
    }

    fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(self, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{net::TcpListener, time::timeout};

    #[tokio::test]
    async fn who_never_reads_again_is_let_go_of() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = Socket::new(listener.accept().await.unwrap().0);
        let mut queue = Queue::default();
        let frame = Frame::text(&vec![b'x'; 32 << 20]);
        queue.push(frame.clone());
        assert_eq!(socket.write(&mut queue, &mut Vec::new(), 0), Written::Blocked);
        // What waits is the frame's own.
        assert!(frame.wire().as_ptr_range().contains(&socket.unsent.borrow().as_ptr()));
        let close = async {
            tokio::task::yield_now().await;
            socket.close_with(None);
        };
        let drained = async { tokio::join!(socket.drain(|| 0), close).0 };
        assert!(timeout(Duration::from_secs(5), drained).await.unwrap().is_ok());
        drop(client);
    }
}
