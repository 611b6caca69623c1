//! Ways to another program: what servers and clients need of a transport, and the transports that come with the crate.

mod address;
#[cfg(feature = "process")]
pub(crate) mod child;
mod connector;
mod happy_eyeballs;
mod identify;
mod listener;
mod memory;
#[cfg(unix)]
mod pipe;
#[cfg(any(target_os = "android", target_os = "linux"))]
mod read_interest;
#[cfg(unix)]
mod stdio;
pub(crate) mod tcp;
#[cfg(unix)]
pub(crate) mod unix;

pub use address::{Address, AddressError, ConnectError};
pub use connector::Connector;
pub(crate) use identify::{is_same_user, peer_of};
pub use listener::{Incoming, Listener};
pub use memory::pair;
#[cfg(unix)]
pub use pipe::{PipeStream, pipe_pair};
#[cfg(unix)]
pub use stdio::{StdioStream, stdio};
