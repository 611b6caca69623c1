//! Two sessions, whose callers, handlers, clock and network do what the bytes say. Every call ends once, nothing is
//! left, and what did not run was told so.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| mux_proto::tests::storm::run_by(bytes));
