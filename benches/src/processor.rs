//! Keeping a process on one processor.

use core_affinity::CoreId;

use crate::Result;

/// The number that the system gives a processor.
pub type Processor = usize;

/// Call it before any other thread is started: they inherit it.
pub fn pin(processor: Option<Processor>) -> Result<()> {
    match processor {
        Some(id) if !core_affinity::set_for_current(CoreId { id }) => {
            Err(format!("cannot stay on processor {id}").into())
        }
        _ => Ok(()),
    }
}

/// The last one: interrupts tend to go to the first.
pub fn last() -> Option<Processor> {
    core_affinity::get_core_ids()?.last().map(|core| core.id)
}
