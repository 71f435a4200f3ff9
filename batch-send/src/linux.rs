use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use io_uring::{IoUring, Probe, opcode, types::Fd};

/// How many sends are handed to the kernel at once.
const ENTRIES: u32 = 256;

/// A way to send on many sockets at once. It allocates nothing while it sends.
pub struct Ring {
    ring: IoUring,
    /// Set while sends are under way, and for ever once one of them could not be waited for.
    broken: bool,
}

impl Ring {
    /// A ring, for the thread that makes it.
    ///
    /// # Errors
    /// When the kernel has no io_uring (5.6 or newer), or does not allow it: many containers don't.
    pub fn new() -> io::Result<Ring> {
        // The first lets the kernel off work that only other ways to use a ring need; it takes 6.1.
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(ENTRIES)
            .or_else(|_| IoUring::new(ENTRIES))?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(opcode::Send::CODE) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // Some policies let a ring be made, but not used.
        ring.submit()?;
        Ok(Ring { ring, broken: false })
    }

    /// Sends what the kernel takes now, and tells `done` for each by its index how many bytes that were:
    /// `WouldBlock` if the socket takes none. Never waits for a socket.
    ///
    /// # Errors
    /// When the kernel refuses to go on. What `done` was not told of has not been sent, and the ring sends
    /// nothing any more.
    pub fn send(
        &mut self,
        sends: &[(BorrowedFd<'_>, &[u8])],
        mut done: impl FnMut(usize, io::Result<usize>),
    ) -> io::Result<()> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        for (chunk, part) in sends.chunks(ENTRIES as usize).enumerate() {
            self.submit(chunk * ENTRIES as usize, part)?;
            let mut waiting = part.len();
            while waiting > 0 {
                let refused = match self.ring.submit_and_wait(waiting) {
                    Err(why) if why.kind() != io::ErrorKind::Interrupted => Some(why),
                    _ => None,
                };
                for completed in self.ring.completion() {
                    waiting -= 1;
                    let result = completed.result();
                    let result =
                        usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
                    done(completed.user_data() as usize, result);
                }
                if let Some(why) = refused {
                    return Err(why);
                }
            }
        }
        self.broken = false;
        Ok(())
    }

    /// Puts sends into the ring, which is empty. `first` is the index of the first one.
    fn submit(&mut self, first: usize, part: &[(BorrowedFd<'_>, &[u8])]) -> io::Result<()> {
        let mut queue = self.ring.submission();
        for (i, (socket, bytes)) in part.iter().enumerate() {
            let length = u32::try_from(bytes.len()).unwrap_or(i32::MAX as u32);
            let send = opcode::Send::new(Fd(socket.as_raw_fd()), bytes.as_ptr(), length)
                .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
                .build()
                .user_data((first + i) as u64);
            // SAFETY: socket and bytes are borrowed until `send` returns, and it returns only when
            // each entry has completed. If it can't wait for them, or `done` panics, the ring stays broken: what it
            // still holds is never submitted. What was submitted is done by then, since a send that must not
            // wait is done or refused while it is submitted, and a call that is refused submits nothing.
            unsafe { queue.push(&send) }
                .map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Read,
        os::{fd::AsFd, unix::net::UnixStream},
    };

    /// `None` where the kernel allows no ring: then there is nothing to test.
    fn ring() -> Option<Ring> {
        Ring::new().inspect_err(|why| println!("no ring here: {why}")).ok()
    }

    #[test]
    fn each_socket_gets_its_bytes_also_when_there_are_more_than_fit() {
        let Some(mut ring) = ring() else { return };
        let pairs: Vec<_> = (0..600).map(|_| UnixStream::pair().unwrap()).collect();
        let texts: Vec<_> = (0..600).map(|i| format!("text {i}")).collect();
        for _ in 0..2 {
            let all = pairs.iter().zip(&texts);
            let sends: Vec<_> = all.map(|((a, _), text)| (a.as_fd(), text.as_bytes())).collect();
            let mut results = vec![None; 600];
            ring.send(&sends, |i, taken| results[i] = taken.ok()).unwrap();
            for (i, (_, there)) in pairs.iter().enumerate() {
                let mut there = there;
                assert_eq!(results[i], Some(texts[i].len()));
                let mut read = vec![0; texts[i].len()];
                there.read_exact(&mut read).unwrap();
                assert_eq!(read, texts[i].as_bytes());
            }
        }
    }

    #[test]
    fn a_full_and_a_closed_socket_are_told_and_hold_up_nobody() {
        let Some(mut ring) = ring() else { return };
        let (full, _kept) = UnixStream::pair().unwrap();
        let (closed, other_end) = UnixStream::pair().unwrap();
        let (good, mut there) = UnixStream::pair().unwrap();
        drop(other_end);
        let much = vec![b'x'; 8 << 20];
        let mut results = Vec::new();
        let sends = [full.as_fd(), full.as_fd(), closed.as_fd(), good.as_fd()].map(|socket| {
            (socket, if socket.as_raw_fd() == good.as_raw_fd() { &b"yes"[..] } else { &much })
        });
        ring.send(&sends, |i, taken| results.push((i, taken.map_err(|why| why.kind())))).unwrap();
        results.sort_by_key(|(i, _)| *i);
        let taken = *results[0].1.as_ref().unwrap();
        assert!(0 < taken && taken < much.len(), "{taken}");
        assert_eq!(results[1].1, Err(io::ErrorKind::WouldBlock));
        assert_eq!(results[2].1, Err(io::ErrorKind::BrokenPipe));
        assert_eq!(results[3].1, Ok(3));
        let mut read = [0; 3];
        there.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"yes");
    }
}
