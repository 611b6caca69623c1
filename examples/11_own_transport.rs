//! A transport of one's own: TCP, behind a line by which a client says who it is, and proves it.
//!
//! `cargo run --example 11_own_transport`
//!
//! The listener accepts streams, and each stream has a handshake: the server reads the line in a task of its own, so that
//! a client which says nothing holds up no other, and is given up after a time. The connector says the line. Who connected is
//! known to every handler, as the peer of its context.

#![allow(clippy::print_stdout)] // an example talks to its reader

use mux::transport::{Connector, Incoming, Listener};
use mux::{Connection, Context, Peer, Server, Timeouts};
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a client may say in its line, in bytes.
const LONGEST_LINE: u64 = 256;

// The server's side of the transport.

struct Gate(TcpListener);

impl Listener for Gate {
    type Incoming = Guest;

    async fn accept(&mut self) -> io::Result<Guest> {
        let (stream, from) = self.0.accept().await?;
        Ok(Guest { stream: BufReader::new(stream), peer: Peer::new().with_ip(from.ip()) })
    }
}

/// Whose line has not come yet.
struct Guest {
    stream: BufReader<TcpStream>,
    peer: Peer,
}

impl Incoming for Guest {
    type Stream = BufReader<TcpStream>;

    fn peer(&self) -> &Peer {
        &self.peer
    }

    async fn handshake(mut self) -> io::Result<(BufReader<TcpStream>, Peer)> {
        let line = read_line(&mut self.stream).await?;
        match line.split_once(' ') {
            Some((name, token)) if is_valid(name, token) => {
                self.stream.write_all(b"welcome\n").await?;
                Ok((self.stream, self.peer.with_address(name)))
            }
            _ => {
                self.stream.write_all(b"the token is not valid\n").await?;
                Err(ErrorKind::PermissionDenied.into())
            }
        }
    }
}

fn is_valid(name: &str, token: &str) -> bool {
    token == format!("token-of-{name}")
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.take(LONGEST_LINE).read_line(&mut line).await?;
    line.strip_suffix('\n').map(str::to_owned).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

// The client's side of it.

struct Door {
    server: SocketAddr,
    name: &'static str,
    token: &'static str,
}

impl Connector for Door {
    type Stream = BufReader<TcpStream>;

    async fn connect(&self) -> io::Result<(BufReader<TcpStream>, Peer)> {
        let mut stream = BufReader::new(TcpStream::connect(self.server).await?);
        stream.write_all(format!("{} {}\n", self.name, self.token).as_bytes()).await?;
        match read_line(&mut stream).await?.as_str() {
            "welcome" => Ok((stream, Peer::new().with_address(self.server.to_string()))),
            answer => Err(io::Error::new(ErrorKind::PermissionDenied, answer)),
        }
    }
}

// A service, and who calls it.

#[mux::service]
trait Diary {
    async fn who_writes(&self, #[mux(context)] cx: &Context) -> Option<String>;
}

struct Shelf;

impl Diary for Shelf {
    async fn who_writes(&self, cx: &Context) -> Option<String> {
        cx.peer()?.address.clone()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let gate = Gate(TcpListener::bind("127.0.0.1:0").await?);
    let server = gate.0.local_addr()?;
    let times = Timeouts { handshake: Duration::from_secs(2), ..Timeouts::default() };
    tokio::spawn(Server::new().service(DiaryServer::new(Shelf)).timeouts(times).serve_on(gate).run());

    let mut silent = TcpStream::connect(server).await?;

    let ann = Door { server, name: "ann", token: "token-of-ann" };
    let diary: DiaryClient = Connection::builder().connect_with(ann).await?.client();
    println!("ann:    the server knows me as {:?}", diary.who_writes().await?);

    let eve = Door { server, name: "eve", token: "token-of-ann" };
    let refused = Connection::builder().connect_with(eve).await.err();
    println!("eve:    {}", refused.ok_or("eve was let in")?);

    println!("silent: given up by the server: {}", silent.read(&mut [0; 16]).await? == 0);
    Ok(())
}
