//! The answering half: from a request to its handler, and from the handler to the one answer.

use crate::blocking;
use crate::body::Outcome;
use crate::buffer;
use crate::channel::carry::{self, Arrivals};
use crate::context::Context;
use crate::descriptor::{Encoding, MethodDescriptor, Placement, ServiceDescriptor};
use crate::error::{Refusal, Refused};
use crate::panic;
use crate::proto::hello::SMALL;
use crate::proto::xid::Xid;
use crate::shared::{Running, Shared};
use bytes::Bytes;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Handlers of one pass run one after another on one task for so long; the rest move to a new one, so
/// that busy handlers hold up their neighbours, and other tasks, for a few polls at most.
const TURN: Duration = Duration::from_micros(20);

/// Handlers polled between two looks at the clock. One look for each costs 5 % of all calls.
const LOOK: usize = 4;

/// An implementation made servable; made by `#[service]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be served as it is",
    note = "wrap the implementation in its generated server, as in `InventoryServer::new(shop)`"
)]
pub trait Service: Send + Sync + 'static {
    /// What the service is.
    fn descriptor(&self) -> &'static ServiceDescriptor;

    /// Runs one request.
    #[doc(hidden)]
    fn serve(&self, inbound: Inbound, turn: Turn<'_>);
}

/// Finds a method's service by the name that travels.
#[derive(Default)]
pub(crate) struct Router {
    services: Vec<Arc<dyn Service>>,
    routes: HashMap<&'static str, Route>,
    /// What HELLO tells of the services: their names and fingerprints.
    fingerprints: Vec<(String, u64)>,
    /// Their names, as a text for those who ask for another.
    served: String,
}

#[derive(Clone, Copy)]
pub(crate) struct Route {
    service: usize,
    method: &'static MethodDescriptor,
}

impl Route {
    pub(crate) fn encoding(&self) -> Encoding {
        self.method.encoding
    }
}

impl Router {
    /// Of services with different names.
    pub(crate) fn new(services: Vec<Arc<dyn Service>>) -> Router {
        let mut routes = HashMap::new();
        for (index, service) in services.iter().enumerate() {
            for method in service.descriptor().methods {
                routes.insert(method.path, Route { service: index, method });
            }
        }
        let descriptors = services.iter().map(|service| service.descriptor());
        let fingerprints: Vec<(String, u64)> =
            descriptors.map(|descriptor| (descriptor.name.to_owned(), descriptor.fingerprint())).collect();
        let served = served(&fingerprints);
        Router { services, routes, fingerprints, served }
    }

    pub(crate) fn fingerprints(&self) -> Vec<(String, u64)> {
        self.fingerprints.clone()
    }

    /// The route of a call that wants an answer, or not.
    pub(crate) fn route(&self, path: &str, notify: bool) -> Result<Route, Refused> {
        match self.routes.get(path) {
            Some(route) if route.method.notify == notify => Ok(*route),
            Some(_) if notify => Err(self.unknown(path, "it answers, and was called as a notify")),
            Some(_) => Err(self.unknown(path, "it is a notify, and was called for an answer")),
            None => Err(self.unknown(path, "the services here have none of that name")),
        }
    }

    fn unknown(&self, path: &str, why: &str) -> Refused {
        let served = &self.served;
        Refused::new(
            Refusal::UnknownMethod,
            format!("unknown method `{path}`: {why} (served here: {served})"),
        )
    }
}

fn served(services: &[(String, u64)]) -> String {
    let mut names: Vec<_> = services.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// One request, decoded as far as its envelope.
#[derive(Debug)]
pub struct Inbound {
    context: Context,
    method: &'static MethodDescriptor,
    body: Bytes,
    arrivals: Arrivals,
}

impl Inbound {
    /// Decodes the request. Halves of channels that came with it are taken out of it, or closed.
    pub fn decode<'a, R>(
        &'a mut self,
        decode: impl FnOnce(&'static str, &'a Bytes) -> Result<R, Refused>,
    ) -> Result<(R, &'a Context), Refused> {
        let Inbound { context, method, body, arrivals } = self;
        let mut arrivals = std::mem::replace(arrivals, Arrivals::none());
        carry::decode(&mut arrivals, || decode(method.name, body)).map(|request| (request, &*context))
    }

    /// The method asked for.
    pub fn method(&self) -> &'static MethodDescriptor {
        self.method
    }

    /// The encoded arguments.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What the handler may know.
    pub fn context(&self) -> &Context {
        &self.context
    }
}

/// A request on its way to its handler.
pub(crate) struct Parcel {
    route: Route,
    inbound: Inbound,
    responder: Responder,
}

impl Parcel {
    pub(crate) fn new(
        route: Route,
        responder: Responder,
        deadline: Option<u64>,
        meta: Option<Bytes>,
        body: Bytes,
        arrivals: Arrivals,
    ) -> Parcel {
        let context =
            Context::remote(route.method, Arc::clone(&responder.shared), responder.xid(), meta, deadline);
        Parcel { route, inbound: Inbound { context, method: route.method, body, arrivals }, responder }
    }

    /// The end of a handler that runs on a worker thread, of which no two may be about at once if
    /// they are to begin in order.
    fn ends_on_worker(&mut self) -> Option<oneshot::Receiver<Infallible>> {
        let on_worker = self.route.method.placement == Placement::Worker;
        on_worker.then(|| {
            let (sender, receiver) = oneshot::channel();
            self.responder.ended = Some(sender);
            receiver
        })
    }

    pub(crate) fn is_notify(&self) -> bool {
        self.route.method.notify
    }

    pub(crate) fn is_large(&self) -> bool {
        self.inbound.body.len() > SMALL
    }

    pub(crate) fn is_inline(&self) -> bool {
        self.route.method.placement == Placement::Inline
    }

    /// Polls the handler once, or hands it to a worker. What is ready at once goes to `finished`.
    pub(crate) fn run(self, finished: &mut Vec<Finished>) {
        let Parcel { route, inbound, responder } = self;
        let shared = Arc::clone(&responder.shared);
        let turn = Turn { method: route.method, responder, finished };
        shared.router().services[route.service].serve(inbound, turn);
    }
}

/// What a handler came to, and whom it is for.
pub(crate) type Finished = (Responder, Outcome);

/// Sends the answers that are ready: one lock for all.
pub(crate) fn finish(shared: &Shared, finished: &mut Vec<Finished>) {
    if finished.is_empty() {
        return;
    }
    let reveal = shared.reveals_traces();
    let answers: Vec<_> = finished
        .drain(..)
        .filter_map(|(mut responder, outcome)| Some((responder.owed.take()?, outcome.into_answer(reveal))))
        .collect();
    let spent = shared.answer(answers);
    spent.into_iter().for_each(buffer::give);
}

/// The requests of one pass, on one task.
pub(crate) struct Dispatch {
    parcels: std::vec::IntoIter<Parcel>,
    shared: Arc<Shared>,
}

impl Dispatch {
    pub(crate) fn spawn(parcels: Vec<Parcel>, shared: &Arc<Shared>) {
        tokio::spawn(Dispatch { parcels: parcels.into_iter(), shared: Arc::clone(shared) });
    }
}

impl Future for Dispatch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<()> {
        let begun = Instant::now();
        let mut polled = 0_usize;
        let mut finished = Vec::with_capacity(self.parcels.len());
        while let Some(parcel) = self.parcels.next() {
            parcel.run(&mut finished);
            polled += 1;
            let looks = polled.is_multiple_of(LOOK) && self.parcels.len() > 0;
            if looks && begun.elapsed() > TURN {
                Dispatch::spawn(std::mem::take(&mut self.parcels).collect(), &self.shared);
            }
        }
        finish(&self.shared, &mut finished);
        Poll::Ready(())
    }
}

/// The notifies of one connection, on one task: their handlers begin in the order they were sent. One
/// that waits goes on beside the next; a plain `fn` ends before the next begins.
#[derive(Default)]
pub(crate) struct NotifyLane(Option<mpsc::UnboundedSender<Parcel>>);

impl NotifyLane {
    /// Bounded by the credit that notifies spend.
    pub(crate) fn push(&mut self, parcel: Parcel) {
        let lane = self.0.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            tokio::spawn(run_in_order(Arc::clone(&parcel.responder.shared), receiver));
            sender
        });
        // Fails only while the runtime ends: the parcel is dropped then.
        let _ = lane.send(parcel);
    }
}

async fn run_in_order(shared: Arc<Shared>, mut parcels: mpsc::UnboundedReceiver<Parcel>) {
    let mut finished = Vec::new();
    while let Some(mut parcel) = parcels.recv().await {
        let ended = parcel.ends_on_worker();
        parcel.run(&mut finished);
        if parcels.is_empty() || ended.is_some() {
            finish(&shared, &mut finished);
        }
        if let Some(ended) = ended {
            // Nothing is ever sent: it ends with its responder.
            let _ = ended.await;
        }
    }
}

/// The one chance of a request to run: its handler is polled here and now, or goes to a worker.
pub struct Turn<'a> {
    method: &'static MethodDescriptor,
    responder: Responder,
    finished: &'a mut Vec<Finished>,
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("method", &self.method.path).finish_non_exhaustive()
    }
}

impl Turn<'_> {
    /// Runs the handler where its method wants to run.
    pub fn run<F: Future<Output = Outcome> + Send + 'static>(self, handler: F) {
        let Turn { method, responder, finished } = self;
        match method.placement {
            Placement::Worker => run_on_worker(responder, handler),
            Placement::Task | Placement::Inline => {
                let mut guarded = Guarded(Box::pin(handler));
                match Pin::new(&mut guarded).poll(&mut std::task::Context::from_waker(Waker::noop())) {
                    Poll::Ready(outcome) => finished.push((responder, outcome)),
                    Poll::Pending => spawn(guarded, responder, method.detached),
                }
            }
        }
    }
}

fn run_on_worker<F: Future<Output = Outcome> + Send + 'static>(responder: Responder, handler: F) {
    let (shared, xid) = (Arc::clone(&responder.shared), responder.xid());
    let runtime = tokio::runtime::Handle::current();
    if let Some(xid) = xid {
        shared.park(xid);
    }
    let job = move || {
        if !responder.start() {
            return;
        }
        let _entered = runtime.enter();
        let guarded = Guarded(Box::pin(handler));
        let outcome = blocking::while_blocking(|| blocking::block_on(guarded));
        responder.finish(outcome);
    };
    if let (Err(no_thread), Some(xid)) = (shared.workers().submit(Box::new(job)), xid) {
        let message = format!("no worker thread could be started: {}", no_thread.error);
        // Before the job is dropped, whose own responder would tell less.
        Responder::new(&shared, Owed::Answer(xid)).finish(Refused::new(Refusal::Overloaded, message).into());
    }
}

/// Gives a handler that has to wait a task of its own, which a cancel aborts.
fn spawn<F: Future<Output = Outcome> + Send + 'static>(
    guarded: Guarded<F>,
    responder: Responder,
    detached: bool,
) {
    let (shared, xid) = (Arc::clone(&responder.shared), responder.xid());
    let task = tokio::spawn(Pending { guarded, responder: Some(responder) });
    if let Some(xid) = xid {
        let abort = (!detached).then(|| task.abort_handle());
        let unwanted =
            shared.attach(xid, |known: Option<Running>| Running { abort, ..known.unwrap_or_default() });
        unwanted.into_iter().for_each(Running::stop);
    }
}

/// A handler on a task of its own.
struct Pending<F> {
    guarded: Guarded<F>,
    responder: Option<Responder>,
}

impl<F: Future<Output = Outcome>> Future for Pending<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let outcome = ready!(Pin::new(&mut self.guarded).poll(cx));
        if let Some(responder) = self.responder.take() {
            responder.finish(outcome);
        }
        Poll::Ready(())
    }
}

/// A handler whose panic is its outcome.
struct Guarded<F>(Pin<Box<F>>);

impl<F: Future<Output = Outcome>> Future for Guarded<F> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Outcome> {
        match panic::catch(|| self.0.as_mut().poll(cx)) {
            Ok(poll) => poll,
            Err(panicked) => Poll::Ready(Outcome::panicked(&panicked)),
        }
    }
}

/// Owes a request its one answer, and gives it whatever happens: dropped, it tells why there is none.
pub(crate) struct Responder {
    shared: Arc<Shared>,
    /// Nothing, once it is paid.
    owed: Option<Owed>,
    /// Never sent on: who waits for the end learns of it as this is dropped.
    ended: Option<oneshot::Sender<Infallible>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owed {
    Answer(Xid),
    /// The credit that a notify spent.
    Credit(u64),
}

impl Responder {
    pub(crate) fn new(shared: &Arc<Shared>, owed: Owed) -> Responder {
        Responder { shared: Arc::clone(shared), owed: Some(owed), ended: None }
    }

    fn xid(&self) -> Option<Xid> {
        match self.owed {
            Some(Owed::Answer(xid)) => Some(xid),
            _ => None,
        }
    }

    /// A parked handler begins; `false` when its asker has gone. A notify has none.
    fn start(&self) -> bool {
        self.xid().is_none_or(|xid| self.shared.start(xid))
    }

    fn finish(mut self, outcome: Outcome) {
        let answer = outcome.into_answer(self.shared.reveals_traces());
        let answers = self.owed.take().map(|owed| (owed, answer));
        let spent = self.shared.answer(answers.into_iter().collect());
        spent.into_iter().for_each(buffer::give);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        match self.owed {
            Some(Owed::Answer(xid)) => self.shared.answer_dropped(xid),
            Some(Owed::Credit(cost)) => self.shared.pay_back(cost),
            None => {}
        }
    }
}
