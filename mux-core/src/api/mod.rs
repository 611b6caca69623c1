//! What users name that has no machinery: errors, settings, descriptors, peers.

pub(crate) mod channel_error;
pub(crate) mod config;
pub(crate) mod descriptor;
pub(crate) mod error;
pub(crate) mod peer;
#[cfg(feature = "serde")]
pub(crate) mod written_time;
