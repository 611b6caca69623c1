//! Channels as values: a pair of halves, either of which may go to the peer in an argument, a result, or an item
//! of another channel.

mod decoder;
mod encoded;
mod encoder;
mod local;
mod receiver;
mod relay;
mod sender;
mod travel;

pub use crate::api::channel_error::{ChannelError, Never, SendError, TrySendError};
pub use encoded::{Encoded, EncodedError};
pub use receiver::{Iter, Receiver};
pub use sender::Sender;

use local::Local;
use std::sync::Arc;

/// A channel within this process. Either half may be sent away: as an argument or a result of a method,
/// as an item of another channel, or as a field of one. Then items cross the connection.
///
/// Items that wait are bounded: 256 within a process; over a connection, the bytes that the receiving end allows
/// ([`Limits::window`](crate::Limits::window)) and a little more at the sending end.
///
/// ```
/// # use mux_core as mux;
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut numbers, mut received) = mux::channel::<u32>();
/// numbers.send(1).await?;
/// numbers.finish();
/// assert_eq!(received.recv().await?, Some(1));
/// assert_eq!(received.recv().await?, None);
/// # Ok(()) }
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    channel_with_error()
}

/// A [`channel`] whose sender may end it by an error of its own, [`Sender::fail`].
///
/// ```
/// # use mux_core as mux;
/// use mux::ChannelError;
///
/// # #[tokio::main] async fn main() {
/// let (lines, mut read) = mux::channel_with_error::<String, u32>();
/// lines.fail(404);
/// assert_eq!(read.recv().await, Err(ChannelError::App(404)));
/// # }
/// ```
pub fn channel_with_error<T, E>() -> (Sender<T, E>, Receiver<T, E>) {
    let local = Arc::new(Local::new());
    (Sender::local(Arc::clone(&local)), Receiver::local(local))
}
