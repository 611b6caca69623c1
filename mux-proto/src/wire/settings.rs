//! HELLO: the first frame of each side. Its settings limit what the other side may send.

use crate::wire::cursor::Input;
use crate::wire::frame::{BadFrame, ENVELOPE};
use crate::wire::xid::Side;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rmp::encode as write;

/// The floor of `max_inline`: every peer takes a body of so many bytes whole. Longer ones are large, and
/// count towards `max_buffered`.
pub const SMALL: usize = 16 << 10;

/// Services that a HELLO may name: they are kept as long as the connection.
pub const MAX_SERVICES: usize = 1024;

/// The protocol's version.
pub(crate) const VERSION: u32 = 1;

/// The first frame of each side.
#[derive(Clone, Debug, PartialEq)]
pub struct Hello {
    pub version: u32,
    pub side: Side,
    pub settings: Settings,
}

/// What the sender of a HELLO allows its peer. Bytes, unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Largest frame that carries a part of a message.
    pub max_frame: u64,
    /// Largest message that may travel as one frame; the envelope apart.
    pub max_inline: u64,
    /// Largest body of a message; the envelope apart.
    pub max_message: u64,
    /// Requests that may wait for their answer at once.
    pub max_in_flight: u64,
    /// Large messages that may be under way at once, in sum: of requests until they are answered, of all
    /// others until they have come whole. Questions and answers are counted apart.
    pub max_buffered: u64,
    /// Credit a channel starts with; also that of notifies.
    pub window: u64,
    /// Items that cost more than half a window and that nobody has taken yet, in sum.
    pub max_unread: u64,
    /// Channels open at once.
    pub max_channels: u64,
    /// Name and fingerprint of each service that the sender serves.
    pub services: Vec<(String, u64)>,
}

impl Settings {
    /// What holds until a HELLO says more, and what a missing setting means.
    pub const FLOOR: Settings = Settings {
        max_frame: 16 << 10,
        max_inline: SMALL as u64,
        max_message: 64 << 10,
        max_in_flight: 16,
        max_buffered: 64 << 10,
        window: 16 << 10,
        max_unread: 64 << 10,
        max_channels: 0,
        services: Vec::new(),
    };

    /// The longest frame that may come, in bytes: a whole message or a chunk.
    pub fn longest_frame(&self) -> usize {
        self.max_inline.max(self.max_frame) as usize + ENVELOPE
    }

    /// The numbers by their names on the wire, beside their floors.
    fn numbers(&self) -> [(&'static str, u64); 8] {
        [
            ("max_frame", self.max_frame),
            ("max_inline", self.max_inline),
            ("max_message", self.max_message),
            ("max_in_flight", self.max_in_flight),
            ("max_buffered", self.max_buffered),
            ("window", self.window),
            ("max_unread", self.max_unread),
            ("max_channels", self.max_channels),
        ]
    }

    fn number_mut(&mut self, name: &str) -> Option<&mut u64> {
        Some(match name {
            "max_frame" => &mut self.max_frame,
            "max_inline" => &mut self.max_inline,
            "max_message" => &mut self.max_message,
            "max_in_flight" => &mut self.max_in_flight,
            "max_buffered" => &mut self.max_buffered,
            "window" => &mut self.window,
            "max_unread" => &mut self.max_unread,
            "max_channels" => &mut self.max_channels,
            _ => return None,
        })
    }

    // Writing to a `Vec` cannot fail.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let numbers = self.numbers();
        let _ = write::write_map_len(out, numbers.len() as u32 + 1);
        for (name, number) in numbers {
            let _ = write::write_str(out, name);
            let _ = write::write_uint(out, number);
        }
        let _ = write::write_str(out, "services");
        let _ = write::write_map_len(out, self.services.len() as u32);
        for (name, fingerprint) in &self.services {
            let _ = write::write_str(out, name);
            let _ = write::write_bin(out, &fingerprint.to_be_bytes());
        }
    }

    pub(crate) fn decode(input: &mut Input<'_>) -> Result<Settings, BadFrame> {
        let mut settings = Settings::FLOOR;
        let mut max_buffered = None;
        for _ in 0..input.map_len("settings")? {
            let name = input.str("setting")?;
            match settings.number_mut(name) {
                Some(_) if name == "max_buffered" => max_buffered = Some(input.uint(name)?),
                Some(number) => *number = input.uint(name)?,
                None if name == "services" => settings.services = decode_services(input)?,
                None => input.skip("unknown setting")?,
            }
        }
        // Its floor is another setting, known when all are read.
        settings.max_buffered = max_buffered.unwrap_or(settings.max_message);
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), BadFrame> {
        let floors = Settings::FLOOR.numbers();
        match self.numbers().iter().zip(floors).find(|((_, number), (_, floor))| number < floor) {
            Some(((name, number), (_, floor))) => {
                Err(BadFrame(format!("{name} of {number} is below the floor of {floor}")))
            }
            None if self.max_buffered < self.max_message => Err(BadFrame(format!(
                "max_buffered of {} is below max_message of {}",
                self.max_buffered, self.max_message
            ))),
            None => Ok(()),
        }
    }
}

fn decode_services(input: &mut Input<'_>) -> Result<Vec<(String, u64)>, BadFrame> {
    let count = input.map_len("services")?;
    if count as usize > MAX_SERVICES {
        return Err(BadFrame(format!("{count} services, where {MAX_SERVICES} may be named")));
    }
    let mut services = Vec::new();
    for _ in 0..count {
        let name = input.str("service name")?.to_owned();
        let fingerprint = input.bin("fingerprint")?.try_into().map(u64::from_be_bytes);
        let fingerprint =
            fingerprint.map_err(|_| BadFrame("a fingerprint that has not 8 bytes".to_owned()))?;
        services.push((name, fingerprint));
    }
    services.shrink_to_fit();
    Ok(services)
}
