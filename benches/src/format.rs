//! The codecs with which tarpc's peers are measured.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_serde::{Deserializer, Serializer, formats};

pub trait Format: 'static {
    type Codec<In: DeserializeOwned + Send, Out: Serialize + Send>: Default
        + Send
        + Deserializer<In, Error = io::Error>
        + Serializer<Out, Error = io::Error>;
}

/// As `tokio-serde` writes it: without field names.
pub struct MessagePack;

impl Format for MessagePack {
    type Codec<In: DeserializeOwned + Send, Out: Serialize + Send> = formats::MessagePack<In, Out>;
}

pub struct Bincode;

impl Format for Bincode {
    type Codec<In: DeserializeOwned + Send, Out: Serialize + Send> = formats::Bincode<In, Out>;
}
