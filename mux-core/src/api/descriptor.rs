//! What a service is, as data: made by the macro, read by the router and by reflection.

use crate::api::error::Refused;
use mux_proto::wire::meta;

/// How structs travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// As maps by field name: fields may be added, dropped and reordered. Addresses, UUIDs and the like are text.
    Named,
    /// As arrays: faster, and both ends must have the same fields in the same order.
    Compact,
}

/// A service.
#[derive(Debug, PartialEq, Eq)]
pub struct ServiceDescriptor {
    /// The name on the wire.
    pub name: &'static str,
    /// The trait's documentation.
    pub docs: &'static str,
    /// How its structs travel.
    pub encoding: Encoding,
    /// Its methods, in the trait's order.
    pub methods: &'static [&'static MethodDescriptor],
}

/// A method of a service.
#[derive(Debug, PartialEq, Eq)]
pub struct MethodDescriptor {
    /// The name on the wire, without the service's.
    pub name: &'static str,
    /// `service.method`, as it travels.
    pub path: &'static str,
    /// The method's documentation.
    pub docs: &'static str,
    /// Its arguments, in order; those that travel.
    pub args: &'static [ArgDescriptor],
    /// Its return type, as written.
    pub returns: &'static str,
    /// How its structs travel.
    pub encoding: Encoding,
    /// Where it runs.
    pub placement: Placement,
    /// One way: nothing comes back.
    pub notify: bool,
    /// A cancel does not stop it.
    pub detached: bool,
    /// Running it twice is running it once.
    pub idempotent: bool,
    /// The fingerprint of its service.
    pub fingerprint: u64,
}

/// An argument of a method.
#[derive(Debug, PartialEq, Eq)]
pub struct ArgDescriptor {
    /// Its name.
    pub name: &'static str,
    /// Its type, as written.
    pub ty: &'static str,
}

/// Where a method runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// On a task: `async fn`.
    Task,
    /// On a worker thread: `fn`, which may block.
    Worker,
    /// On the connection's own task, between two frames: for trivial getters.
    Inline,
}

impl ServiceDescriptor {
    /// A hash of the shapes of its methods: their names, whether they answer, with a value or a stream, and the names of
    /// their arguments. Equal where two ends were built from the same trait, whatever their types are called.
    pub fn fingerprint(&self) -> u64 {
        self.methods.first().map_or(0, |method| method.fingerprint)
    }
}

/// What a fingerprint tells of one method.
#[doc(hidden)]
#[derive(Debug)]
pub struct Shape {
    pub path: &'static str,
    pub kind: Kind,
    pub args: &'static [&'static str],
}

/// What comes of a method's call.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Value = 0,
    Notify = 1,
    Stream = 2,
}

/// The sum of the methods' hashes (FNV-1a, 64 bits), so that their order does not matter: they travel by name.
#[doc(hidden)]
pub const fn fingerprint(encoding: Encoding, methods: &[Shape]) -> u64 {
    let (mut sum, mut at) = (0_u64, 0);
    // Iterators are not to be had in a `const fn`.
    while at < methods.len() {
        sum = sum.wrapping_add(methods[at].hash(encoding));
        at += 1;
    }
    sum
}

impl Shape {
    const fn hash(&self, encoding: Encoding) -> u64 {
        let start = hash_text(0xcbf2_9ce4_8422_2325, self.path);
        let (mut hash, mut at) = (hash_byte(hash_byte(start, self.kind as u8), encoding as u8), 0);
        while at < self.args.len() {
            hash = hash_text(hash, self.args[at]);
            at += 1;
        }
        hash
    }
}

/// Its bytes, and one that no text has.
const fn hash_text(mut hash: u64, text: &str) -> u64 {
    let (bytes, mut at) = (text.as_bytes(), 0);
    while at < bytes.len() {
        hash = hash_byte(hash, bytes[at]);
        at += 1;
    }
    hash_byte(hash, 0xff)
}

const fn hash_byte(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3)
}

impl MethodDescriptor {
    /// Refuses a call whose arguments have other names, so that none is taken for another. One list may go on where the
    /// other ends: what is missing has a default or is refused as missing, what is too much is skipped.
    #[cold]
    pub(crate) fn check_names(&self, meta: &[u8]) -> Result<(), Refused> {
        let Some(names) = meta::arg_names(meta) else { return Ok(()) };
        let names = names
            .ok_or_else(|| Refused::invalid_args(format!("meta `{}` is no list of names", meta::ARGS)))?;
        let own = self.args.iter().map(|arg| arg.name);
        if own.clone().zip(&names).all(|(own, name)| own == *name) {
            return Ok(());
        }
        let own: Vec<_> = own.collect();
        let (path, own, names) = (self.path, own.join(", "), names.join(", "));
        Err(Refused::invalid_args(format!("{path} takes ({own}), the call has ({names})")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: Shape = Shape { path: "calc.add", kind: Kind::Value, args: &["a", "b"] };
    const ZERO: Shape = Shape { path: "calc.zero", kind: Kind::Value, args: &[] };

    fn of(methods: &[Shape]) -> u64 {
        fingerprint(Encoding::Named, methods)
    }

    #[test]
    fn a_fingerprint_tells_shapes_and_not_their_order() {
        assert_eq!(of(&[ADD, ZERO]), of(&[ZERO, ADD]));
        let others = [
            Shape { path: "calc.sum", ..ADD },
            Shape { kind: Kind::Notify, ..ADD },
            Shape { kind: Kind::Stream, ..ADD },
            Shape { args: &["b", "a"], ..ADD },
            Shape { args: &["a", "b", "c"], ..ADD },
            Shape { args: &["ab"], ..ADD },
        ];
        let mut seen: Vec<u64> = others.into_iter().map(|other| of(&[other])).collect();
        seen.extend([of(&[ADD]), of(&[ADD, ZERO]), fingerprint(Encoding::Compact, &[ADD])]);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 9);
    }

    #[test]
    fn a_fingerprint_is_the_one_that_the_wire_tells() {
        // As tests/interop/client.py computes it.
        assert_eq!(of(&[ADD, ZERO]), FINGERPRINT_OF_CALC);
    }

    const FINGERPRINT_OF_CALC: u64 = 0x9bac_ddaf_46c4_34f2;
}
