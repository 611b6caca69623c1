//! The runtime of `mux-rpc`: protocol, scheduling and transports. Programs depend on `mux-rpc`,
//! which re-exports all that is public here.

mod background;
mod blocking;
mod body;
mod breather;
mod budget;
mod buffer;
pub mod bytes;
mod channel;
mod config;
mod connection;
mod context;
mod decoders;
mod demux;
mod descriptor;
mod detached;
mod dispatch;
mod driver;
mod error;
mod escaped;
mod evidence;
mod handler;
mod local;
mod mux;
mod panic;
mod peer;
mod per_process;
mod pool;
#[doc(hidden)]
pub mod private;
mod reader;
mod server;
mod shared;
mod shares;
mod stranger;
mod stub;
mod trace;
mod transport;
mod turns;
mod value;
mod workers;
mod writer;
#[cfg(feature = "serde")]
mod written_time;

pub use ::bytes::Bytes;
pub use body::{Fallible, Outcome, Returned};
pub use channel::{
    ChannelError, Iter, Never, Receiver, SendError, Sender, TrySendError, channel, failing_channel,
};
pub use config::{Limits, Times, Workers};
pub use connection::{Builder, Connection};
pub use context::Context;
pub use demux::Service;
pub use descriptor::{ArgDescriptor, Encoding, MethodDescriptor, Placement, ServiceDescriptor};
pub use error::{CallError, CloseReason, Closed, Error, Failure, Refusal, Refused, RemoteError, Result};
pub use futures_core::Stream;
pub use futures_sink::Sink;
pub use mux::{Call, Client, Mux};
pub use peer::{Credentials, Peer};
pub use server::Server;
pub use transport::{Address, AddressError, ConnectError, pair};
#[cfg(unix)]
pub use transport::{PipeStream, StdioStream, pipe_pair, stdio};
