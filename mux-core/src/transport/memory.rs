//! Two ends in one process, without the system in between.

use tokio::io::DuplexStream;

/// Bytes that one direction holds before its writer waits.
const HELD: usize = 64 << 10;

/// Two connected streams in memory. For a narrower or wider one take `tokio::io::duplex` itself.
///
/// ```
/// # use mux_core as mux;
/// # #[tokio::main] async fn main() {
/// let (here, there) = mux::pair();
/// let asking = mux::Connection::builder().open(here);
/// let answering = mux::Connection::builder().accept(there);
/// # drop((asking, answering));
/// # }
/// ```
pub fn pair() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(HELD)
}
