//! Threads of mux's own: those that wait, those that run what blocks, those that decode.

pub(crate) mod background;
pub(crate) mod blocking;
pub(crate) mod decoders;
pub(crate) mod panic;
pub(crate) mod turns;
pub(crate) mod workers;
