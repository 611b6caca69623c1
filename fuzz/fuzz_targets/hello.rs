//! Any settings in a HELLO. Those that are taken keep the floors, and are read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mux_proto::wire::frame::{Frame, MAX_HELLO};
use mux_proto::wire::prefix::{self, PREFIX};

/// Five fields: the kind, the protocol's name, its version, and the connecting side. The settings follow.
const START: [u8; 8] = [0x95, 0, 0xa3, b'm', b'u', b'x', 1, 0];

fuzz_target!(|settings: &[u8]| {
    let bytes = [&START[..], settings].concat();
    let Ok(Frame::Hello(hello)) = Frame::decode(&bytes) else { return };
    assert!(bytes.len() <= MAX_HELLO);
    assert!(hello.settings.max_buffered >= hello.settings.max_message);
    let mut written = Vec::new();
    prefix::put(&Frame::Hello(hello.clone()), &mut written);
    if written.len() - PREFIX <= MAX_HELLO {
        assert_eq!(Frame::decode(&written[PREFIX..]), Ok(Frame::Hello(hello)));
    }
});
