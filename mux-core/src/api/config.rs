//! What a user may set: limits, times, and where blocking methods run.

/// A sender waits when so much waits here, by what it will spend.
pub(crate) const HIGH: usize = 64 << 10;

#[cfg(feature = "serde")]
use crate::api::written_time;
use mux_proto::session::MOST_OPEN;
use mux_proto::wire::frame::ENVELOPE;
use mux_proto::wire::settings::{MAX_SERVICES, SMALL, Settings};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What this end allows its peer. The peer is told all but `max_unsent`, and a peer that oversteps is closed, so these
/// bound what one connection can have this end hold of what it sends: [`most_held`](Limits::most_held) says how much that
/// is. They do not bound what the methods make of it: a decoded body is larger than its bytes (see `max_message`), and the
/// answers of handlers that have begun come on top of `max_unsent`.
///
/// Values outside their range are moved to its border. A later version may add a field: write `..Default::default()` after
/// those you set.
///
/// ```
/// # use mux_core as mux;
/// let limits = mux::Limits { max_in_flight: 256, ..Default::default() };
/// assert_eq!(limits.max_message, 4 << 20);
/// ```
///
/// With the feature `serde`, limits, [`Timeouts`] and [`Workers`] can be kept in files. What is left out has its default, a
/// key that is not known is an error, and times are texts such as `"250ms"`, `"1m 30s"` or `"forever"`.
/// `examples/settings.toml` has all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize), serde(default, deny_unknown_fields))]
pub struct Limits {
    /// Largest body of a request, reply or item, in bytes: 64 KiB or more. Default 4 MiB.
    ///
    /// A body grows when it is decoded, by what its types take. An element of a `Vec<T>` is one byte on the wire at
    /// least, where it is nil or an empty string, list or map, and `size_of::<T>()` bytes in memory. So a `Vec<String>` takes
    /// up to 24 times its bytes, measured with 16 MiB of empty strings: 401 MiB; a `Vec<HashMap<_, _>>` 48 times, and a
    /// `Vec<Option<[u64; 32]>>` 264 times. While a vector grows, an allocator that cannot enlarge it where it lies holds the
    /// old one beside the new: up to three times as much in all. The growth is serde's and `Vec`'s, and nothing counts it
    /// while it happens. What bounds it is this limit for one message, and for one connection `max_buffered` and 16 KiB for
    /// each of `max_in_flight`, times the factor. If methods take vectors of large elements from peers that are not
    /// trusted, choose 1 MiB or less here.
    ///
    /// What has more than 16,384 values is decoded on threads of the process that do nothing else, one for each
    /// processor, and no thread of a runtime is held up by it. 64 bytes of text count as a value, and so does binary of any
    /// length that is copied or shared as one. A peer may send binary where a method takes a vector of numbers, which reads it
    /// one by one: there 16 bytes of it count as a value. Which of these a method does, its answers or the items of a type, is
    /// learnt from what it has decoded. Until then binary counts as numbers, and again from then on when it was read one by one
    /// a single time. So where a peer can send both to a method, it can hold up the runtime's thread once for the process, for a
    /// MiB about 40 ms in a debug build and 2 ms in a release build. Where the system has no thread left, what is large is
    /// decoded where it would be otherwise.
    pub max_message: usize,
    /// Requests of the peer that may wait for their answer at once, 16 or more. Default 1024.
    pub max_in_flight: u32,
    /// Sum of the messages over 16 KiB that may be on their way here at once, in bytes: of requests until they are
    /// answered, and apart from these of replies and items until they have come; `max_message` or more. Further
    /// ones wait at the other end. Default 16 MiB.
    pub max_buffered: usize,
    /// Items of one channel that may wait for their receiver, in bytes; also notifies that wait for their handlers, in
    /// bytes of their arguments and meta, and 256 for each. 16 KiB or more. Default 256 KiB.
    pub window: usize,
    /// Sum of the items that take more than half a `window` each and that nobody has taken yet, of all channels, in
    /// bytes: 64 KiB or more. Further ones wait at the other end; one of up to `max_message` may come where there is
    /// none other. Default 32 MiB.
    pub max_unread: usize,
    /// Channels that the peer may have open at once: until the sender has ended, and the receiver has taken all or is
    /// gone. Default 256.
    pub max_channels: u32,
    /// Answers that are ready and that the peer has not read, in bytes. Beyond it no further request begins; those that
    /// run go on, and their answers come on top. Default 16 MiB.
    pub max_unsent: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_message: 4 << 20,
            max_in_flight: 1024,
            max_buffered: 16 << 20,
            window: 256 << 10,
            max_unread: 32 << 20,
            max_channels: 256,
            max_unsent: 16 << 20,
        }
    }
}

impl Limits {
    /// What one connection can have this end hold at once of what it sends, and of what it leaves unread, in bytes. Each
    /// limit is taken at its most, which no peer in good faith comes near. Not counted are what bodies grow to as they are
    /// decoded, and the answers of handlers that had begun when `max_unsent` was reached.
    ///
    /// ```
    /// # use mux_core as mux;
    /// let small = mux::Limits { max_in_flight: 64, max_channels: 16, max_unread: 1 << 20, ..Default::default() };
    /// assert!(small.most_held() < mux::Limits::default().most_held() / 2);
    /// ```
    pub fn most_held(&self) -> usize {
        let told = self.settings(Vec::new());
        let sums = [
            // Requests in one frame each, with their meta.
            told.max_in_flight.saturating_mul(SMALL as u64 + ENVELOPE as u64),
            // Larger ones; and replies and items that are on their way.
            told.max_buffered.saturating_mul(2),
            // Notifies, the last of which may be large.
            told.window.saturating_add(told.max_message),
            // Items, small ones and large ones.
            told.max_channels.saturating_mul(told.window),
            told.max_unread.max(told.max_message),
            // Answers that are not read, and what streams have ready.
            self.max_unsent as u64,
            told.max_channels.max(MOST_OPEN).saturating_mul(HIGH as u64),
            // The hello's names, and the buffers for what is read and written.
            3 * ENVELOPE as u64 + told.max_frame,
        ];
        sums.into_iter().fold(0, u64::saturating_add).try_into().unwrap_or(usize::MAX)
    }

    /// The settings that HELLO tells.
    pub(crate) fn settings(&self, mut services: Vec<(String, u64)>) -> Settings {
        // Further ones are served all the same.
        services.truncate(MAX_SERVICES);
        let floor = Settings::FLOOR;
        let max_message = (self.max_message as u64).max(floor.max_message);
        Settings {
            max_frame: 128 << 10,
            max_inline: floor.max_inline,
            max_message,
            max_in_flight: u64::from(self.max_in_flight).max(floor.max_in_flight),
            max_buffered: (self.max_buffered as u64).max(max_message),
            window: (self.window as u64).max(floor.window),
            max_unread: (self.max_unread as u64).max(floor.max_unread),
            max_channels: self.max_channels.into(),
            services,
        }
    }
}

/// How long this end waits for its peer. `Duration::MAX` is for ever. A later version may add a field: write
/// `..Default::default()` after those you set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize), serde(default, deny_unknown_fields))]
pub struct Timeouts {
    /// To connect, or for a transport's handshake at a server, and again for the peer's hello. Default 10 s.
    #[cfg_attr(feature = "serde", serde(with = "written_time"))]
    pub handshake: Duration,
    /// Silence after which the peer is pinged. Default 15 s.
    #[cfg_attr(feature = "serde", serde(with = "written_time"))]
    pub ping_after: Duration,
    /// Further silence after which it is taken for dead. Default 30 s.
    #[cfg_attr(feature = "serde", serde(with = "written_time"))]
    pub dead_after: Duration,
    /// For a write to make progress. Default 30 s.
    #[cfg_attr(feature = "serde", serde(with = "written_time"))]
    pub write_stall: Duration,
    /// For channels that are open while a connection drains; then they are ended. Default 5 s.
    #[cfg_attr(feature = "serde", serde(with = "written_time"))]
    pub channel_grace: Duration,
    /// Without a call, notify or open channel of either end; then the connection is drained and closed, at the latest a
    /// quarter of this time later. Pings do not count. Default `Duration::MAX`: it stays open.
    ///
    /// A call that crosses the drain is told that it did not run. A notify that crosses it is lost, although its caller was
    /// told `Ok`: it has no answer that could tell.
    #[cfg_attr(feature = "serde", serde(with = "written_time"))]
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            handshake: Duration::from_secs(10),
            ping_after: Duration::from_secs(15),
            dead_after: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            channel_grace: Duration::from_secs(5),
            idle: Duration::MAX,
        }
    }
}

/// As good as for ever, and addable to any instant.
pub(crate) const ENDLESS: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Timeouts {
    /// The same times, where the clock can tell them.
    pub(crate) fn tellable(&self) -> Timeouts {
        Timeouts {
            handshake: self.handshake.min(ENDLESS),
            ping_after: self.ping_after.min(ENDLESS),
            dead_after: self.dead_after.min(ENDLESS),
            write_stall: self.write_stall.min(ENDLESS),
            channel_grace: self.channel_grace.min(ENDLESS),
            idle: self.idle.min(ENDLESS),
        }
    }
}

/// On which threads the plain `fn` methods run. They are threads of mux's own: a runtime's blocking
/// pool is bounded and shared, and calls nested in it deadlock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Workers {
    /// A thread for each call that finds none idle, within one bound for the whole process: 256 that run, and 256 more
    /// whose methods wait for a call or a channel of mux. Beyond it up to 4,096 calls queue, and further ones are
    /// refused as [`Overloaded`](crate::Refusal::Overloaded); so are those in the queue when every thread waits, as
    /// they may be what the threads wait for. A call leaves the queue when it is cancelled or its time is over.
    #[default]
    OnDemand,
    /// So many threads, one at least; up to 4,096 further calls queue. A method that waits for a call which
    /// needs a thread of the same pool can wait for ever: see [`OnDemand`](Workers::OnDemand).
    Pool(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_names_no_more_services_than_a_peer_takes() {
        let services = |count: usize| (0..count).map(|at| (at.to_string(), 7)).collect();
        let named = |count| Limits::default().settings(services(count)).services.len();
        assert_eq!([named(3), named(MAX_SERVICES), named(MAX_SERVICES + 1)], [3, MAX_SERVICES, MAX_SERVICES]);
    }
}
