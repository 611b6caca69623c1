//! A handler's future, whatever its type, in a box that another of its type uses after it.

use crate::serve::responder::Responder;
use crate::threads::panic;
use crate::value::body::Outcome;
use pin_project_lite::pin_project;
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A handler. Its panic is its outcome.
pub(crate) struct Handler(Pin<Box<dyn Job>>);

impl Handler {
    /// Of a future that is there. Uses the box of one that has ended, where that was of the same type.
    pub(crate) fn new<F>(future: &mut Option<F>, spare: Option<Handler>) -> Option<Handler>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        if let Some(mut spare) = spare
            && spare.0.as_mut().begin(future)
        {
            return Some(spare);
        }
        future.take().map(|future| Handler(Box::pin(Boxed { future, responder: None })))
    }

    /// It goes on by itself, and answers when it ends.
    pub(crate) fn spawned(mut self, responder: Responder) -> SpawnedHandler {
        *self.0.as_mut().responder() = Some(responder);
        SpawnedHandler(self)
    }
}

impl Future for Handler {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match panic::catch(|| self.0.as_mut().poll(cx)) {
            Ok(poll) => poll,
            Err(panicked) => Poll::Ready(Outcome::panicked(&panicked)),
        }
    }
}

/// A handler on a task or thread of its own. Dropped before its end, it is answered for all the same. It is no
/// larger than its box: tokio's tasks come in sizes of 128 bytes.
pub(crate) struct SpawnedHandler(Handler);

impl SpawnedHandler {
    /// Whom it owes its answer.
    pub(crate) fn responder(&mut self) -> Option<&Responder> {
        self.0.0.as_mut().responder().as_ref()
    }
}

impl Future for SpawnedHandler {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let outcome = ready!(Pin::new(&mut self.0).poll(cx));
        if let Some(responder) = self.0.0.as_mut().responder().take() {
            responder.finish(outcome);
        }
        Poll::Ready(())
    }
}

/// What is in the box.
trait Job: Future<Output = Outcome> + Send {
    /// Takes the next future, if it is of this one's type.
    fn begin(self: Pin<&mut Self>, next: &mut dyn Any) -> bool;

    fn responder(self: Pin<&mut Self>) -> &mut Option<Responder>;
}

pin_project! {
    struct Boxed<F> {
        #[pin]
        future: F,
        // Dropped after the future.
        responder: Option<Responder>,
    }
}

impl<F: Future<Output = Outcome>> Future for Boxed<F> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.project().future.poll(cx)
    }
}

impl<F: Future<Output = Outcome> + Send + 'static> Job for Boxed<F> {
    fn begin(self: Pin<&mut Self>, next: &mut dyn Any) -> bool {
        let Some(next) = next.downcast_mut::<Option<F>>() else { return false };
        let Some(next) = next.take() else { return false };
        self.project().future.set(next);
        true
    }

    fn responder(self: Pin<&mut Self>) -> &mut Option<Responder> {
        self.project().responder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;
    use std::task::Waker;

    fn poll(handler: &mut Handler) -> Poll<Outcome> {
        Pin::new(handler).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_next_of_a_type_takes_the_box_and_another_does_not() {
        let mut first = Handler::new(&mut Some(ready(Outcome::none())), None).unwrap();
        assert!(poll(&mut first).is_ready());
        let (mut next, mut other) = (Some(ready(Outcome::none())), Some(async { Outcome::none() }));
        assert!(!first.0.as_mut().begin(&mut other));
        assert!(first.0.as_mut().begin(&mut next));
        assert!((next.is_none(), other.is_some()) == (true, true));
        assert!(poll(&mut first).is_ready());
        assert!(
            poll(&mut Handler::new(&mut Some(async { Outcome::none() }), Some(first)).unwrap()).is_ready()
        );
    }

    #[test]
    fn a_handler_that_panicked_leaves_its_box_to_the_next() {
        let future = |panics: bool| async move {
            assert!(!panics, "on purpose");
            Outcome::none()
        };
        let mut handler = Handler::new(&mut Some(future(true)), None).unwrap();
        assert!(poll(&mut handler).is_ready());
        assert!(handler.0.as_mut().begin(&mut Some(future(false))));
        assert!(poll(&mut handler).is_ready());
    }

    #[test]
    fn a_task_of_its_own_holds_no_more_than_a_pointer_to_a_dyn() {
        assert_eq!(size_of::<SpawnedHandler>(), size_of::<&dyn Job>());
    }
}
