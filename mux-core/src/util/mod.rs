//! What every part may use, and what knows no other part.

pub(crate) mod budget;
pub(crate) mod buffer;
pub(crate) mod escaped;
pub(crate) mod per_process;
pub(crate) mod pool;
pub(crate) mod sync;
pub(crate) mod trace;
