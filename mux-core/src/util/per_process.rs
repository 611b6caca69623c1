//! A value that each process has for itself: what has threads of its own does not survive a fork.

use std::process;
use std::sync::OnceLock;

/// A value for each process that asks for it. A child of `fork` has the memory of its parent and none of its threads,
/// so it makes one of its own; that of its parent stays untouched, as its locks may be held by threads that are gone.
pub(crate) struct PerProcess<T>(OnceLock<Box<Entry<T>>>);

/// One for each process since the first, the latest last.
struct Entry<T> {
    process: u32,
    value: T,
    next: PerProcess<T>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess(OnceLock::new())
    }

    /// The one of this process.
    pub(crate) fn get(&self) -> Option<&T> {
        let this = process::id();
        self.entries().find(|entry| entry.process == this).map(|entry| &entry.value)
    }

    /// The latest, without asking the system which process this is. In a child that has none yet it is that of its
    /// parent.
    pub(crate) fn latest(&self) -> Option<&T> {
        self.entries().last().map(|entry| &entry.value)
    }

    /// The one of this process, made where there is none.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        match self.get() {
            Some(value) => value,
            None => self.put(make()).unwrap_or_else(|(first, _)| first),
        }
    }

    /// Puts a value in, unless another thread was first: then it is given back with the other's. So it is made
    /// beforehand, and not under a lock, which a child forked meanwhile would find locked for ever.
    pub(crate) fn put(&self, value: T) -> Result<&T, (&T, T)> {
        let process = process::id();
        let mut new = Box::new(Entry { process, value, next: PerProcess::new() });
        let mut place = self;
        loop {
            match place.0.set(new) {
                Ok(()) => break,
                Err(back) => new = back,
            }
            match place.0.get() {
                Some(entry) if entry.process == process => return Err((&entry.value, new.value)),
                Some(entry) => place = &entry.next,
                // Never: who is refused finds it set.
                None => {}
            }
        }
        match place.0.get() {
            Some(entry) => Ok(&entry.value),
            None => unreachable!("it has just been set"),
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        std::iter::successors(self.0.get(), |entry| entry.next.0.get()).map(|entry| &**entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_whoever_makes_it() {
        let cell = PerProcess::new();
        assert_eq!((cell.get(), cell.latest()), (None, None));
        assert_eq!(cell.get_or_make(|| 1), &1);
        assert_eq!(cell.get_or_make(|| unreachable!("there is one")), &1);
        assert_eq!(cell.put(2), Err((&1, 2)));
    }

    #[test]
    fn the_values_of_other_processes_stay_and_are_not_taken_for_its_own() {
        let cell = PerProcess::new();
        let parents = Entry { process: process::id().wrapping_add(1), value: 1, next: PerProcess::new() };
        assert!(cell.0.set(Box::new(parents)).is_ok());
        assert_eq!((cell.get(), cell.latest()), (None, Some(&1)));
        assert_eq!(cell.get_or_make(|| 2), &2);
        assert_eq!((cell.get(), cell.latest()), (Some(&2), Some(&2)));
        assert_eq!(cell.entries().map(|entry| entry.value).collect::<Vec<_>>(), [1, 2]);
    }
}
