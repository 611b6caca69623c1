//! Byte credit of one channel, at both of its ends. Totals are absolute, so a lost or repeated grant
//! cannot change their meaning. Notifies spend that of the reserved channel 0.

/// The channel whose credit notifies spend.
pub(crate) const NOTIFIES: u64 = 0;

/// What a notify costs beside its frame: the handler it starts. It bounds how many run at once.
const HANDLER_COST: u64 = 256;

/// What a notify spends of the credit of [`NOTIFIES`].
pub(crate) fn notify_cost(meta: Option<&[u8]>, body_len: usize) -> u64 {
    HANDLER_COST + meta.map_or(0, |meta| meta.len() as u64) + body_len as u64
}

/// The sending end.
#[derive(Debug)]
pub(crate) struct Purse {
    spent: u64,
    allowed: u64,
}

impl Purse {
    pub(crate) fn new(allowed: u64) -> Purse {
        Purse { spent: 0, allowed }
    }

    /// Something of any size may start while anything is left, so nothing is too large for ever.
    pub(crate) fn may_start(&self) -> bool {
        self.spent < self.allowed
    }

    pub(crate) fn spend(&mut self, cost: u64) {
        self.spent += cost;
    }

    /// Takes a grant; one below what is allowed already says nothing new.
    pub(crate) fn allow(&mut self, total: u64) {
        self.allowed = self.allowed.max(total);
    }
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Granter {
    window: u64,
    granted: u64,
    arrived: u64,
    consumed: u64,
}

impl Granter {
    pub(crate) fn new(window: u64) -> Granter {
        Granter { window, granted: window, arrived: 0, consumed: 0 }
    }

    /// Counts what arrived; `false` when it was started without credit.
    pub(crate) fn arrive(&mut self, cost: u64) -> bool {
        let within = self.arrived < self.granted;
        self.arrived += cost;
        within
    }

    /// All that arrived was consumed.
    pub(crate) fn is_settled(&self) -> bool {
        self.arrived == self.consumed
    }

    /// Counts what was consumed; the new total once half a window can be granted.
    pub(crate) fn consume(&mut self, cost: u64) -> Option<u64> {
        self.consumed += cost;
        let total = self.consumed.saturating_add(self.window);
        let worthwhile = total - self.granted >= self.window / 2;
        worthwhile.then(|| {
            self.granted = total;
            total
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_larger_than_the_window_passes_and_the_next_waits() {
        let (mut purse, mut granter) = (Purse::new(100), Granter::new(100));
        assert!(purse.may_start());
        purse.spend(1000);
        assert!(granter.arrive(1000));
        assert!(!purse.may_start());
        purse.allow(granter.consume(1000).unwrap());
        assert!(purse.may_start());
    }

    #[test]
    fn starting_without_credit_is_noticed() {
        let mut granter = Granter::new(100);
        assert!(granter.arrive(100));
        assert!(!granter.arrive(1));
    }

    #[test]
    fn grants_come_in_halves_of_the_window() {
        let mut granter = Granter::new(100);
        granter.arrive(100);
        assert_eq!(granter.consume(49), None);
        assert_eq!(granter.consume(1), Some(150));
    }

    #[test]
    fn credit_of_u64_max_twice_overflows_nothing() {
        let mut purse = Purse::new(10);
        purse.allow(u64::MAX);
        purse.allow(u64::MAX);
        purse.spend(1 << 40);
        assert!(purse.may_start());
    }
}
