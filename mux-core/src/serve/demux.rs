//! Any method, answered by its name: for proxies, gateways and tools, which know no trait.

use crate::api::descriptor::ServiceDescriptor;
use crate::api::error::{Error, Refused};
use crate::channel::Encoded;
use crate::client::call::Call;
use crate::context::Context;
use crate::link::handle::Mux;
use crate::serve::dispatch::Slot;
use crate::serve::inbound::Inbound;
use crate::serve::service::Service;
use crate::value::body::Outcome;
use mux_proto::wire::meta::MetaPairs;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::sync::Arc;

/// Answers any method, by its name.
///
/// A request comes here if no [`service`](crate::Server::service) of this end has its method. It runs as a task, and is
/// dropped when it is cancelled, as an `async fn` of a service is. The peer is told the names of the services alone, so
/// it tells the names of the arguments with each request.
///
/// ```
/// # use mux_core as mux;
/// use mux::{Demux, Encoded, Error, Mux, Request};
///
/// /// Passes every call on, whatever its types are.
/// struct Proxy(Mux);
///
/// impl Demux for Proxy {
///     async fn process_transaction(&self, request: Request) -> Result<Encoded, Error<Encoded>> {
///         request.forward(&self.0).await
///     }
/// }
/// ```
pub trait Demux: Send + Sync + 'static {
    /// Answers one request with its value, or with an error: [`Error::App`] is the method's own, [`Error::Remote`] says that
    /// it broke, and [`Error::Call`] what else became of it; if that error [did not run](crate::CallError::did_not_run),
    /// the caller is told so too. What comes of a notify is dropped.
    fn process_transaction(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Encoded, Error<Encoded>>> + Send;
}

/// A call of a method whose types are not known.
#[derive(Debug)]
pub struct Request {
    context: Context,
    args: Encoded,
    notify: bool,
}

impl Request {
    /// The method, as `service.method`.
    pub fn method(&self) -> &str {
        self.context.method()
    }

    /// Whether nobody waits for an answer.
    pub fn is_notify(&self) -> bool {
        self.notify
    }

    /// What is known of the call beside its arguments.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The arguments, an array.
    pub fn args(&self) -> &Encoded {
        &self.args
    }

    /// The arguments, to be kept or sent on.
    pub fn into_args(self) -> Encoded {
        self.args
    }

    /// Decodes the arguments as a tuple: `(String, u32)`; of one argument `(String,)`.
    ///
    /// # Errors
    /// If they are no `T`: a refusal that says so to the caller, as a call that did not run.
    pub fn decode_args<T: DeserializeOwned + 'static>(self) -> Result<T, Refused> {
        let method = self.context.method().to_owned();
        self.args
            .decode()
            .map_err(|error| Refused::invalid_args(format!("the arguments of `{method}`: {error}")))
    }

    /// Makes the same call at another connection, with the same arguments, channels and meta, and with the time that is
    /// left. Await it for the answer; dropped, it is cancelled over there. Items of its channels pass through this
    /// program, held back by their receiver.
    pub fn forward(self, to: &Mux) -> Call<Encoded, Encoded> {
        let Request { context, args, notify } = self;
        let meta = MetaPairs::passed_on(context.raw_meta());
        let call = to.pass_on(context.method(), meta, &args, notify);
        match context.time_left() {
            Some(left) => call.timeout(left),
            None => call,
        }
    }
}

/// A demux among the services.
pub(crate) struct DemuxService<D>(pub(crate) D);

static NONE: ServiceDescriptor =
    ServiceDescriptor { name: "", docs: "", encoding: crate::api::descriptor::Encoding::Named, methods: &[] };

impl<D: Demux> Service for DemuxService<D> {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &NONE
    }

    fn serve(self: Arc<Self>, inbound: Inbound, slot: Slot<'_>) {
        let notify = inbound.method().notify;
        let (context, args) = inbound.into_untyped();
        let request = Request { context, args, notify };
        slot.run(&mut Some(async move {
            let result = self.0.process_transaction(request).await;
            if notify { Outcome::none() } else { Outcome::untyped(result) }
        }));
    }
}
