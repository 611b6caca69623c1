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

/// Whether an item costs more than half a window. Such an item may begin with half a window left, so that nothing is
/// too large for ever. What it costs counts for the whole connection until it is taken. A channel has one of them unread
/// at most: what it leaves of the credit is less than the next one needs, until it is taken.
pub(crate) fn is_oversize(cost: u64, window: u64) -> bool {
    cost > half(window)
}

/// The credit that has to be left for an item of this cost to begin.
fn needed(cost: u64, window: u64) -> u64 {
    cost.min(half(window))
}

fn half(window: u64) -> u64 {
    window.div_ceil(2)
}

/// The sending end.
#[derive(Debug)]
pub(crate) struct SendCredit {
    window: u64,
    spent: u64,
    allowed: u64,
}

impl SendCredit {
    pub(crate) fn new(window: u64) -> SendCredit {
        SendCredit { window, spent: 0, allowed: window }
    }

    /// Whether an item of this cost may begin, as far as its channel is concerned.
    pub(crate) fn has(&self, cost: u64) -> bool {
        self.spent.saturating_add(needed(cost, self.window)) <= self.allowed
    }

    /// Whether anything is left. A notify of any size may begin then.
    pub(crate) fn has_any(&self) -> bool {
        self.spent < self.allowed
    }

    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    pub(crate) fn is_oversize(&self, cost: u64) -> bool {
        is_oversize(cost, self.window)
    }

    /// Returns all that was spent.
    pub(crate) fn spend(&mut self, cost: u64) -> u64 {
        self.spent = self.spent.saturating_add(cost);
        self.spent
    }

    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// Takes a grant; one below what is allowed already says nothing new.
    pub(crate) fn allow(&mut self, total: u64) {
        self.allowed = self.allowed.max(total);
    }

    /// What the receiver has certainly taken: each grant is a window above that.
    pub(crate) fn taken(&self) -> u64 {
        self.allowed.saturating_sub(self.window)
    }
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct ReceiveCredit {
    window: u64,
    granted: u64,
    arrived: u64,
    consumed: u64,
}

impl ReceiveCredit {
    pub(crate) fn new(window: u64) -> ReceiveCredit {
        ReceiveCredit { window, granted: window, arrived: 0, consumed: 0 }
    }

    /// Counts a notify that arrived; `false` when it was begun without credit.
    pub(crate) fn arrive(&mut self, cost: u64) -> bool {
        let within = self.arrived < self.granted;
        self.arrived = self.arrived.saturating_add(cost);
        within
    }

    /// Counts an item that arrived; `false` when it was begun without credit.
    pub(crate) fn arrive_item(&mut self, cost: u64) -> bool {
        let within = self.arrived.saturating_add(needed(cost, self.window)) <= self.granted;
        self.arrived = self.arrived.saturating_add(cost);
        within
    }

    pub(crate) fn is_oversize(&self, cost: u64) -> bool {
        is_oversize(cost, self.window)
    }

    /// All that arrived until now.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived
    }

    pub(crate) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// All that arrived was consumed.
    pub(crate) fn is_settled(&self) -> bool {
        self.arrived == self.consumed
    }

    /// Counts what was consumed; the new total once half a window can be granted.
    pub(crate) fn consume(&mut self, cost: u64) -> Option<u64> {
        self.consumed = self.consumed.saturating_add(cost);
        let total = self.consumed.saturating_add(self.window);
        let worthwhile = total > self.granted && total - self.granted >= self.window / 2;
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
        let (mut send_credit, mut receive_credit) = (SendCredit::new(100), ReceiveCredit::new(100));
        assert!(send_credit.has(1000));
        send_credit.spend(1000);
        assert!(receive_credit.arrive_item(1000));
        assert!(!send_credit.has(1));
        send_credit.allow(receive_credit.consume(1000).unwrap());
        assert!(send_credit.has(1000));
    }

    #[test]
    fn items_of_up_to_half_a_window_stay_within_it() {
        let mut send_credit = SendCredit::new(100);
        send_credit.spend(51);
        assert!(send_credit.has(49));
        assert!(!send_credit.has(50));
        assert!(!send_credit.has(1000));
    }

    #[test]
    fn one_item_of_more_than_half_a_window_is_unread_at_most() {
        for window in [1, 2, 3, 99, 100, 16 << 10] {
            for before in 0..=window.min(200) {
                let (mut send_credit, mut receive_credit) =
                    (SendCredit::new(window), ReceiveCredit::new(window));
                for part in [before / 2, before - before / 2] {
                    send_credit.spend(part);
                    receive_credit.arrive_item(part);
                }
                let oversize = half(window) + 1;
                assert!(is_oversize(oversize, window));
                if send_credit.has(oversize) {
                    assert!(receive_credit.arrive_item(oversize));
                    send_credit.spend(oversize);
                    send_credit.allow(receive_credit.consume(before).unwrap_or(0));
                    assert!(!send_credit.has(oversize), "{window}, after {before}");
                    send_credit
                        .allow(receive_credit.consume(oversize).expect("its taking is always granted"));
                    assert!(send_credit.has(oversize), "{window}, after {before}");
                    assert_eq!(send_credit.taken(), before + oversize);
                }
            }
        }
    }

    #[test]
    fn starting_without_credit_is_noticed() {
        let mut receive_credit = ReceiveCredit::new(100);
        assert!(receive_credit.arrive(100));
        assert!(!receive_credit.arrive(1));
        let mut receive_credit = ReceiveCredit::new(100);
        assert!(receive_credit.arrive_item(51));
        assert!(!receive_credit.arrive_item(50));
    }

    #[test]
    fn grants_come_in_halves_of_the_window() {
        let mut receive_credit = ReceiveCredit::new(100);
        receive_credit.arrive(100);
        assert_eq!(receive_credit.consume(49), None);
        assert_eq!(receive_credit.consume(1), Some(150));
    }

    #[test]
    fn no_window_and_no_grant_overflows() {
        for window in [0, 1, u64::MAX - 1, u64::MAX] {
            let (mut send_credit, mut receive_credit) = (SendCredit::new(window), ReceiveCredit::new(window));
            for cost in [1, 1 << 40, u64::MAX - 1, u64::MAX] {
                send_credit.allow(u64::MAX);
                send_credit.spend(cost);
                receive_credit.arrive(cost);
                receive_credit.arrive_item(cost);
                receive_credit.consume(cost);
                send_credit.has(cost);
                send_credit.taken();
            }
        }
    }
}
