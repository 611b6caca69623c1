//! What users are promised, shown through the public interface.

#![allow(clippy::unwrap_used)] // a test may

mod alone;
mod backtraces;
mod binary;
mod by_itself;
mod calls;
mod cancel;
mod channels;
mod decoding;
mod demo;
mod detached;
mod dispatch;
mod duplex;
mod errors;
mod failures;
mod fairness;
#[cfg(unix)]
mod forks;
mod hostile_channels;
mod hostile_chunks;
mod hostile_fuzz;
mod hostile_peer;
mod hostile_text;
mod large;
mod limits;
mod nested;
mod notifies;
mod own_transport;
mod places;
mod resources;
mod script;
mod settings;
mod shutdown;
mod skew;
mod stdio;
mod strangers;
mod threads;
mod times;
mod transports;
mod untyped;
mod values;
mod victim;
mod workers;
