//! Any bytes as a frame. What is read can be written, and is then read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mux_proto::wire::frame::Frame;
use mux_proto::wire::prefix::{self, PREFIX};

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::decode(bytes) else { return };
    if let Frame::Skipped { .. } = frame {
        return;
    }
    let mut written = Vec::new();
    prefix::put(&frame, &mut written);
    let again = Frame::decode(&written[PREFIX..]).expect("a frame that was written can be read");
    assert_eq!(again, frame);
});
