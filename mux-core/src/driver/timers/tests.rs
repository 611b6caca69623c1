//! Each of the times by itself, on a clock that is only counted.

use super::*;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const ABIT: Duration = Duration::from_nanos(1);

const LIVELY: Seen = Seen { greeted: true, idle_after: None };
const UNGREETED: Seen = Seen { greeted: false, idle_after: None };

fn idle_after(calls: u64) -> Seen {
    Seen { greeted: true, idle_after: Some(calls) }
}

/// Timers, and the time at which they began.
struct Clock {
    timers: Timers,
    begun: Instant,
}

/// The defaults, whose times are handshake 10 s, ping 15 s, dead 30 s, stall 30 s, and grace of channels 5 s.
fn begin() -> Clock {
    begin_with(|_| ())
}

fn begin_with(change: impl FnOnce(&mut Timeouts)) -> Clock {
    let mut timeouts = Timeouts::default();
    change(&mut timeouts);
    let begun = Instant::now();
    Clock { timers: Timers::new(timeouts.tellable(), begun), begun }
}

impl Clock {
    fn at(&self, time: Duration) -> Instant {
        self.begun + time
    }

    /// What is due then.
    fn due(&mut self, time: Duration, seen: Seen) -> Vec<Due> {
        let now = self.at(time);
        self.timers.due(now, seen)
    }

    /// When the alarm is set for, as seen then.
    fn next(&self, time: Duration) -> Duration {
        self.timers.next(self.at(time)) - self.begun
    }

    fn read(&mut self, time: Duration) -> Option<Duration> {
        let now = self.at(time);
        self.timers.read(now).map(|at| at - self.begun)
    }

    fn blocked(&mut self, time: Duration, has_moved: bool) -> Option<Duration> {
        let now = self.at(time);
        self.timers.blocked(now, has_moved).map(|at| at - self.begun)
    }
}

#[test]
fn a_peer_that_sends_no_hello_in_time_is_left() {
    let mut clock = begin();
    assert_eq!(clock.due(s(10) - ABIT, UNGREETED), [Due::Trim, Due::Expire]);
    assert_eq!(clock.next(s(9)), s(10));
    assert_eq!(clock.due(s(10), UNGREETED), [Due::HandshakeTimeout]);
    assert_eq!(begin().due(s(10), LIVELY), [Due::Trim, Due::Expire], "one that has sent it is not");
    assert_eq!(clock.next(s(10)), s(15), "and nobody is woken for it again");
}

#[test]
fn a_silent_peer_is_pinged_once_and_then_taken_for_dead() {
    let mut clock = begin();
    assert_eq!(clock.due(s(11), LIVELY), [Due::Trim, Due::Expire]);
    assert_eq!(clock.next(s(11)), s(15));
    assert_eq!(clock.due(s(15) - ABIT, LIVELY), [Due::Expire]);
    assert_eq!(clock.due(s(15), LIVELY), [Due::Ping, Due::Expire]);
    assert_eq!(clock.due(s(16), LIVELY), [Due::Expire]);
    assert_eq!(clock.next(s(16)), s(45));
    assert_eq!(clock.due(s(45) - ABIT, LIVELY), [Due::Expire]);
    assert_eq!(clock.due(s(45), LIVELY), [Due::Silent]);
}

#[test]
fn what_is_read_begins_the_silence_anew() {
    let mut clock = begin();
    clock.due(s(15), LIVELY);
    clock.read(s(20));
    assert_eq!(clock.due(s(35) - ABIT, LIVELY), [Due::Trim, Due::Expire]);
    assert_eq!(clock.next(s(34)), s(35));
    assert_eq!(clock.due(s(35), LIVELY), [Due::Ping, Due::Expire], "it is pinged again");
    assert_eq!(clock.due(s(64), LIVELY), [Due::Expire]);
    assert_eq!(clock.due(s(65), LIVELY), [Due::Silent]);
}

#[test]
fn a_write_that_makes_no_progress_ends_the_connection() {
    let mut clock = begin();
    assert_eq!(clock.blocked(s(1), false), Some(s(31)));
    assert_eq!(clock.blocked(s(2), false), None, "it is blocked already");
    clock.read(s(30));
    assert_eq!(clock.next(s(30)), s(31), "what is read does not count");
    assert_eq!(clock.due(s(31) - ABIT, LIVELY), [Due::Expire]);
    assert_eq!(clock.due(s(31), LIVELY), [Due::Trim, Due::WriteStalled]);
}

#[test]
fn a_write_that_makes_progress_has_its_time_anew() {
    let mut clock = begin();
    clock.blocked(s(1), false);
    assert_eq!(clock.blocked(s(20), true), Some(s(50)));
    clock.read(s(40));
    assert_eq!(clock.due(s(50) - ABIT, LIVELY).last(), Some(&Due::Expire));
    assert_eq!(clock.due(s(50), LIVELY), [Due::WriteStalled]);

    let mut clock = begin();
    clock.blocked(s(1), false);
    clock.timers.unblocked();
    clock.read(s(30));
    assert_eq!(clock.next(s(30)), s(31), "that is the trim");
    assert_eq!(clock.due(s(32), LIVELY), [Due::Trim, Due::Expire]);
    assert_eq!(clock.blocked(s(40), false), Some(s(70)), "it counts from when it is blocked again");
}

#[test]
fn channels_that_outlast_a_drain_are_ended_and_counted_anew() {
    let mut clock = begin();
    clock.read(s(2));
    assert_eq!(clock.timers.channels_linger(clock.at(s(2))), Some(clock.at(s(7))));
    assert_eq!(clock.timers.channels_linger(clock.at(s(3))), None, "the time goes on");
    clock.due(s(4), LIVELY);
    assert_eq!(clock.next(s(4)), s(7));
    assert_eq!(clock.due(s(7) - ABIT, LIVELY), [Due::Expire]);
    assert_eq!(clock.due(s(7), LIVELY), [Due::EndChannels, Due::Expire]);
    assert_eq!(clock.due(s(8), LIVELY), [Due::Expire]);
    assert_eq!(clock.timers.channels_linger(clock.at(s(8))), Some(clock.at(s(13))));
    assert_eq!(clock.due(s(13), LIVELY), [Due::EndChannels, Due::Expire]);
}

#[test]
fn buffers_are_given_back_once_after_each_read() {
    let mut clock = begin();
    assert_eq!(clock.next(s(0)), s(1));
    assert_eq!(clock.due(s(1) - ABIT, LIVELY), [Due::Expire]);
    assert_eq!(clock.due(s(1), LIVELY), [Due::Trim, Due::Expire]);
    assert_eq!(clock.due(s(2), LIVELY), [Due::Expire]);
    assert_eq!(clock.read(s(3)), Some(s(4)), "the alarm may be set for later");
    assert_eq!(clock.read(s(3)), None, "it is set for that already");
    assert_eq!(clock.due(s(4), LIVELY), [Due::Trim, Due::Expire]);
}

#[test]
fn a_peer_that_sends_no_more_is_probed_and_not_listened_for() {
    let mut clock = begin();
    let now = clock.at(s(2));
    assert_eq!(clock.timers.half_closed(now), clock.at(s(3)));
    assert_eq!(clock.due(s(3) - ABIT, LIVELY), [Due::Trim, Due::Expire]);
    assert_eq!(clock.due(s(3), LIVELY), [Due::Probe, Due::Expire]);
    assert_eq!(clock.due(s(3), LIVELY), [Due::Expire]);
    assert_eq!(clock.next(s(3)), s(4));
    assert_eq!(clock.due(s(100), LIVELY), [Due::Probe, Due::Expire], "no ping, and it is not silent");
    assert_eq!(clock.blocked(s(100), false), Some(s(130)));
    assert_eq!(clock.due(s(130), LIVELY), [Due::Probe, Due::WriteStalled]);
}

#[test]
fn a_closed_connection_has_a_second_and_no_other_time() {
    let mut clock = begin_with(|timeouts| timeouts.idle = s(1));
    clock.blocked(s(0), false);
    clock.timers.channels_linger(clock.at(s(0)));
    let now = clock.at(s(100));
    assert_eq!(clock.timers.closing(now), clock.at(s(101)));
    assert_eq!(clock.due(s(101) - ABIT, UNGREETED), [Due::Trim]);
    assert_eq!(clock.due(s(101), UNGREETED), [Due::GraceOver]);
    let mut clock = begin();
    clock.timers.closing(clock.at(s(20)));
    clock.due(s(20), LIVELY);
    assert_eq!(clock.next(s(20)), s(21));
}

#[test]
fn a_closed_connection_is_not_woken_for_times_that_count_no_more() {
    let mut clock = begin();
    clock.blocked(s(0), false);
    clock.timers.channels_linger(clock.at(s(25)));
    clock.timers.closing(clock.at(s(30) - ABIT));
    assert_eq!(clock.due(s(30), LIVELY), [Due::Trim]);
    assert_eq!(clock.next(s(30)), s(31) - ABIT);
}

#[test]
fn a_connection_on_which_nobody_calls_drains_and_then_closes() {
    let mut clock = begin_with(|timeouts| timeouts.idle = s(8));
    assert_eq!(clock.due(s(2) - ABIT, idle_after(3)), [Due::Trim, Due::Expire], "a quarter has not gone by");
    assert_eq!(clock.next(s(1)), s(2));
    assert_eq!(clock.due(s(2), idle_after(3)), [Due::Expire], "idle since now, as far as is known");
    assert_eq!(clock.next(s(2)), s(4));
    assert_eq!(clock.due(s(4), idle_after(3)), [Due::Expire]);
    assert!(!clock.timers.drains_for_idleness());
    assert_eq!(clock.due(s(10), idle_after(3)), [Due::Drain, Due::Expire]);
    assert!(clock.timers.drains_for_idleness());
    assert_eq!(clock.due(s(12) - ABIT, idle_after(3)), [Due::Expire]);
    assert_eq!(clock.due(s(12), idle_after(3)), [Due::IdleOver]);
}

#[test]
fn a_call_begins_the_idle_time_anew() {
    let mut clock = begin_with(|timeouts| timeouts.idle = s(8));
    clock.due(s(2), idle_after(3));
    clock.due(s(8), idle_after(4));
    assert_eq!(clock.due(s(10), idle_after(4)), [Due::Expire], "one came and went");
    assert_eq!(clock.due(s(12), LIVELY), [Due::Expire], "one is under way");
    assert_eq!(clock.due(s(14), idle_after(4)), [Due::Expire]);
    clock.read(s(18));
    assert_eq!(clock.due(s(20), idle_after(4)), [Due::Trim, Due::Expire], "what is read is no call");
    assert_eq!(clock.due(s(22), idle_after(4)), [Due::Drain, Due::Expire]);
}

#[test]
fn while_an_idle_connection_drains_it_is_checked_as_often_as_its_channels_have_time() {
    let mut clock = begin_with(|timeouts| timeouts.idle = s(80));
    clock.read(s(10));
    clock.due(s(20), idle_after(0));
    clock.read(s(90));
    assert_eq!(clock.due(s(100), idle_after(0)), [Due::Trim, Due::Drain, Due::Expire]);
    assert_eq!(clock.next(s(100)), s(105));
    assert_eq!(clock.due(s(105), LIVELY), [Due::Ping, Due::Expire], "a call crosses the drain");
    let mut clock = begin_with(|timeouts| timeouts.idle = s(0));
    assert_eq!(clock.due(CHECK - ABIT, idle_after(0)), [Due::Expire]);
    assert_eq!(clock.due(CHECK, idle_after(0)), [Due::Drain, Due::Expire], "no more often than that");
}
