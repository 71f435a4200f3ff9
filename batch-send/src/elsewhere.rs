use std::{convert::Infallible, io, os::fd::BorrowedFd};

/// There is none on this system.
pub struct Ring(Infallible);

impl Ring {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn new() -> io::Result<Ring> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn send(
        &mut self,
        _: &[(BorrowedFd<'_>, &[u8])],
        _: impl FnMut(usize, io::Result<usize>),
    ) -> io::Result<()> {
        match self.0 {}
    }
}
