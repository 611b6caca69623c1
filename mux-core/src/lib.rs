//! The runtime of `mux-rpc`: protocol, scheduling and transports. Programs depend on `mux-rpc`,
//! which re-exports all that is public here.

mod api;
mod channel;
mod client;
mod context;
mod driver;
mod endpoint;
mod link;
#[doc(hidden)]
pub mod private;
mod serve;
mod threads;
pub mod transport;
mod util;
mod value;

pub use ::bytes::Bytes;
pub use api::config::{Limits, Timeouts, Workers};
pub use api::descriptor::{ArgDescriptor, Encoding, MethodDescriptor, Placement, ServiceDescriptor};
pub use api::error::{CallError, CloseReason, Closed, Error, Failure, Refusal, Refused, RemoteError, Result};
pub use api::peer::{Credentials, Peer};
pub use channel::{
    ChannelError, Encoded, EncodedError, Iter, Never, Receiver, SendError, Sender, TrySendError, channel,
    channel_with_error,
};
pub use client::call::Call;
pub use context::Context;
pub use endpoint::connection::{Connection, ConnectionBuilder};
pub use endpoint::server::Server;
pub use futures_core::Stream;
pub use futures_sink::Sink;
pub use link::handle::Client;
pub use link::handle::Mux;
pub use serve::demux::{Demux, Request};
pub use serve::service::Service;
pub use transport::{Address, AddressError, ConnectError, pair};
#[cfg(unix)]
pub use transport::{PipeStream, StdioStream, pipe_pair, stdio};
pub use value::body::{Fallible, Outcome, Returned};
pub use value::bytes;
