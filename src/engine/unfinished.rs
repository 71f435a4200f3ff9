//! What came of frames, messages and bodies that are not complete yet, counted over all connections.
//!
//! Each of them has a limit of its own, but thousands of clients that never send the last byte have
//! it thousands of times.

use std::{cell::Cell, pin::pin, rc::Rc};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;

/// Who holds no more than this may always go on: honest clients seldom hold more, since what they send
/// comes whole, so they don't notice when others have used up the rest.
const SMALL: usize = 16 << 10;

/// The bytes of all connections.
pub struct Unfinished {
    most: usize,
    total: Cell<usize>,
}

/// Too much has come that is not complete.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Unfinished {
    /// A count that may come to `most`, and a little for each connection.
    pub fn new(most: usize) -> Rc<Unfinished> {
        Rc::new(Unfinished { most, total: Cell::new(0) })
    }

    /// The share of one more connection: nothing as yet.
    pub fn share(self: &Rc<Self>) -> Share {
        Share { all: self.clone(), bytes: 0 }
    }
}

/// What one connection holds. It is given back when this is dropped.
pub struct Share {
    all: Rc<Unfinished>,
    bytes: usize,
}

impl Share {
    /// Says how much the connection holds now.
    ///
    /// # Errors
    /// If it holds more than before, and all together hold too much: the connection must be given up.
    pub fn set(&mut self, bytes: usize) -> Result<(), Full> {
        let grew = bytes > self.bytes;
        let total = self.all.total.get() - self.bytes + bytes;
        self.all.total.set(total);
        self.bytes = bytes;
        if grew && bytes > SMALL && total > self.all.most { Err(Full) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.total.set(self.all.total.get() - self.bytes);
    }
}

/// Why a body is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is longer than it may be.
    TooLong,
    /// It broke off.
    Broken,
    /// Too much of others is incomplete.
    Full,
}

/// A whole body of at most `most` bytes.
///
/// # Errors
/// When the rest of it is not wanted.
pub async fn collect<B>(body: B, most: usize, share: &mut Share) -> Result<Vec<u8>, Refused>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(Refused::Broken) };
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > most {
            return Err(Refused::TooLong);
        }
        bytes.extend_from_slice(data);
        share.set(bytes.capacity()).map_err(|Full| Refused::Full)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_bound_who_holds_much_must_go_and_who_holds_little_stays() {
        let all = Unfinished::new(100_000);
        let (mut a, mut b, mut c) = (all.share(), all.share(), all.share());
        assert_eq!(a.set(60_000), Ok(()));
        assert_eq!(b.set(60_000), Err(Full));
        assert_eq!(c.set(SMALL), Ok(()));
        assert_eq!(c.set(SMALL + 1), Err(Full));
        drop(b);
        assert_eq!(c.set(SMALL + 2), Ok(()));
        // Who gives something back is not asked to go.
        assert_eq!(a.set(99_000), Err(Full));
        assert_eq!(a.set(98_000), Ok(()));
        drop((a, c));
        assert_eq!(all.total.get(), 0);
    }

    #[tokio::test]
    async fn a_body_is_bounded_by_itself_and_by_the_others() {
        let all = Unfinished::new(100_000);
        let mut share = all.share();
        let body = |length: usize| http_body_util::Full::new(Bytes::from(vec![b'x'; length]));
        assert_eq!(collect(body(50), 50, &mut share).await.unwrap().len(), 50);
        assert_eq!(collect(body(51), 50, &mut share).await, Err(Refused::TooLong));
        let mut other = all.share();
        other.set(99_000).unwrap();
        assert_eq!(collect(body(20_000), 50_000, &mut share).await, Err(Refused::Full));
        assert_eq!(collect(body(50), 50, &mut share).await.unwrap().len(), 50);
    }
}
