//! Halves of channels on their way through serde: while a value is encoded or decoded on this thread, a
//! half finds here the list that goes beside the value. In the value itself it is its place in the list.

use crate::api::descriptor::Encoding;
use crate::link::handle::Mux;
use crate::link::port::{ChannelPort, OutgoingHandles};
use mux_proto::thin_list::ThinList;
use mux_proto::wire::handles::{Half, IncomingHandle, OutgoingHandle};
use mux_proto::wire::xid::Xid;
use std::cell::{Cell, RefCell};

thread_local! {
    static ENCODING: Cell<Option<Scope>> = const { Cell::new(None) };
    /// Those of the innermost encoding last.
    static DEPARTING: RefCell<Vec<OutgoingHandle<ChannelPort>>> = const { RefCell::new(Vec::new()) };
    static DECODING: RefCell<Option<IncomingHandles>> = const { RefCell::new(None) };
    /// There is something in [`DECODING`]: rarely, so it is looked at first.
    static ARRIVING: Cell<bool> = const { Cell::new(false) };
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
    fn restore(&self) -> Option<OutgoingHandles> {
        let inner = ENCODING.replace(self.scope);
        let count = inner.map_or(0, |inner| inner.place - self.first);
        (count > 0).then(|| departed(count as usize))
    }
}

#[cold]
fn departed(count: usize) -> OutgoingHandles {
    DEPARTING.with_borrow_mut(|departing| {
        let before = departing.len().saturating_sub(count);
        OutgoingHandles::from(ThinList::from(departing.split_off(before)))
    })
}

impl Drop for Outer {
    fn drop(&mut self) {
        drop(self.restore());
    }
}

/// Encodes a value whose halves are added to `handles`.
#[inline]
pub(crate) fn encode<R>(handles: &mut OutgoingHandles, encoding: Encoding, encode: impl FnOnce() -> R) -> R {
    let first = handles.len() as u32;
    let scope = ENCODING.replace(Some(Scope { encoding, place: first }));
    let outer = Outer { scope, first };
    let encoded = encode();
    if let Some(mut departed) = outer.restore() {
        handles.extend(departed.take());
    }
    std::mem::forget(outer);
    encoded
}

/// The encoding of the message that is being encoded; `None` where none is.
pub(crate) fn encoding() -> Option<Encoding> {
    ENCODING.get().map(|scope| scope.encoding)
}

/// How many halves of channels the message that is being encoded has so far.
pub(crate) fn departed_so_far() -> u32 {
    ENCODING.get().map_or(0, |scope| scope.place)
}

/// Adds a half to the message that is being encoded. Returns its place in the list.
pub(crate) fn depart(half: Half, port: ChannelPort) -> u32 {
    let Some(scope) = ENCODING.get() else { return 0 };
    ENCODING.set(Some(Scope { place: scope.place + 1, ..scope }));
    DEPARTING.with_borrow_mut(|departing| departing.push(OutgoingHandle { half, port }));
    scope.place
}

/// Halves that came with a message. Those that are not taken out of it are closed at both ends. Nearly all
/// messages have none.
#[derive(Debug, Default)]
pub(crate) struct IncomingHandles(Option<Box<Halves>>);

#[derive(Debug)]
struct Halves {
    mux: Mux,
    /// That of the message, and so of what its channels carry.
    encoding: Encoding,
    halves: Vec<Option<IncomingHandle>>,
}

impl IncomingHandles {
    /// `mux` makes the one that each half gets.
    #[inline]
    pub(crate) fn new(
        carried: ThinList<IncomingHandle>,
        encoding: Encoding,
        mux: impl FnOnce() -> Mux,
    ) -> IncomingHandles {
        if carried.is_empty() {
            return IncomingHandles(None);
        }
        let halves = carried.into_iter().map(Some).collect();
        IncomingHandles(Some(Box::new(Halves { mux: mux(), encoding, halves })))
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn take(&mut self) -> IncomingHandles {
        std::mem::take(self)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |handles| handles.halves.len())
    }

    /// The encoding of what their channels carry.
    pub(crate) fn set_encoding(&mut self, encoding: Encoding) {
        if let Some(handles) = &mut self.0 {
            handles.encoding = encoding;
        }
    }

    /// Takes the halves out, in order, and what each gets of its connection.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Mux, IncomingHandle)> {
        let taken =
            self.0.take().map(|mut handles| (handles.mux.clone(), std::mem::take(&mut handles.halves)));
        let of_each = |(mux, halves): (Mux, Vec<Option<IncomingHandle>>)| {
            halves.into_iter().flatten().map(move |half| (mux.clone(), half))
        };
        taken.into_iter().flat_map(of_each)
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
struct OuterArrivals(Option<IncomingHandles>);

impl Drop for OuterArrivals {
    fn drop(&mut self) {
        ARRIVING.set(self.0.is_some());
        let inner = DECODING.try_with(|handles| handles.replace(self.0.take()));
        // Not while the cell is borrowed: it tells the connection.
        drop(inner);
    }
}

/// Decodes a value whose halves came with its message.
pub(crate) fn decode<R>(handles: &mut IncomingHandles, decode: impl FnOnce() -> R) -> R {
    if handles.is_empty() && !ARRIVING.get() {
        return decode();
    }
    ARRIVING.set(true);
    let arrivals_in = handles.take();
    let _outer = OuterArrivals(DECODING.replace(Some(arrivals_in)));
    let decoded = decode();
    if let Some(left) = DECODING.take() {
        *handles = left;
    }
    decoded
}

/// Takes all halves out of the message that is being decoded.
pub(crate) fn arrive_all() -> Result<IncomingHandles, &'static str> {
    DECODING.with_borrow_mut(|handles| {
        let Some(handles) = handles else { return Ok(IncomingHandles::default()) };
        if handles.0.as_ref().is_some_and(|handles| handles.halves.contains(&None)) {
            return Err("an encoded value beside halves of channels");
        }
        Ok(handles.take())
    })
}

/// Takes a half out of the message that is being decoded.
pub(crate) fn arrive(place: u32, half: Half) -> Result<(Mux, Xid, Encoding), &'static str> {
    DECODING.with_borrow_mut(|handles| {
        let Some(handles) = handles else { return Err("a channel's half comes in a message of mux only") };
        let Some(handles) = &mut handles.0 else { return Err("the message carries no channels") };
        let Some(arrived) = handles.halves.get_mut(place as usize) else {
            return Err("the message carries fewer channels");
        };
        match arrived.take_if(|arrived| arrived.half == half) {
            Some(IncomingHandle { id, .. }) => Ok((handles.mux.clone(), id, handles.encoding)),
            None if arrived.is_none() => Err("this half of the channel was taken already"),
            None => Err("the other half of the channel came"),
        }
    })
}
