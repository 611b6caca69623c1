//! Frames and what they hold, as bytes.

mod cursor;
pub mod fault;
pub mod frame;
pub mod handles;
pub mod meta;
pub mod prefix;
pub mod settings;
pub mod shape;
pub mod xid;
