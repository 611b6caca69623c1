//! The same services in the words of either framework.

use std::fmt::{self, Display};

/// What the crate is written for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Framework {
    Mux,
    Tarpc,
}

impl Framework {
    pub const ALL: [Self; 2] = [Self::Mux, Self::Tarpc];
}

impl Display for Framework {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mux => "mux",
            Self::Tarpc => "tarpc",
        })
    }
}

/// A method: the same work, as each framework has one write it.
struct Kind {
    /// In the trait, from the parenthesis on.
    mux: &'static str,
    tarpc: &'static str,
    /// `EDIT` is where the body is changed.
    body: &'static str,
    /// The arguments of the call.
    mux_call: &'static str,
    tarpc_call: &'static str,
    fails: bool,
}

const KINDS: [Kind; 6] = [
    Kind {
        mux: "name: &str) -> String",
        tarpc: "name: String) -> String",
        body: "format!(\"{name}: {}\", EDIT)",
        mux_call: "\"apple\"",
        tarpc_call: "\"apple\".to_owned()",
        fails: false,
    },
    Kind {
        mux: "left: u32, right: u32) -> u32",
        tarpc: "left: u32, right: u32) -> u32",
        body: "left.wrapping_add(right).wrapping_add(EDIT)",
        mux_call: "1, 2",
        tarpc_call: "1, 2",
        fails: false,
    },
    Kind {
        mux: "text: String) -> u64",
        tarpc: "text: String) -> u64",
        body: "text.len() as u64 + EDIT",
        mux_call: "\"pear\".to_owned()",
        tarpc_call: "\"pear\".to_owned()",
        fails: false,
    },
    Kind {
        mux: "item: Item) -> Item",
        tarpc: "item: Item) -> Item",
        body: "Item { units: item.units.wrapping_add(EDIT), ..item }",
        mux_call: "Item::default()",
        tarpc_call: "Item::default()",
        fails: false,
    },
    Kind {
        mux: "sku: &str, units: u32) -> Result<u32, Shortage>",
        tarpc: "sku: String, units: u32) -> Result<u32, Shortage>",
        body: "if units > EDIT { Err(Shortage { left: sku.len() as u32 }) } else { Ok(units) }",
        mux_call: "\"plum\", 0",
        tarpc_call: "\"plum\".to_owned(), 0",
        fails: true,
    },
    Kind {
        mux: "bytes: Vec<u8>) -> Vec<u8>",
        tarpc: "bytes: Vec<u8>) -> Vec<u8>",
        body: "if bytes.len() == EDIT { Vec::new() } else { bytes }",
        mux_call: "vec![1, 2, 3]",
        tarpc_call: "vec![1, 2, 3]",
        fails: false,
    },
];

const TYPES: &str = "
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Item {
    pub name: String,
    pub units: u32,
    pub price: f64,
    pub tags: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Shortage {
    pub left: u32,
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, \"only {} left\", self.left)
    }
}

impl std::error::Error for Shortage {}
";

/// The module of one service: its types, its trait, an implementation, and a call of each method.
pub fn module(framework: Framework, service: usize, methods: usize, edit: usize) -> String {
    let of_all = |text: fn(Framework, usize, usize) -> String| -> String {
        (0..methods).map(|method| text(framework, method, if method == 0 { edit } else { method })).collect()
    };
    let (declared, implemented, called) = (of_all(declared), of_all(implemented), of_all(called));
    let frame = match framework {
        Framework::Mux => MUX,
        Framework::Tarpc => TARPC,
    };
    let filled = frame.replace("DECLARED", &declared).replace("IMPLEMENTED", &implemented);
    let filled = filled.replace("CALLED", &called).replace("NAME", &format!("Store{service}"));
    format!("{TYPES}{filled}")
}

fn kind(method: usize) -> &'static Kind {
    &KINDS[method % KINDS.len()]
}

fn declared(framework: Framework, method: usize, _: usize) -> String {
    let Kind { mux, tarpc, .. } = kind(method);
    match framework {
        Framework::Mux => format!("    async fn method_{method}(&self, {mux};\n"),
        Framework::Tarpc => format!("    async fn method_{method}({tarpc};\n"),
    }
}

fn implemented(framework: Framework, method: usize, edit: usize) -> String {
    let Kind { mux, tarpc, body, .. } = kind(method);
    let body = body.replace("EDIT", &edit.to_string());
    match framework {
        Framework::Mux => format!("    async fn method_{method}(&self, {mux} {{ {body} }}\n"),
        Framework::Tarpc => format!("    async fn method_{method}(self, _: Context, {tarpc} {{ {body} }}\n"),
    }
}

fn called(framework: Framework, method: usize, _: usize) -> String {
    let Kind { mux_call, tarpc_call, fails, .. } = kind(method);
    match framework {
        Framework::Mux => format!("    client.method_{method}({mux_call}).await?;\n"),
        Framework::Tarpc => {
            let and_its_own = if *fails { "?" } else { "" };
            format!("    client.method_{method}(context::current(), {tarpc_call}).await?{and_its_own};\n")
        }
    }
}

const MUX: &str = "
#[mux::service]
pub trait NAME {
DECLARED}

pub struct Shop;

impl NAME for Shop {
IMPLEMENTED}

pub async fn ask(connection: &mux::Connection) -> Result<(), Box<dyn std::error::Error>> {
    let client = NAMEClient::new(connection);
CALLED    Ok(())
}
";

const TARPC: &str = "
use futures::StreamExt;
use std::net::SocketAddr;
use tarpc::client::Config;
use tarpc::context::{self, Context};
use tarpc::serde_transport::tcp;
use tarpc::server::{BaseChannel, Channel};
use tokio_serde::formats::MessagePack;

#[tarpc::service]
pub trait NAME {
DECLARED}

#[derive(Clone)]
pub struct Shop;

impl NAME for Shop {
IMPLEMENTED}

pub async fn serve() -> std::io::Result<SocketAddr> {
    let mut listener = tcp::listen(\"127.0.0.1:0\", MessagePack::default).await?;
    let address = listener.local_addr();
    tokio::spawn(async move {
        while let Some(Ok(transport)) = listener.next().await {
            let requests = BaseChannel::with_defaults(transport).execute(Shop.serve());
            tokio::spawn(requests.for_each(async |request| {
                tokio::spawn(request);
            }));
        }
    });
    Ok(address)
}

pub async fn ask(address: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let client = NAMEClient::new(Config::default(), tcp::connect(address, MessagePack::default).await?).spawn();
CALLED    Ok(())
}
";

/// The program: serves them all, and has each called.
pub fn main(framework: Framework, services: usize) -> String {
    let of_all = |text: fn(Framework, usize) -> String| -> String {
        (0..services).map(|service| text(framework, service)).collect()
    };
    let modules = (0..services).map(|service| format!("mod store_{service};\n")).collect::<String>();
    let body = match framework {
        Framework::Mux => MUX_MAIN.replace("SERVED", &of_all(served)),
        Framework::Tarpc => TARPC_MAIN.to_owned(),
    };
    format!("{modules}{}", body.replace("ASKED", &of_all(asked)))
}

fn served(_: Framework, service: usize) -> String {
    format!("\n        .service(store_{service}::Store{service}Server::new(store_{service}::Shop))")
}

fn asked(framework: Framework, service: usize) -> String {
    match framework {
        Framework::Mux => format!("    store_{service}::ask(&connection).await?;\n"),
        Framework::Tarpc => format!("    store_{service}::ask(store_{service}::serve().await?).await?;\n"),
    }
}

const MUX_MAIN: &str = "
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = mux::Server::new()SERVED;
    let listening = server.listen(\"tcp://127.0.0.1:0\").await?;
    let connection = mux::Connection::connect(listening.addresses().remove(0)).await?;
    tokio::spawn(listening.run());
ASKED    Ok(())
}
";

const TARPC_MAIN: &str = "
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
ASKED    Ok(())
}
";

/// What the crate depends on, in `Cargo.toml`; `mux` is where mux is.
pub fn dependencies(framework: Framework, mux: &str) -> String {
    match framework {
        Framework::Mux => {
            format!("mux = {{ path = {mux:?}, package = \"mux-rpc\", default-features = false }}\n")
        }
        Framework::Tarpc => "futures = { version = \"0.3\", default-features = false }\n\
             tarpc = { version = \"0.38\", features = [\"serde-transport\", \"tcp\", \"tokio1\"] }\n\
             tokio-serde = { version = \"0.9\", features = [\"messagepack\"] }\n"
            .to_owned(),
    }
}
