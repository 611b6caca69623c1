//! One peer at one level, measured once: a fresh server and a fresh client, each a process.

use std::time::Duration;

use crate::Result;
use crate::address::Address;
use crate::child::Child;
use crate::peers::PeerName;
use crate::processor;
use crate::round::Plan;
use crate::sample::Sample;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub peer: PeerName,
    pub in_flight: u64,
}

/// Beyond the time that is measured: to start, to connect, and to end.
const SLACK: Duration = Duration::from_secs(15);

impl Cell {
    /// `nth` tells the addresses of this run apart.
    pub fn measure(self, plan: &Plan, nth: usize) -> Result<Sample> {
        let address = if plan.tcp { Address::fresh_tcp()? } else { Address::fresh_unix(nth) };
        let outcome = self.measure_at(&address, plan);
        address.remove();
        outcome
    }

    fn measure_at(self, address: &Address, plan: &Plan) -> Result<Sample> {
        let pin = if self.is_on_one_processor() { processor::last() } else { None };
        let pin = pin.map(|processor| processor.to_string());
        let mut serve = vec!["serve".into(), self.peer.to_string(), address.to_string()];
        serve.extend(pin.clone());
        let mut ask =
            vec!["ask".into(), self.peer.to_string(), address.to_string(), self.in_flight.to_string()];
        ask.extend([plan.warm_up, plan.measured].map(|time| time.as_secs_f64().to_string()));
        ask.extend(pin);
        let _server = Child::start(&serve)?;
        Child::start(&ask)?.output_within(plan.warm_up + plan.measured + SLACK)?.parse()
    }

    /// With one call in flight one of two processes always sleeps: on two processors that measures how fast an idle
    /// processor wakes, which under a hypervisor says nothing about the peer.
    pub fn is_on_one_processor(self) -> bool {
        self.in_flight == 1
    }
}
