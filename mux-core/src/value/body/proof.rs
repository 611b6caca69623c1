//! What stands for a type that can travel, and for one that cannot.

use std::fmt;
use std::marker::PhantomData;

/// Evidence of a `T`, where `T` allows for it.
pub struct Proof<T>(PhantomData<fn() -> T>);

impl<T> Proof<T> {
    /// It holds nothing.
    pub(crate) const HERE: Proof<T> = Proof(PhantomData);
}

impl<T> fmt::Debug for Proof<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof")
    }
}

/// What no type is.
pub trait Impossible {
    #[doc(hidden)]
    fn never<T>() -> T;
}

/// A type that the compiler knows not to be [`Impossible`], whatever `T` is.
#[derive(Debug)]
pub struct Possible<T>(PhantomData<T>);
