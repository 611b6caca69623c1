//! Bounds the handlers that outlive their connection, over all connections of a builder.

use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// Handlers at once, unless told otherwise: those of eight connections, as the default window lets a peer have about a
/// thousand small notifies at work.
pub(crate) const MAX_DETACHED: usize = 8192;

/// What one handler may hold of its message before it counts once more: the largest message of one frame.
const SHARE: usize = 16 << 10;

/// Counts handlers that a closed connection does not stop: those of notifies and of detached methods.
#[derive(Debug)]
pub(crate) struct DetachedHandlers {
    free: Arc<Semaphore>,
    max: u32,
}

/// Held by a handler until it ends.
pub(crate) type Place = OwnedSemaphorePermit;

impl DetachedHandlers {
    pub(crate) fn new(max: usize) -> DetachedHandlers {
        let max = u32::try_from(max.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        DetachedHandlers { free: Arc::new(Semaphore::new(max as usize)), max }
    }

    /// A place for the handler of a message of `size` bytes, if there is one now and nobody waits for it.
    pub(crate) fn try_admit(&self, size: usize) -> Option<Place> {
        Arc::clone(&self.free).try_acquire_many_owned(self.weight(size)).ok()
    }

    /// A place, as soon as there is one; those who wait get theirs in turn.
    ///
    /// Cancel safe: dropped, it has taken no place.
    pub(crate) async fn admit(&self, size: usize) -> Place {
        let admitted = Arc::clone(&self.free).acquire_many_owned(self.weight(size)).await;
        admitted.expect("nobody closes this semaphore")
    }

    /// One of any size finds room where no other handler runs.
    fn weight(&self, size: usize) -> u32 {
        u32::try_from(1 + size / SHARE).unwrap_or(u32::MAX).min(self.max)
    }
}

impl Default for DetachedHandlers {
    fn default() -> DetachedHandlers {
        DetachedHandlers::new(MAX_DETACHED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_once_more_for_each_16_kib() {
        let handlers = DetachedHandlers::new(4);
        let places = [0, SHARE - 1, SHARE].map(|size| handlers.try_admit(size));
        assert!(places.iter().all(Option::is_some));
        assert!(handlers.try_admit(0).is_none());
        let [first, ..] = places;
        drop(first);
        assert!(handlers.try_admit(0).is_some());
    }

    #[test]
    fn one_of_any_size_runs_alone() {
        for max in [0, 1, 4, usize::MAX] {
            let handlers = DetachedHandlers::new(max);
            let alone = handlers.try_admit(usize::MAX);
            assert!(alone.is_some());
            assert!(handlers.try_admit(0).is_none());
        }
    }
}
