//! Passes items on, where both halves of a channel are elsewhere. Back-pressure and ends pass too.

use super::receiver::Receiver;
use super::sender::Sender;
use crate::api::channel_error::{ChannelError, SendError};
use crate::threads::background;
use crate::value::body;
use mux_proto::wire::fault::{Fault, FaultCode};
use tokio::runtime::Handle;

/// Starts passing on. Where no runtime can be had, both halves are dropped.
pub(super) fn spawn<T: Send + 'static, E: Send + 'static>(from: Receiver<T, E>, to: Sender<T, E>) {
    let runtime = Handle::try_current().or_else(|_| background::runtime_for_users().cloned());
    if let Ok(runtime) = runtime {
        runtime.spawn(relay(from, to));
    }
}

async fn relay<T, E>(mut from: Receiver<T, E>, mut to: Sender<T, E>) {
    loop {
        let item = tokio::select! {
            item = from.recv() => item,
            () = to.closed() => return,
        };
        match item {
            Ok(Some(item)) => match to.send(item).await {
                Ok(()) => {}
                Err(SendError::Dropped | SendError::Closed(_)) => return,
                Err(error) => return to.end_by(Fault::new(FaultCode::Unencodable, error.to_string())),
            },
            Ok(None) => return to.finish(),
            Err(ChannelError::App(error)) => return to.fail(error),
            Err(error) => return to.end_by(fault(error)),
        }
    }
}

fn fault<E>(error: ChannelError<E>) -> Fault {
    match error {
        ChannelError::Remote(remote) => body::fault_of_remote(&remote),
        ChannelError::Drained => Fault::new(FaultCode::Draining, "a connection on its way drains"),
        ChannelError::TooLarge(why) => Fault::new(FaultCode::ReplyTooLarge, why),
        ChannelError::Dropped(why) | ChannelError::Undecodable(why) => Fault::new(FaultCode::Cancelled, why),
        ChannelError::Closed(reason) => {
            Fault::new(FaultCode::Cancelled, format!("a connection on its way closed: {reason}"))
        }
        // Passed on as itself.
        ChannelError::App(_) => Fault::new(FaultCode::App, String::new()),
    }
}
