//! Methods whose types were probed: a call of one that does not go by position is refused.

use crate::api::descriptor::MethodDescriptor;
use crate::api::error::{Refusal, Refused};
use crate::client::call::Call;
use crate::value::probe::{Probe, is_within};
use std::any::TypeId;
use std::sync::OnceLock;

/// What has become of the probes of one method, for each type of its client. A list, as mostly there is one.
#[derive(Debug, Default)]
pub struct Probed(OnceLock<Box<Verdict>>);

#[derive(Debug)]
struct Verdict {
    client: TypeId,
    refusal: Option<String>,
    next: Probed,
}

impl Probed {
    /// Of a method that was never called.
    #[must_use]
    pub const fn new() -> Probed {
        Probed(OnceLock::new())
    }

    /// Makes the call, unless one of the probes has failed. They run at the first call, and not within each other.
    #[inline]
    pub fn call<C: 'static, T, E, const N: usize>(
        &self,
        method: &'static MethodDescriptor,
        probes: impl FnOnce() -> [Probe; N],
        call: impl FnOnce() -> Call<T, E>,
    ) -> Call<T, E> {
        let verdict = match self.0.get() {
            Some(verdict) if verdict.client == TypeId::of::<C>() => verdict,
            _ => match self.find(TypeId::of::<C>(), || probes().iter().find_map(Probe::refusal)) {
                Some(verdict) => verdict,
                None => return call(),
            },
        };
        match &verdict.refusal {
            None => call(),
            Some(why) => refused(method, why),
        }
    }

    /// The verdict is made before it is put in its place: neither a child of `fork` nor a user's `Deserialize` that calls
    /// finds a lock held. Nothing, within a probe.
    #[cold]
    fn find(&self, client: TypeId, probe: impl FnOnce() -> Option<String>) -> Option<&Verdict> {
        let mut list = self;
        while let Some(verdict) = list.0.get() {
            if verdict.client == client {
                return Some(verdict);
            }
            list = &verdict.next;
        }
        if is_within() {
            return None;
        }
        let refusal = probe();
        let mut made = Box::new(Verdict { client, refusal, next: Probed::new() });
        while let Err(mine) = list.0.set(made) {
            made = mine;
            list = &list.0.get()?.next;
        }
        list.0.get().map(|verdict| &**verdict)
    }
}

#[cold]
fn refused<T, E>(method: &MethodDescriptor, why: &str) -> Call<T, E> {
    let path = method.path;
    Call::failed(Refused::new(Refusal::Unsupported, format!("`{path}` is not called: {why}")))
}
