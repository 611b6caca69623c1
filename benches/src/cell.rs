//! One peer at one level, measured once: a fresh server and a fresh client, each a process.

use std::time::Duration;

use crate::Result;
use crate::address::{Address, Transport};
use crate::child::Child;
use crate::comparison::Comparison;
use crate::processor;
use crate::program::Program;
use crate::round::Plan;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell<C: Comparison> {
    pub peer: &'static str,
    pub transport: Transport,
    pub level: C::Level,
}

/// Beyond the time that is measured: to start, to connect, and to end.
const SLACK: Duration = Duration::from_secs(15);

impl<C: Comparison> Cell<C> {
    /// `nth` tells the addresses of this run apart.
    pub fn measure(self, plan: &Plan<C>, nth: usize) -> Result<C::Sample> {
        let address = Address::fresh(self.transport, nth)?;
        let outcome = self.measure_at(&address, plan);
        address.remove();
        outcome
    }

    fn measure_at(self, address: &Address, plan: &Plan<C>) -> Result<C::Sample> {
        let program = if C::counts_heap(self.level) { Program::Counting } else { Program::Plain };
        let pin = if plan.is_on_one_processor(self.level) { processor::last() } else { None };
        let pin = pin.map(|processor| processor.to_string());
        let words = |command: &str| {
            [C::NAME, command, self.peer, &address.to_string(), &self.level.to_string()].map(str::to_owned)
        };
        let mut serve = words("serve").to_vec();
        serve.extend(pin.clone());
        let mut ask = words("ask").to_vec();
        ask.extend([plan.warm_up, plan.measured].map(|time| time.as_secs_f64().to_string()));
        ask.extend(pin);
        let _server = Child::start(program, &serve)?;
        Child::start(program, &ask)?.output_within(plan.warm_up + plan.measured + SLACK)?.parse()
    }
}
