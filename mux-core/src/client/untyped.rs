//! Calls by the name of their method, of services whose traits this program does not have.

use crate::api::descriptor::{Encoding, MethodDescriptor, Placement};
use crate::api::error::Refused;
use crate::channel::Encoded;
use crate::client::call::{Asked, Call};
use crate::link::handle::{Client, Mux};
use crate::value::body::{self, ArgsEncoder, Argument};
use mux_proto::session::message::MethodName;
use mux_proto::wire::meta::MetaPairs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What is known of a method that is asked for by name.
pub(crate) static UNTYPED: MethodDescriptor = untyped(false);

/// The same of one that sends no answer.
pub(crate) static UNTYPED_NOTIFY: MethodDescriptor = untyped(true);

/// Whether a request was routed by no name of this program's.
pub(crate) fn is_untyped(method: &MethodDescriptor) -> bool {
    method.path.is_empty()
}

const fn untyped(notify: bool) -> MethodDescriptor {
    MethodDescriptor {
        name: "",
        path: "",
        docs: "",
        args: &[],
        returns: "",
        encoding: Encoding::Named,
        placement: Placement::Task,
        notify,
        detached: false,
        idempotent: false,
        fingerprint: 0,
    }
}

/// A connection's untyped interface, as a client of any service.
impl Client for Mux {
    fn from_mux(mux: Mux) -> Mux {
        mux
    }
}

impl Mux {
    /// Calls a method by its name, `service.method`. The arguments are a tuple, or whatever else is encoded as an array:
    /// `("apple", 3)`, `("apple",)` for one argument, `()` for none, or an [`Encoded`]. They are taken by position.
    ///
    /// The answer is decoded as a `T`, which may be [`Encoded`] too; so is an error of the method's own. A streaming method
    /// answers with a [`Receiver`](crate::Receiver), of `Encoded` items if their type is not known:
    /// `transaction::<Receiver<Encoded, Encoded>>`. Everything is as with methods that have no `encoding = "compact"`; for those
    /// that have, encode the arguments by [`Encoded::with_encoding`], and decode the answer by [`Encoded::decode_with`].
    /// Bytes travel as [`Bytes`](crate::Bytes).
    ///
    /// Nothing is sent before the call is polled, started or waited for. If the arguments cannot be encoded or are no
    /// array, the call fails with [`Refusal::InvalidArgs`](crate::Refusal::InvalidArgs).
    ///
    /// ```
    /// # use mux_core as mux;
    /// # async fn ask(connection: mux::Connection) -> Result<(), mux::Error<mux::Encoded>> {
    /// let mux: mux::Mux = connection.client();
    /// let left: u32 = mux.transaction("inventory.stock", ("apple",)).await?;
    /// let any: mux::Encoded = mux.transaction("inventory.list", ()).await?;
    /// println!("{left} apples, and: {any}");
    /// # Ok(()) }
    /// ```
    pub fn transaction<T: DeserializeOwned + 'static>(
        &self,
        method: &str,
        args: impl Serialize,
    ) -> Call<T, Encoded> {
        self.untyped(method, MetaPairs::default(), &args, &UNTYPED, body::decode_end::<Encoded>)
    }

    /// Calls a method that sends no answer, one marked `#[mux(notify)]`. Otherwise as [`transaction`](Mux::transaction).
    ///
    /// ```
    /// # use mux_core as mux;
    /// # async fn tell(mux: mux::Mux) -> Result<(), mux::Error> {
    /// mux.notify("inventory.log", ("all is well",)).await
    /// # }
    /// ```
    pub fn notify(&self, method: &str, args: impl Serialize) -> Call<()> {
        self.untyped(method, MetaPairs::default(), &args, &UNTYPED_NOTIFY, body::no_app)
    }

    /// Passes on what came: also a notify, whose value is nil.
    pub(crate) fn pass_on(
        &self,
        method: &str,
        meta: MetaPairs,
        args: &Encoded,
        notify: bool,
    ) -> Call<Encoded, Encoded> {
        let descriptor = if notify { &UNTYPED_NOTIFY } else { &UNTYPED };
        self.untyped(method, meta, args, descriptor, body::decode_end::<Encoded>)
    }

    fn untyped<T, E>(
        &self,
        method: &str,
        meta: MetaPairs,
        args: &impl Serialize,
        descriptor: &'static MethodDescriptor,
        decode_app: fn(&[u8], Encoding) -> Result<E, String>,
    ) -> Call<T, E> {
        let mut encoder = ArgsEncoder::new(Encoding::Named);
        if let Err(error) = args.encode(&mut encoder) {
            return Call::failed(Refused::unencodable(&error));
        }
        let (mut body, handles) = encoder.finish();
        match body.first() {
            Some(0x90..=0x9f | 0xdc | 0xdd) => {}
            Some(0xc0) if body.len() == 1 => body = vec![0x90].into(),
            _ => return Call::failed(Refused::invalid_args("the arguments are no array; write a tuple")),
        }
        let name = MethodName::Given(Arc::new(method.to_owned()));
        self.ask(Asked { name, descriptor, meta, decode_app }, body, handles)
    }
}
