//! The dream of one blocking thread: plain bytes through a socket of the standard library, and back.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Blocks;
use crate::Result;
use crate::address::Address;
use crate::calls::message::{Load, Plain};

trait Socket: Read + Write + Send {}

impl<S: Read + Write + Send> Socket for S {}

/// A length, and as many bytes as a message has.
type Frame = [u8; size_of::<u32>() + size_of::<Plain>()];

/// One caller has it at a time.
#[derive(Clone)]
pub struct Asker(Arc<Mutex<dyn Socket>>);

impl Blocks for Asker {
    fn connect(address: &Address) -> Result<Self> {
        Ok(match address {
            Address::Unix(path) => Self(Arc::new(Mutex::new(UnixStream::connect(path)?))),
            Address::Tcp(address) => Self(Arc::new(Mutex::new(without_delay(TcpStream::connect(address)?)?))),
        })
    }

    fn turn(&self, number: u64) -> Result<()> {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (head, body) = (size_of::<Plain>() as u32, Plain::numbered(number));
        let mut frame: Frame = [0; _];
        frame[..4].copy_from_slice(&head.to_be_bytes());
        frame[4..].copy_from_slice(&body);
        socket.write_all(&frame)?;
        socket.read_exact(&mut frame)?;
        if frame[4..] == body { Ok(()) } else { Err("another answer came than was sent".into()) }
    }
}

/// Answers until the process is ended.
pub fn serve(address: Address) -> Result<()> {
    match address {
        Address::Unix(path) => {
            let listener = UnixListener::bind(path)?;
            listener.incoming().try_for_each(|stream| answer(stream?))
        }
        Address::Tcp(address) => {
            let listener = TcpListener::bind(address)?;
            listener.incoming().try_for_each(|stream| answer(without_delay(stream?)?))
        }
    }
}

/// Until the stream ends.
fn answer(mut socket: impl Socket) -> Result<()> {
    let mut frame: Frame = [0; _];
    while socket.read_exact(&mut frame).is_ok() {
        socket.write_all(&frame)?;
    }
    Ok(())
}

fn without_delay(stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

pub fn count(turns: u64) -> Result<()> {
    let (asking, answering) = UnixStream::pair()?;
    let answering = thread::spawn(|| answer(answering));
    let asker = Asker(Arc::new(Mutex::new(asking)));
    (0..turns).try_for_each(|number| asker.turn(number))?;
    drop(asker);
    answering.join().map_err(|_| "the answering thread panicked")?
}
