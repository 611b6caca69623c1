//! The service macro. Reads a trait, writes its client, server and request types; knows the runtime only by
//! the paths below `__private`.

/// `quote!` whose local variables cannot collide with the user's: hygiene instead of odd names.
macro_rules! tokens {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}

/// The same, where an error about the code points at the given place.
macro_rules! tokens_at {
    ($place:expr=> $($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site().located_at($place)=> $($tokens)*)
    };
}

mod args;
mod check;
mod expand;
mod fallback;
mod model;
mod names;
#[cfg(test)]
mod snapshot;
mod stream;
mod types;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Item, ItemTrait};

use crate::args::ServiceOptions;
use crate::check::Defects;
use crate::model::Service;

/// Makes a trait callable over a connection.
///
/// From `trait Inventory` come `InventoryClient`, `InventoryServer<S>` and `InventoryRequest<'a>`, all with the
/// trait's visibility. The trait itself requires `Send + Sync + 'static`, and every `async fn` of it gives a
/// `Send` future; an implementation is written with plain `async fn`.
///
/// # Options
///
/// | option | meaning |
/// | --- | --- |
/// | `name = "inventory.v1"` | the name on the wire; by default the trait's name in snake_case |
/// | `encoding = "compact"` | structs travel as arrays, without their field names; see [What travels](#what-travels) |
/// | `debug` | `Debug` of the request shows the arguments too, which must then be `Debug` |
/// | `crate = path` | where `mux` is found, when it was renamed or re-exported |
///
/// # Options of a method: `#[mux(…)]`
///
/// | option | meaning |
/// | --- | --- |
/// | `name = "…"` | the name on the wire; by default the method's own |
/// | `notify` | one way: no reply is sent, so nothing is returned |
/// | `inline` | a plain `fn` that never blocks, run where its request is read instead of on a worker thread; after its arguments were decoded elsewhere, where that takes long |
/// | `detached` | an `async fn` that goes on when its caller gives up |
/// | `idempotent` | running it twice does no harm, so it may be tried again |
///
/// # Options of an argument: `#[mux(…)]`
///
/// They are written in the trait, not in its implementations.
///
/// | option | meaning |
/// | --- | --- |
/// | `name = "…"` | the name on the wire; by default the argument's own |
/// | `context` | a `&Context` of the call, made by the server; absent on the client |
/// | `default` | `Default::default()` when an older client does not send it |
///
/// # Notifies
///
/// The call of a `notify` is over when the message is queued here: it does not tell that it arrived, was known
/// there, or ran. It waits while the other side takes no more. The handlers of one connection's notifies begin
/// in the order in which they were sent; other calls keep no order with them.
///
/// # Arguments
///
/// An argument is an owned type, `&str`, `&[T]`, `&T`, `Cow<'_, T>`, or an `Option` of one of these. `&str`,
/// `&[u8]`, `Cow<'_, str>` and `Cow<'_, [u8]>` point into the received message; nothing is copied. A client of
/// an implementation in the same process clones what is borrowed, so `T` in `&T` must be `Clone`.
///
/// Where the two ends know other versions of a trait, a call is run only if its arguments have the names that the
/// method's have, in that order; one list may go on where the other ends. What is added at the end has to be an `Option`
/// or have `#[mux(default)]`. An argument whose name changes keeps its old one by `#[mux(name = "…")]`.
///
/// `#[cfg]` works on methods, and on the last arguments when these are an `Option` or have `#[mux(default)]`.
///
/// # What travels
///
/// Whatever implements serde's `Serialize` and `Deserialize`, with all attributes of serde's derives. What the other end gets
/// is what was sent, and what a client in the same process gets; or the call fails, and its error says where and why:
///
/// | what | with `"named"` | with `"compact"` |
/// | --- | --- | --- |
/// | structs in an `untagged` enum, and types with a form for people there, as `IpAddr` | arrive | refused |
/// | a struct read as `serde_json::Value`, or as another type that takes any value | arrives | refused |
/// | `skip_serializing` or `skip_deserializing` alone, and ends whose structs differ in the number of their fields | as serde's attributes say | refused |
/// | `skip_serializing` on one field and `skip_deserializing` on another, or impls by hand that differ so | as serde's attributes say | refused before it is sent, as far as [probed](#what-is-probed) |
/// | `u128` and `i128` within `untagged`, an internal `tag` or `flatten` | refused | refused |
/// | a tuple struct or variant with `skip_serializing_if` that leaves an element out | refused | refused |
/// | `serde_json::value::RawValue` within `untagged`, an internal `tag` or `flatten` | refused | refused |
/// | what a type does not serialise: a path that is not UTF-8, a time before 1970, a variant under `skip` | refused | refused |
/// | more than 127 `Some` around one `None` | refused | refused |
/// | values that nest deeper than 128 levels | refused | refused |
///
/// What no encoding can tell, as it is serde's own rule, or a matter of two types:
///
/// - An `untagged` enum takes the first variant that fits: `Name(String)` before `Id(Uuid)` takes ids too, and a string takes
///   bytes that are UTF-8. Put the stricter variant first.
/// - With `"compact"` two structs of as many fields are taken for each other: what differs between two versions of a type has to
///   have another number of fields to be noticed.
/// - A field under `#[serde(skip)]` arrives as its default.
/// - A tuple struct or variant that leaves an element out by `skip_serializing_if` moves up those behind it where serde buffers
///   it, within `untagged`, an internal `tag` or `flatten`, if these have a default.
/// - Under `flatten` an `Option` of a struct that can be read from nothing arrives as `Some`, and each of two maps takes all entries.
/// - What a library leaves out of its own form is not sent: the flow of a `SocketAddrV6`, with `"compact"` also its scope,
///   and the seconds of a `chrono::FixedOffset`.
/// - With `"compact"` a type whose form for programs is a number or a text, unlike that for people, may be taken for such in an
///   `untagged` enum.
///
/// A client in the same process gets the value itself, which is not serialised: nothing of this holds there.
///
/// # What is probed
///
/// With `"compact"` fields go without their names, so a type has to read the fields that it writes. When a client first calls a
/// method, it probes the method's types, once in a process: it makes values up by `Deserialize`, up to 128 of each type, and
/// watches what `Serialize` does with them. A call whose types fail is refused (`Refusal::Unsupported`), has not run, and its error
/// names the place, the struct and the two fields. Not probed are:
///
/// - a type that cannot be made up, and all that contains it: one that takes only values of a form unknown here, that panics
///   (which is caught and reported like any panic), or that has a `flatten`, an internal `tag`, or an `untagged` enum without a
///   variant for nothing, a number, a text or a list. A variant that cannot be made up is left out.
/// - what only some values have: a field behind `skip_serializing_if` is as it is for the values made up. What is within a type
///   of the same type is empty, or the first variant that ends it.
/// - a type that goes by position where it is written as a tuple or a map and read as a struct, or the other way round.
/// - two fields, one in the place of the other, that are equal in all values made up, such as two without data.
///
/// A field with a name to be read and another one to be written is known by its value. One that also changes its value by `with`
/// is taken for two, and refused.
///
/// # Generics, and what a trait may have beside
///
/// A trait may have type parameters (each has to be `Serialize + DeserializeOwned + Send + Sync`, and `Clone`
/// where it is borrowed as an argument), where clauses, supertraits, and provided methods.
///
/// # Results
///
/// A return type whose last path segment is `Result` is a fallible method: the client gets its `Ok` type, and
/// its `Err` type as the application's error, unless that is `mux::Failure`, which is known by that name or from an
/// alias such as `mux::Result<T>`. Any other type, an alias of `Result` under another name included, is a plain value.
///
/// # Streams
///
/// A method may return `impl Stream<Item = T>`, alone or as the `Ok` of its `Result`. Its call resolves to a
/// `mux::Receiver` when the method has returned; the items follow, as fast as they are taken.
///
/// | in the trait | what the call resolves to |
/// | --- | --- |
/// | `impl Stream<Item = T>` | `Receiver<T>` |
/// | `impl Stream<Item = Result<T, E>>` | `Receiver<T, E>`; the first `Err` ends it, as `ChannelError::App` |
/// | `impl Stream<Item = mux::Result<T>>` | `Receiver<T>`; the first `Err` ends it, as `ChannelError::Remote` |
/// | `Result<impl Stream<…>, E>` | one of these, or the method's own error |
///
/// The stream may borrow from the service and from the arguments, and has to be `Send`. It is dropped when the
/// client drops the receiver; the timeout of a call counts for the receiver, not for the items. A panic in the
/// stream arrives as `ChannelError::Remote`. What a plain `fn` returns is polled on its worker thread, which it may
/// block, and keeps until it ends.
///
/// # Channels
///
/// A `mux::Receiver<T>` or `mux::Sender<T>` is a value like others: as an argument, a client's items come in or
/// the method's go out to it; as a result, or a part of one, it goes to the client.
#[proc_macro_attribute]
pub fn service(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_service(args.into(), item.into()).into()
}

fn expand_service(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<ItemTrait>(item.clone()) {
        Ok(item) => expand_trait(args, &item),
        Err(error) => {
            let error = refuse_other_items(&item).unwrap_or(error).into_compile_error();
            quote!(#error #item)
        }
    }
}

fn refuse_other_items(item: &TokenStream) -> Option<syn::Error> {
    let no_trait = syn::parse2::<Item>(item.clone()).is_ok_and(|item| !matches!(item, Item::Trait(_)));
    let reason = "a service is a trait; put #[mux::service] on the trait with its methods";
    no_trait.then(|| syn::Error::new_spanned(item, reason))
}

fn expand_trait(args: TokenStream, item: &ItemTrait) -> TokenStream {
    let mut defects = Defects::default();
    let options = ServiceOptions::parse(args, &mut defects);
    let service = Service::from_syn(&options, item, &mut defects);
    match (service, defects.into_error()) {
        (Some(service), None) => expand::service(&service),
        (Some(service), Some(error)) => fallback::partial(&service, &error),
        (None, error) => fallback::placeholders(&options, item, error.as_ref()),
    }
}
