//! Any text as an address. What is taken is written as it is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mux_core::Address;

fuzz_target!(|text: &str| {
    let Ok(address) = text.parse::<Address>() else { return };
    let written = address.to_string();
    let again: Address = written.parse().unwrap_or_else(|why| panic!("{written:?} of {text:?}: {why}"));
    assert_eq!(again, address, "{written:?}");
});
