//! The network: listeners, connections, frames, answers in request order.
//!
//! Owns: sockets and their limits, the byte budget's use, the order of answers, what is allowed
//! before authentication. Does not own: what a request means (`api`).

mod admission;
mod connection;
mod frame;
#[cfg(test)]
mod frame_tests;
mod listener;
mod peer;
mod session;
mod write;

pub use admission::{Admission, AdmissionConfig, RequestMemory};
pub use connection::ConnectionLimits;
pub use frame::{Frame, FrameKey};
pub use listener::{BoundListener, ListenerContext, OpenConnections, serve};
pub use session::SessionState;
