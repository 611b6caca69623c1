//! What a method came to, encoded.

use super::bin::{BinRef, encode_bin};
use super::evidence::{ErrorEvidence, Evidence};
use super::fallible::{Fallible, FaultParts};
use super::fault::{fault_of_remote, redact};
use super::whole::encode_result;
use crate::api::descriptor::Encoding;
use crate::api::error::{Error, Refused, RemoteError};
use crate::link::port::OutgoingHandles;
use crate::util::buffer;
use crate::value::EncodeError;
use ::bytes::Bytes;
use mux_proto::session::message::Answer;
use mux_proto::session::outbox::payload::Payload;
use mux_proto::wire::fault::{Fault, FaultCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a method came to, encoded.
#[derive(Debug)]
pub struct Outcome {
    answer: Option<Answer>,
    handles: OutgoingHandles,
}

impl Outcome {
    /// A plain value.
    pub fn value<T: Evidence>(value: &T::Value, encoding: Encoding, _: T) -> Outcome {
        Outcome::encoded(encode_result(value, encoding))
    }

    /// Plain bytes.
    pub fn bytes(value: impl Into<Bytes>) -> Outcome {
        let mut out = Payload::from(buffer::take());
        let encoded = encode_bin(&BinRef::Shared(&value.into()), &mut out);
        Outcome::encoded(encoded.map(|()| (out, OutgoingHandles::default())))
    }

    /// The value or the error of a `Result`.
    pub fn result<T: Evidence, E: ErrorEvidence>(
        result: Result<T::Value, E::Error>,
        encoding: Encoding,
        value: T,
        _: E,
    ) -> Outcome {
        match result {
            Ok(returned) => Outcome::value(&returned, encoding, value),
            Err(error) => Outcome::failed(error, encoding),
        }
    }

    /// What a demux came to.
    pub(crate) fn untyped<V>(result: Result<V, Error<V>>) -> Outcome
    where
        V: Serialize + DeserializeOwned + Send + 'static,
    {
        match result {
            Ok(value) => Outcome::encoded(encode_result(&value, Encoding::Named)),
            Err(Error::App(error)) => Outcome::failed(error, Encoding::Named),
            Err(Error::Remote(remote)) => Outcome::fault(fault_of_remote(&remote)),
            Err(Error::Call(error)) => Outcome::fault(error.into_fault()),
        }
    }

    /// Nothing: the outcome of a notify, or of a stream that has ended.
    pub fn none() -> Outcome {
        Outcome { answer: None, handles: OutgoingHandles::default() }
    }

    pub(crate) fn failed<E: Fallible>(error: E, encoding: Encoding) -> Outcome {
        let FaultParts(fault, handles) = error.into_fault(encoding);
        Outcome { answer: Some(Answer::fault(fault)), handles }
    }

    pub(crate) fn panicked(panicked: &RemoteError) -> Outcome {
        Outcome::fault(fault_of_remote(panicked))
    }

    pub(crate) fn fault(fault: Fault) -> Outcome {
        Outcome { answer: Some(Answer::fault(fault)), handles: OutgoingHandles::default() }
    }

    fn encoded(encoded: Result<(Payload, OutgoingHandles), EncodeError>) -> Outcome {
        match encoded {
            Ok((value, handles)) => Outcome { answer: Some(Answer::Value(value)), handles },
            Err(error) => Outcome::fault(Fault::new(FaultCode::Unencodable, error.0)),
        }
    }

    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        matches!(&self.answer, Some(Answer::Value(value)) if value.is_large())
    }

    /// Takes out of traces what may not be revealed.
    #[inline]
    pub(crate) fn redact(&mut self, reveal_traces: bool) {
        if let Some(Answer::Fault(fault)) = &mut self.answer
            && !reveal_traces
        {
            redact(fault);
        }
    }

    /// The answer to send, and what it carries.
    #[inline]
    pub(crate) fn answer_mut(&mut self) -> (&mut Answer, &mut OutgoingHandles) {
        (self.answer.get_or_insert_with(|| Answer::Value(vec![0xc0].into())), &mut self.handles)
    }

    /// What is left of it is dropped, its buffer used again.
    #[inline]
    pub(crate) fn recycle(self) {
        if let Some(Answer::Value(value)) = self.answer {
            buffer::give(value.into_buffer());
        }
    }
}

impl From<Refused> for Outcome {
    fn from(refused: Refused) -> Outcome {
        Outcome::fault(refused.into_fault())
    }
}

/// What a caller in this process is told.
pub fn local_result<T, E: ErrorEvidence>(result: Result<T, E::Error>, _: E) -> Result<T, Error<E::App>> {
    result.map_err(Fallible::into_error)
}
