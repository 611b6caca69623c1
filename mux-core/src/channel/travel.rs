//! Halves on their way to another process, through serde, and what stays of them here.

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::local::{Local, Phase};
use super::receiver::{self, Receiver};
use super::relay;
use super::sender::{self, Sender};
use crate::api::descriptor::Encoding;
use crate::link::pending_receiver::PendingReceiver;
use crate::link::port::ChannelPort;
use crate::link::send_queue::{Batch, SendQueue};
use crate::value::{probe, scope};
use mux_proto::wire::fault::{Fault, FaultCode};
use mux_proto::wire::handles::Half;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::{Arc, Mutex};

impl<T, E> Serialize for Sender<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    /// Sends this half away: its items come to the receiver that stays.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if probe::is_within() {
            probe::item::<T>();
            probe::item::<E>();
            return serializer.serialize_unit();
        }
        let Some(encoding) = scope::encoding() else {
            return Err(serde::ser::Error::custom("a channel's half leaves in a message of mux only"));
        };
        let other_end = self.take_other_end();
        if let sender::OtherEnd::Gone = other_end {
            return Err(serde::ser::Error::custom("this sender was sent away before"));
        }
        serializer.serialize_u32(scope::depart(
            Half::Sending,
            ChannelPort::PendingReceiver(leave_sender(other_end, encoding)),
        ))
    }
}

impl<T, E> Sender<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    /// What stays of it here when it is sent away.
    pub(super) fn leave(self, encoding: Encoding) -> ChannelPort {
        ChannelPort::PendingReceiver(leave_sender(self.take_other_end(), encoding))
    }
}

/// The pending receiver that stands for a sender which leaves.
fn leave_sender<T, E>(other_end: sender::OtherEnd<T, E>, encoding: Encoding) -> Arc<PendingReceiver>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    let pending = Arc::new(PendingReceiver::default());
    let local = match other_end {
        sender::OtherEnd::Local(local) => local,
        sender::OtherEnd::Remote(remote) => {
            let sender = Sender { other_end: Mutex::new(sender::OtherEnd::Remote(remote)) };
            relay::spawn(Receiver::pending(Arc::clone(&pending), encoding), sender);
            return pending;
        }
        sender::OtherEnd::Gone => return pending,
    };
    let left = local.tell(|state| {
        if let Phase::Open = state.phase {
            state.phase = Phase::SenderLeft(Arc::clone(&pending), Decoder::new(encoding));
        }
        state.receiver_left()
    });
    match left {
        // Both leave: items pass through here.
        Some((send_queue, encoder)) => {
            relay::spawn(
                Receiver::pending(Arc::clone(&pending), encoding),
                Sender::remote(send_queue, encoder),
            );
        }
        None if local.lock().is_receiver_gone() => pending.drop_receiver(),
        None => {}
    }
    pending
}

impl<'de, T, E> Deserialize<'de> for Sender<T, E>
where
    T: Serialize + 'static,
    E: Serialize + 'static,
{
    /// Takes this half out of the message that carries it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sender<T, E>, D::Error> {
        let place = u32::deserialize(deserializer)?;
        if probe::is_within() {
            return Ok(super::channel_with_error().0);
        }
        let (mux, id, encoding) = scope::arrive(place, Half::Sending).map_err(serde::de::Error::custom)?;
        Ok(Sender::arrived((mux, id), encoding))
    }
}

impl<T, E> Serialize for Receiver<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    /// Sends this half away: it gets what the sender that stays sends.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if probe::is_within() {
            probe::item::<T>();
            probe::item::<E>();
            return serializer.serialize_unit();
        }
        let Some(encoding) = scope::encoding() else {
            return Err(serde::ser::Error::custom("a channel's half leaves in a message of mux only"));
        };
        let other_end = self.take_other_end();
        if let receiver::OtherEnd::Gone = other_end {
            return Err(serde::ser::Error::custom("this receiver was sent away, or has ended"));
        }
        serializer.serialize_u32(scope::depart(
            Half::Receiving,
            ChannelPort::SendQueue(leave_receiver(other_end, encoding)),
        ))
    }
}

impl<T, E> Receiver<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    /// What stays of it here when it is sent away.
    pub(super) fn leave(self, encoding: Encoding) -> ChannelPort {
        ChannelPort::SendQueue(leave_receiver(self.take_other_end(), encoding))
    }
}

/// The send queue that stands for a receiver which leaves.
fn leave_receiver<T, E>(other_end: receiver::OtherEnd<T, E>, encoding: Encoding) -> Arc<SendQueue>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    let send_queue = Arc::new(SendQueue::default());
    let encoder = Encoder::new(encoding);
    match other_end {
        receiver::OtherEnd::Local(local) => leave_local(&local, &send_queue, encoder),
        // What comes from elsewhere passes through here.
        other_end => {
            relay::spawn(
                Receiver { other_end: Mutex::new(other_end) },
                Sender::remote(Arc::clone(&send_queue), encoder),
            );
        }
    }
    send_queue
}

fn leave_local<T, E>(local: &Arc<Local<T, E>>, send_queue: &Arc<SendQueue>, encoder: Encoder<T, E>)
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    loop {
        let mut state = local.lock();
        if let Phase::SenderLeft(..) = state.phase {
            drop(state);
            let receiver = Receiver::local(Arc::clone(local));
            return relay::spawn(receiver, Sender::remote(Arc::clone(send_queue), encoder));
        }
        if state.queue.is_empty() {
            let ended = state.take_ending();
            state.phase = Phase::ReceiverLeft(Arc::clone(send_queue), encoder);
            drop(state);
            if let Some(ended) = ended {
                SendQueue::end(send_queue, encoder.ending(ended));
            }
            // The sender goes on over there.
            return local.tell(|_| ());
        }
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        // Encoding runs code of the user, which never runs under a lock.
        for item in queue {
            let mut batch = Batch::default();
            match encoder.append(&item, &mut batch) {
                // Fails where the message was given up meanwhile; so are its items.
                Ok(()) => drop(SendQueue::push_batch(send_queue, batch)),
                Err(error) => {
                    let why = format!("an item could not be encoded: {error}");
                    SendQueue::end(send_queue, Some(Fault::new(FaultCode::Unencodable, why)));
                }
            }
        }
    }
}

impl<'de, T, E> Deserialize<'de> for Receiver<T, E>
where
    T: DeserializeOwned + Send + 'static,
    E: DeserializeOwned + 'static,
{
    /// Takes this half out of the message that carries it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Receiver<T, E>, D::Error> {
        let place = u32::deserialize(deserializer)?;
        if probe::is_within() {
            return Ok(super::channel_with_error().1);
        }
        let (mux, id, encoding) = scope::arrive(place, Half::Receiving).map_err(serde::de::Error::custom)?;
        Ok(Receiver::arrived((mux, id), encoding))
    }
}
