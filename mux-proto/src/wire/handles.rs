//! Channel halves that a message carries: beside its body, which names each by its place in the list.

use crate::thin_list::ThinList;
use crate::wire::cursor::Input;
use crate::wire::frame::BadFrame;
use crate::wire::xid::Xid;
use alloc::format;
use alloc::vec::Vec;
use rmp::encode as write;

/// Which half of a channel goes with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Who gets the message gets the items.
    Receiving,
    /// Who gets the message sends the items.
    Sending,
}

/// A half that leaves with a message, and the port of the half that stays.
#[derive(Debug)]
pub struct OutgoingHandle<P> {
    pub half: Half,
    pub port: P,
}

/// A half that came with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncomingHandle {
    pub id: Xid,
    pub half: Half,
}

/// Appends the list as it travels: `[[id, half], …]`.
pub(crate) fn encode(carried: &[IncomingHandle], out: &mut Vec<u8>) {
    // Writing to a `Vec` cannot fail.
    let _ = write::write_array_len(out, carried.len() as u32);
    for IncomingHandle { id, half } in carried {
        let _ = write::write_array_len(out, 2);
        let _ = write::write_uint(out, *id);
        let _ = write::write_uint(out, matches!(half, Half::Sending).into());
    }
}

/// Reads the list of an ITEM.
pub(crate) fn read(carried: Option<&[u8]>) -> Result<ThinList<IncomingHandle>, BadFrame> {
    match carried {
        None => Ok(ThinList::new()),
        Some(bytes) => decode(&mut Input { rest: bytes }),
    }
}

/// Reads such a list. Each entry takes three bytes at least, so a list is no longer than its bytes.
pub(crate) fn decode(input: &mut Input<'_>) -> Result<ThinList<IncomingHandle>, BadFrame> {
    let mut carried = ThinList::new();
    for _ in 0..input.array_len("carried channels")? {
        let fields = input.array_len("carried channel")?;
        if fields != 2 {
            return Err(BadFrame(format!("{fields} fields in a carried channel")));
        }
        let id = input.uint("channel")?;
        let half = match input.uint("half")? {
            0 => Half::Receiving,
            1 => Half::Sending,
            other => return Err(BadFrame(format!("half {other} of a channel"))),
        };
        carried.push(IncomingHandle { id, half });
    }
    Ok(carried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_survives_the_wire() {
        let list = [
            IncomingHandle { id: 9, half: Half::Receiving },
            IncomingHandle { id: u64::MAX, half: Half::Sending },
        ];
        let mut bytes = Vec::new();
        encode(&list, &mut bytes);
        assert_eq!(bytes[..4], [0x92, 0x92, 9, 0]);
        assert_eq!(decode(&mut Input { rest: &bytes }), Ok(list.to_vec().into()));
    }
}
