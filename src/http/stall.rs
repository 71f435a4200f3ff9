//! A connection whose writes may not stand still: a client that asks for something and does not
//! read the answer must not keep it, and the connection, for ever.

use std::{
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use crate::engine::line::{Line, Place};

/// A stream that fails when the kernel has taken nothing for a while, and that stands in line if it has
/// much to read.
pub struct Watched {
    stream: TcpStream,
    line: Arc<Line>,
    place: Place,
    patience: Duration,
    /// Set while the kernel takes nothing.
    limit: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    /// Watches over a stream.
    pub fn new(stream: TcpStream, patience: Duration, line: Arc<Line>) -> Watched {
        Watched { stream, line, place: Place::default(), patience, limit: None }
    }

    /// The stream, watched no more.
    pub fn into_inner(self) -> TcpStream {
        self.stream
    }

    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.limit = None;
            return written;
        }
        let patience = self.patience;
        let limit = self.limit.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(limit.as_mut().poll(cx));
        // The kernel is not to keep what it could not send either.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.line.poll_turn(&mut this.place, cx));
        let before = buffer.filled().len();
        let read = pin!(&mut this.stream).poll_read(cx, buffer);
        this.place.has_read(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = pin!(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = pin!(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    #[tokio::test]
    async fn a_write_that_stands_still_fails_and_a_slow_one_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let much = vec![0; 32 << 20];
        // A busy machine may keep who reads from it for a while.
        for (reads, patience) in
            [(true, Duration::from_secs(30)), (false, Duration::from_millis(200))]
        {
            let mut client = TcpStream::connect(address).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let mut watched = Watched::new(stream, patience, Arc::default());
            let read = async {
                let mut some = vec![0; 256 << 10];
                while reads && client.read(&mut some).await.is_ok_and(|n| n > 0) {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            let write = async {
                let written = watched.write_all(&much).await;
                drop(watched);
                written.map_err(|why| why.kind())
            };
            let (written, ()) = tokio::join!(write, read);
            assert_eq!(written, if reads { Ok(()) } else { Err(io::ErrorKind::TimedOut) });
        }
    }
}
