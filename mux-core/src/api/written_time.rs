//! Times as they are written in files: `"1m 30s"`, `"forever"`.

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};
use std::fmt;
use std::time::Duration;

const FOREVER: &str = "forever";

pub(crate) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    match *time {
        Duration::MAX => serializer.serialize_str(FOREVER),
        time => serializer.collect_str(&humantime::format_duration(time)),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(TimeVisitor)
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a time, such as \"250ms\", \"1m 30s\" or \"{FOREVER}\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        if text == FOREVER {
            return Ok(Duration::MAX);
        }
        humantime::parse_duration(text).map_err(|error| E::custom(format_args!("{text:?}: {error}")))
    }
}
