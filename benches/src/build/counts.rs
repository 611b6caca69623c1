//! What can be counted, and so needs no rounds.

use super::workshop::Workshop;
use crate::Result;

/// Differences between a crate of many methods and one of few, for each method.
pub struct Counts {
    /// Lines after the expansion of all macros: the user's own, and what they derive too.
    pub lines: f64,
    /// Lines of LLVM's language, before any optimisation.
    pub intermediate: f64,
    /// Of the optimised program, stripped.
    pub bytes: f64,
    /// Crates that are built for it.
    pub crates: usize,
}

impl Counts {
    pub fn between(small: &Workshop, large: &Workshop) -> Result<Self> {
        let (few, many) = (Measured::of(small)?, Measured::of(large)?);
        let methods = many.methods - few.methods;
        Ok(Self {
            lines: (many.lines - few.lines) / methods,
            intermediate: (many.intermediate - few.intermediate) / methods,
            bytes: (many.bytes - few.bytes) / methods,
            crates: large.crates()?,
        })
    }
}

struct Measured {
    methods: f64,
    lines: f64,
    intermediate: f64,
    bytes: f64,
}

impl Measured {
    fn of(workshop: &Workshop) -> Result<Self> {
        workshop.write()?;
        let size = workshop.fixture.size;
        let lines = |text: &str| text.lines().filter(|line| !line.trim().is_empty()).count() as f64;
        Ok(Self {
            methods: (size.services * size.methods) as f64,
            lines: lines(&workshop.expansion()?),
            intermediate: lines(&workshop.intermediate()?),
            bytes: workshop.stripped()? as f64,
        })
    }
}
