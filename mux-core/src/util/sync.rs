//! Locks, atomics and threads for what threads agree on by hand: those of the standard library, or, where it is modelled,
//! those of loom, which runs a model in each order that its threads may come to them.

#[cfg(not(all(test, mux_loom)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread, thread_local,
};

#[cfg(all(test, mux_loom))]
pub(crate) use modelled::{Condvar, Mutex, MutexGuard, atomic, model, thread, thread_local};

#[cfg(all(test, mux_loom))]
mod modelled {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    pub(crate) mod atomic {
        pub(crate) use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

        /// Stores by a swap: loom allows a store to come between the read and the write of another thread's swap.
        #[derive(Debug)]
        pub(crate) struct AtomicBool(loom::sync::atomic::AtomicBool);

        impl AtomicBool {
            pub(crate) fn new(value: bool) -> AtomicBool {
                AtomicBool(loom::sync::atomic::AtomicBool::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> bool {
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: bool, order: Ordering) {
                self.0.swap(value, order);
            }

            pub(crate) fn swap(&self, value: bool, order: Ordering) -> bool {
                self.0.swap(value, order)
            }
        }
    }

    /// Runs a model in each order that takes no more than three preemptions; `LOOM_MAX_PREEMPTIONS` says otherwise.
    pub(crate) fn model(run: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(3));
        builder.check(run);
    }

    /// Loom's own `unpark` also wakes a thread that waits for a lock, so parking is made of a lock here.
    pub(crate) mod thread {
        use super::{Condvar, Mutex, MutexGuard};
        use std::sync::{Arc, PoisonError};

        pub(crate) use loom::thread::{Builder, spawn, yield_now};

        loom::thread_local! {
            static CURRENT: Thread = Thread(Arc::default());
        }

        #[derive(Clone)]
        pub(crate) struct Thread(Arc<Token>);

        #[derive(Default)]
        struct Token {
            is_there: Mutex<bool>,
            changed: Condvar,
        }

        impl Token {
            fn lock(&self) -> MutexGuard<'_, bool> {
                self.is_there.lock().unwrap_or_else(PoisonError::into_inner)
            }
        }

        impl Thread {
            pub(crate) fn unpark(&self) {
                *self.0.lock() = true;
                self.0.changed.notify_one();
            }
        }

        pub(crate) fn current() -> Thread {
            CURRENT.with(Thread::clone)
        }

        pub(crate) fn park() {
            let Thread(token) = current();
            let mut is_there = token.lock();
            while !*is_there {
                is_there = token.changed.wait(is_there).unwrap_or_else(PoisonError::into_inner);
            }
            *is_there = false;
        }

        /// The time is over at once, as far as another thread can do something first.
        pub(crate) fn park_timeout(_: std::time::Duration) {
            yield_now();
        }
    }

    /// That of loom knows no constant values.
    macro_rules! local {
        ($($(#[$attr:meta])* static $name:ident: $type:ty = const { $init:expr };)*) => {
            loom::thread_local! { $($(#[$attr])* static $name: $type = $init;)* }
        };
    }
    pub(crate) use local as thread_local;
}
