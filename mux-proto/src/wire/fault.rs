//! Codes and contents of faults and goodbyes: why a transaction has no value, and why a connection ends.

use alloc::string::String;
use alloc::vec::Vec;
/// Why a transaction has no value, as it travels. Below 32 the call did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultCode {
    UnknownMethod,
    InvalidArgs,
    Overloaded,
    Draining,
    TooLarge,
    Unsupported,
    Unauthenticated,
    App,
    Failed,
    Panicked,
    Cancelled,
    TimedOut,
    Unencodable,
    ReplyTooLarge,
    /// A code of a later version: read by its range.
    Other(u32),
}

impl FaultCode {
    const RAN: u32 = 32;

    const KNOWN: [(u32, FaultCode); 14] = [
        (1, FaultCode::UnknownMethod),
        (2, FaultCode::InvalidArgs),
        (3, FaultCode::Overloaded),
        (4, FaultCode::Draining),
        (5, FaultCode::TooLarge),
        (6, FaultCode::Unsupported),
        (7, FaultCode::Unauthenticated),
        (32, FaultCode::App),
        (33, FaultCode::Failed),
        (34, FaultCode::Panicked),
        (35, FaultCode::Cancelled),
        (36, FaultCode::TimedOut),
        (37, FaultCode::Unencodable),
        (38, FaultCode::ReplyTooLarge),
    ];

    pub(crate) fn from_wire(number: u32) -> FaultCode {
        let known = Self::KNOWN.iter().find(|(n, _)| *n == number);
        known.map_or(FaultCode::Other(number), |(_, code)| *code)
    }

    pub fn to_wire(self) -> u32 {
        match self {
            FaultCode::Other(number) => number,
            known => Self::KNOWN.iter().find(|(_, code)| *code == known).map_or(0, |(n, _)| *n),
        }
    }

    pub fn did_not_run(self) -> bool {
        self.to_wire() < Self::RAN
    }
}

/// A fault with all that travels of it. `detail` is MessagePack or empty (nil on the wire).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: FaultCode,
    pub message: String,
    pub detail: Vec<u8>,
}

impl Fault {
    pub fn new(code: FaultCode, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into(), detail: Vec::new() }
    }
}

/// Why an end says GOAWAY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoawayCode {
    /// Takes no new requests, finishes what runs.
    Draining,
    /// Closed in good order.
    Closed,
    /// The peer broke the protocol.
    Protocol,
    /// The peer speaks another version.
    Version,
    /// Silence, a slow handshake or a stalled write.
    Timeout,
    /// A code of a later version: taken as a close.
    Other(u32),
}

impl GoawayCode {
    pub(crate) fn from_wire(number: u32) -> GoawayCode {
        match number {
            0 => GoawayCode::Draining,
            1 => GoawayCode::Closed,
            2 => GoawayCode::Protocol,
            3 => GoawayCode::Version,
            4 => GoawayCode::Timeout,
            other => GoawayCode::Other(other),
        }
    }

    pub(crate) fn to_wire(self) -> u32 {
        match self {
            GoawayCode::Draining => 0,
            GoawayCode::Closed => 1,
            GoawayCode::Protocol => 2,
            GoawayCode::Version => 3,
            GoawayCode::Timeout => 4,
            GoawayCode::Other(number) => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_code_survives_the_wire() {
        for number in 0..100 {
            assert_eq!(FaultCode::from_wire(number).to_wire(), number);
        }
    }

    #[test]
    fn unknown_codes_are_read_by_their_range() {
        assert!(FaultCode::from_wire(31).did_not_run());
        assert!(!FaultCode::from_wire(32).did_not_run());
        assert!(!FaultCode::from_wire(99).did_not_run());
    }
}
