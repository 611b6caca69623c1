//! What users are promised, shown through the public interface.

mod calls;
mod cancel;
mod demo;
mod duplex;
mod errors;
mod shutdown;
mod skew;
mod threads;
mod times;
mod transports;
