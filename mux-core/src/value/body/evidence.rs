//! Evidence that a type can travel, so that the compiler checks each type of a service once and reports it once, where the
//! type stands in the trait.
//!
//! Generated code has one function for each type, which returns `impl Evidence<Value = T>`. Only its body needs the bounds of
//! `T`; code that takes the evidence relies on the bounds of [`Evidence::Value`].

use super::args_encoder::Argument;
use super::fallible::Fallible;
use super::proof::{Impossible, Proof};
use crate::channel::{Never, Receiver};
use crate::value::probe::Probe;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// That values of a type can be sent and received.
pub trait Evidence: Sized {
    /// The type.
    type Value: Serialize + DeserializeOwned + 'static;

    /// An argument on its way out.
    #[inline]
    fn argument(self, value: &Self::Value) -> &dyn Argument {
        value
    }

    /// Several of them as one argument.
    #[inline]
    fn slice<'a>(self, values: &'a &[Self::Value]) -> &'a dyn Argument {
        values
    }

    /// An argument that may be none.
    #[inline]
    fn optional<'a>(self, value: &'a Option<&Self::Value>) -> &'a dyn Argument {
        value
    }

    /// Several of them as one argument that may be none.
    #[inline]
    fn optional_slice<'a>(self, values: &'a Option<&[Self::Value]>) -> &'a dyn Argument {
        values
    }

    /// Whether it reads what it writes where it goes by position.
    fn probe(self, place: &'static str) -> Probe {
        Probe::of::<Self::Value>(place)
    }
}

/// That a type can be the error of a method's `Result`.
pub trait ErrorEvidence: Sized {
    /// The type.
    type Error: Fallible<App = Self::App, End = Self::End>;
    /// What a caller gets of it.
    type App: 'static;
    /// What a stream's receiver gets of it.
    type End: Serialize + DeserializeOwned + Send + 'static;

    /// Whether it reads what it writes where it goes by position.
    fn probe_error(self, place: &'static str) -> Probe {
        Probe::of::<Self::End>(place)
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Evidence for Proof<T> {
    type Value = T;
}

impl<E: Fallible> ErrorEvidence for Proof<E> {
    type Error = E;
    type App = E::App;
    type End = E::End;
}

/// Evidence of a `T` that is an argument, a result or an item.
#[must_use]
pub fn travels<T: Travels<A>, A: Answer>() -> A::Proof<T> {
    A::proof()
}

/// Evidence of an error that travels as itself.
#[must_use]
pub fn fails<E: Fails<A>, A: Answer>() -> A::Proof<E> {
    A::proof()
}

/// Evidence of a list.
pub fn list_of<T: Evidence>(_: T) -> impl Evidence<Value = Vec<T::Value>> {
    Proof::<Vec<T::Value>>::HERE
}

/// Evidence of what may be none.
pub fn option_of<T: Evidence>(_: T) -> impl Evidence<Value = Option<T::Value>> {
    Proof::<Option<T::Value>>::HERE
}

/// Evidence of the receiver of a stream.
pub fn receiver_of<T: Evidence<Value: Send>>(_: T) -> impl Evidence<Value = Receiver<T::Value, Never>> {
    Proof::<Receiver<T::Value, Never>>::HERE
}

/// Evidence of the receiver of a stream that may fail.
pub fn failing_receiver_of<T, E>(_: T, _: E) -> impl Evidence<Value = Receiver<T::Value, E::End>>
where
    T: Evidence<Value: Send>,
    E: ErrorEvidence,
{
    Proof::<Receiver<T::Value, E::End>>::HERE
}

/// A type that can be sent and received. `A` is for the compiler to find.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel: derive `serde::Serialize` and `serde::Deserialize`",
    label = "not `Serialize + Deserialize`",
    note = "a type that holds others, as `Vec<T>` does, has both where those have both"
)]
pub trait Travels<A> {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> Travels<Yes> for T {}

#[diagnostic::do_not_recommend]
impl<T: Impossible> Travels<No> for T {}

/// An error that can be sent and received. `A` is for the compiler to find.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a service method: derive `serde::Serialize` and `serde::Deserialize`",
    label = "not `Serialize + Deserialize + Send`",
    note = "or return `mux::Result<T>`, which takes any error by `?`"
)]
pub trait Fails<A> {}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned + Send + 'static> Fails<Yes> for E {}

#[diagnostic::do_not_recommend]
impl<E: Impossible> Fails<No> for E {}

/// Whether a type has what it needs.
///
/// If there were one impl, the compiler would report each of its bounds that is not met. With two impls and neither of them
/// met, it reports the trait once. Since it does not know the answer then, it reports nothing that depends on it.
pub trait Answer {
    /// What the answer gives.
    type Proof<T>;

    /// Gives it.
    fn proof<T>() -> Self::Proof<T>;
}

/// It has.
#[derive(Debug)]
pub enum Yes {}

/// It has not: never found, as there is nothing [`Impossible`].
#[derive(Debug)]
pub enum No {}

impl Answer for Yes {
    type Proof<T> = Proof<T>;

    fn proof<T>() -> Proof<T> {
        Proof::HERE
    }
}

impl Answer for No {
    type Proof<T> = ();

    fn proof<T>() {}
}
