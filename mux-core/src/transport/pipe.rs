//! Pipes of the operating system between two ends.

use crate::threads::blocking;
use std::io;
use tokio::io::Join;
use tokio::net::unix::pipe::{self, Receiver, Sender};

/// A stream of two pipes, one for each direction.
pub type PipeStream = Join<Receiver, Sender>;

/// Two streams connected by two pipes of the operating system.
///
/// ```
/// # use mux_core as mux;
/// # #[tokio::main] async fn main() -> std::io::Result<()> {
/// let (here, there) = mux::pipe_pair()?;
/// let asking = mux::Connection::builder().open(here);
/// let answering = mux::Connection::builder().accept(there);
/// # drop((asking, answering));
/// # Ok(()) }
/// ```
///
/// # Errors
/// When the system gives no more pipes, or the runtime was built without I/O.
///
/// # Panics
/// Outside a tokio runtime.
pub fn pipe_pair() -> io::Result<(PipeStream, PipeStream)> {
    blocking::here();
    blocking::io()?;
    let (there_out, here_in) = pipe::pipe()?;
    let (here_out, there_in) = pipe::pipe()?;
    Ok((tokio::io::join(here_in, here_out), tokio::io::join(there_in, there_out)))
}
