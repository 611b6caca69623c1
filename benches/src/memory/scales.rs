//! The live bytes of both processes' heaps.

use super::Sample;
use crate::address::Address;
use crate::probe::{self, Probe};
use crate::{Result, heap};

pub struct Scales(Probe);

#[derive(Clone, Copy)]
pub struct Reading {
    asking: i64,
    answering: i64,
}

impl Scales {
    pub fn at(address: &Address) -> Result<Self> {
        Probe::at(address).map(Self)
    }

    pub fn read(&mut self) -> Result<Reading> {
        let answering = self.0.read()?;
        Ok(Reading { asking: heap::live()?, answering })
    }
}

impl Reading {
    pub fn since(self, before: Self, many: u64) -> Sample {
        let each = |after: i64, before: i64| (after - before) as f64 / many as f64;
        Sample { asking: each(self.asking, before.asking), answering: each(self.answering, before.answering) }
    }
}

pub fn offer(address: &Address) -> Result<()> {
    probe::offer(address, heap::live)
}
