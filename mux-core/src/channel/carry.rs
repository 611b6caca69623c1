//! Halves of channels on their way through serde: while a value is encoded or decoded on this thread, a
//! half finds here the list that goes beside the value. In the value itself it is its place in the list.

use super::inlet::Inlet;
use super::outlet::Outlet;
use crate::descriptor::Encoding;
use crate::mux::Mux;
use crate::shared::Shared;
use mux_proto::thin_list::ThinList;
use mux_proto::wire::handles::{Half, IncomingHandle, OutgoingHandle};
use mux_proto::wire::xid::Xid;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

thread_local! {
    static ENCODING: Cell<Option<Scope>> = const { Cell::new(None) };
    /// Those of the innermost encoding last.
    static DEPARTING: RefCell<Vec<OutgoingHandle<Port>>> = const { RefCell::new(Vec::new()) };
    static DECODING: RefCell<Option<Arrivals>> = const { RefCell::new(None) };
    /// There is something in [`DECODING`]: rarely, so it is looked at first.
    static ARRIVING: Cell<bool> = const { Cell::new(false) };
}

/// The half of a channel that stays here when the other leaves.
#[derive(Clone, Debug)]
pub(crate) enum Port {
    Outlet(Arc<Outlet>),
    Inlet(Arc<Inlet>),
}

impl Port {
    /// The other half has left with a message, under this id.
    pub(crate) fn attach(&self, shared: &Arc<Shared>, id: Xid) {
        match self {
            Port::Outlet(outlet) => Outlet::attach(outlet, shared, id),
            Port::Inlet(inlet) => inlet.attach(shared, id),
        }
    }

    /// The other half has gone, or never left.
    pub(crate) fn close(&self) {
        match self {
            Port::Outlet(outlet) => outlet.close(),
            Port::Inlet(inlet) => inlet.close(),
        }
    }

    fn keep(&self, mux: &Mux) {
        match self {
            Port::Outlet(outlet) => outlet.keep(mux.clone()),
            Port::Inlet(inlet) => inlet.keep(mux.clone()),
        }
    }
}

/// Halves that leave with a message. Those that never do are closed.
#[derive(Debug, Default)]
pub(crate) struct Departures(ThinList<OutgoingHandle<Port>>);

impl Departures {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Their other halves keep the connection open.
    pub(crate) fn keep(&self, mux: &Mux) {
        self.0.iter().for_each(|leaving| leaving.port.keep(mux));
    }

    /// Closes all but the first so many.
    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.0.len() {
            drop(self.split_off(len));
        }
    }

    /// All but the first so many.
    pub(crate) fn split_off(&mut self, len: usize) -> Departures {
        Departures(self.0.split_off(len))
    }

    /// For the session, which attaches or closes each.
    #[inline]
    pub(crate) fn take_leaving(&mut self) -> ThinList<OutgoingHandle<Port>> {
        self.0.take()
    }
}

impl From<ThinList<OutgoingHandle<Port>>> for Departures {
    fn from(leaving: ThinList<OutgoingHandle<Port>>) -> Departures {
        Departures(leaving)
    }
}

impl Drop for Departures {
    fn drop(&mut self) {
        self.0.iter().for_each(|leaving| leaving.port.close());
    }
}

/// What the halves in a value that is being encoded find.
#[derive(Clone, Copy)]
struct Scope {
    encoding: Encoding,
    /// The place of the next half in the message's list.
    place: u32,
}

/// Puts back what was there before when a user's `Serialize` panics.
struct Outer {
    scope: Option<Scope>,
    /// The first place of the halves that departed within.
    first: u32,
}

impl Outer {
    /// Ends the scope. Returns the halves that departed within.
    #[inline]
    fn restore(&self) -> Option<Departures> {
        let inner = ENCODING.replace(self.scope);
        let count = inner.map_or(0, |inner| inner.place - self.first);
        (count > 0).then(|| departed(count as usize))
    }
}

#[cold]
fn departed(count: usize) -> Departures {
    DEPARTING.with_borrow_mut(|departing| {
        let before = departing.len().saturating_sub(count);
        Departures(departing.split_off(before).into())
    })
}

impl Drop for Outer {
    fn drop(&mut self) {
        drop(self.restore());
    }
}

/// Encodes a value whose halves are added to `departures`.
#[inline]
pub(crate) fn encode<R>(departures: &mut Departures, encoding: Encoding, encode: impl FnOnce() -> R) -> R {
    let first = departures.len() as u32;
    let scope = ENCODING.replace(Some(Scope { encoding, place: first }));
    let outer = Outer { scope, first };
    let encoded = encode();
    if let Some(mut departed) = outer.restore() {
        departures.0.extend(departed.take_leaving());
    }
    std::mem::forget(outer);
    encoded
}

/// The encoding of the message that is being encoded; `None` where none is.
pub(super) fn encoding() -> Option<Encoding> {
    ENCODING.get().map(|scope| scope.encoding)
}

/// Adds a half to the message that is being encoded. Returns its place in the list.
pub(super) fn depart(half: Half, port: Port) -> u32 {
    let Some(scope) = ENCODING.get() else { return 0 };
    ENCODING.set(Some(Scope { place: scope.place + 1, ..scope }));
    DEPARTING.with_borrow_mut(|departing| departing.push(OutgoingHandle { half, port }));
    scope.place
}

/// Halves that came with a message. Those that are not taken out of it are closed at both ends. Nearly all
/// messages have none.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Option<Box<Halves>>);

#[derive(Debug)]
struct Halves {
    mux: Mux,
    /// That of the message, and so of what its channels carry.
    encoding: Encoding,
    halves: Vec<Option<IncomingHandle>>,
}

impl Arrivals {
    /// `mux` makes the one that each half gets.
    #[inline]
    pub(crate) fn new(
        carried: ThinList<IncomingHandle>,
        encoding: Encoding,
        mux: impl FnOnce() -> Mux,
    ) -> Arrivals {
        if carried.is_empty() {
            return Arrivals(None);
        }
        let halves = carried.into_iter().map(Some).collect();
        Arrivals(Some(Box::new(Halves { mux: mux(), encoding, halves })))
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn take(&mut self) -> Arrivals {
        std::mem::take(self)
    }
}

impl Drop for Halves {
    fn drop(&mut self) {
        let untaken: ThinList<IncomingHandle> = self.halves.drain(..).flatten().collect();
        if !untaken.is_empty() {
            self.mux.shared().discard_halves(untaken);
        }
    }
}

/// Puts back what was there before, also when a user's `Deserialize` panics.
struct OuterArrivals(Option<Arrivals>);

impl Drop for OuterArrivals {
    fn drop(&mut self) {
        ARRIVING.set(self.0.is_some());
        let inner = DECODING.try_with(|arrivals| arrivals.replace(self.0.take()));
        // Not while the cell is borrowed: it tells the connection.
        drop(inner);
    }
}

/// Decodes a value whose halves came with its message.
pub(crate) fn decode<R>(arrivals: &mut Arrivals, decode: impl FnOnce() -> R) -> R {
    if arrivals.is_empty() && !ARRIVING.get() {
        return decode();
    }
    ARRIVING.set(true);
    let arrivals_in = arrivals.take();
    let _outer = OuterArrivals(DECODING.replace(Some(arrivals_in)));
    let decoded = decode();
    if let Some(left) = DECODING.take() {
        *arrivals = left;
    }
    decoded
}

/// Takes a half out of the message that is being decoded.
pub(super) fn arrive(place: u32, half: Half) -> Result<(Mux, Xid, Encoding), &'static str> {
    DECODING.with_borrow_mut(|arrivals| {
        let Some(arrivals) = arrivals else { return Err("a channel's half comes in a message of mux only") };
        let Some(arrivals) = &mut arrivals.0 else { return Err("the message carries no channels") };
        let Some(arrived) = arrivals.halves.get_mut(place as usize) else {
            return Err("the message carries fewer channels");
        };
        match arrived.take_if(|arrived| arrived.half == half) {
            Some(IncomingHandle { id, .. }) => Ok((arrivals.mux.clone(), id, arrivals.encoding)),
            None if arrived.is_none() => Err("this half of the channel was taken already"),
            None => Err("the other half of the channel came"),
        }
    })
}
