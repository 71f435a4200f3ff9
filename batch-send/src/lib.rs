//! Sends on many sockets by one system call, where the kernel has io_uring.
//!
//! A send of its own for each of a thousand sockets enters the kernel a thousand times. A crate of its
//! own, since io_uring can't be used without unsafe code and the server has none: here is the only
//! line of it, with what makes it sound. `docs/PERFORMANCE.md` has what it gains.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::Ring;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::Ring;
