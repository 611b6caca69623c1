//! The address syntax, parsed once: `tcp://host:port`, `unix:path`, `exec:program arguments`.

use crate::api::error::{CallError, Error};
use crate::util::escaped::Escaped;
use std::error::Error as StdError;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where another program is to be found.
///
/// | written | means |
/// | --- | --- |
/// | `tcp://host:port` | TCP; an IPv6 address in brackets: `tcp://[::1]:7000`, a link-local one with its interface: `tcp://[fe80::1%eth0]:7000` (RFC 4007, section 11) |
/// | `unix:path` | a Unix socket; relative paths start at the working directory |
/// | `exec:program arguments` | a child process, over its standard input and output |
///
/// A child is expected to end when its standard input does, as [`stdio`](crate::stdio) has it; five
/// seconds later it is killed. The words after `exec:` are split at white space, and no shell sees them: for a word with a space
/// in it build [`Address::Exec`] directly.
///
/// ```
/// # use mux_core as mux;
/// use mux::Address;
///
/// let address: Address = "tcp://[::1]:7000".parse()?;
/// assert_eq!(address, Address::Tcp { host: "::1".into(), port: 7000 });
/// assert_eq!(address.to_string(), "tcp://[::1]:7000");
/// assert_eq!(
///     "tcp://localhost".parse::<Address>().unwrap_err().to_string(),
///     "address `tcp://localhost`: no port; write `tcp://host:port`"
/// );
/// # Ok::<(), mux::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// A name or an address, without brackets. An IPv6 address may have a zone after a `%`: the name or the
        /// number of an interface.
        host: String,
        /// The port; 0 has a listener choose one.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
    /// A program to start, and its arguments. Never empty.
    Exec(Vec<OsString>),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let bad = |why: &'static str| AddressError { address: text.to_owned(), why };
        if let Some(rest) = text.strip_prefix("tcp://") {
            tcp(rest).map_err(bad)
        } else if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                Err(bad("no path; write `unix:path`"))
            } else {
                Ok(Address::Unix(path.into()))
            }
        } else if let Some(command) = text.strip_prefix("exec:") {
            let words: Vec<OsString> = command.split_whitespace().map(Into::into).collect();
            if words.is_empty() {
                Err(bad("no program; write `exec:program arguments`"))
            } else {
                Ok(Address::Exec(words))
            }
        } else {
            Err(bad("unknown scheme; write `tcp://host:port`, `unix:path` or `exec:program arguments`"))
        }
    }
}

fn tcp(rest: &str) -> Result<Address, &'static str> {
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or("no `]` after the IPv6 address")?;
            let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
            if zone.is_empty() {
                return Err("no interface after the `%`");
            }
            if address.parse::<Ipv6Addr>().is_err() {
                return Err("what is between the brackets is not an IPv6 address");
            }
            (host, port.strip_prefix(':'))
        }
        None => match rest.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err("an IPv6 address needs brackets: `tcp://[::1]:port`");
            }
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = port.ok_or("no port; write `tcp://host:port`")?;
    if host.is_empty() {
        return Err("no host; write `tcp://host:port`");
    }
    let port = port.parse().map_err(|_| "the port is not a number from 0 to 65535")?;
    Ok(Address::Tcp { host: host.to_owned(), port })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Exec(words) => {
                f.write_str("exec:")?;
                let mut between = "";
                words.iter().try_for_each(|word| {
                    write!(f, "{between}{}", word.display())?;
                    between = " ";
                    Ok(())
                })
            }
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        let host = match address {
            SocketAddr::V6(six) if six.scope_id() != 0 => format!("{}%{}", six.ip(), six.scope_id()),
            _ => address.ip().to_string(),
        };
        Address::Tcp { host, port: address.port() }
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Address, AddressError> {
        text.parse()
    }
}

impl TryFrom<&String> for Address {
    type Error = AddressError;

    fn try_from(text: &String) -> Result<Address, AddressError> {
        text.parse()
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Address, AddressError> {
        text.parse()
    }
}

/// A Unix socket.
impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Address {
        Address::Unix(path)
    }
}

/// A Unix socket.
impl From<&Path> for Address {
    fn from(path: &Path) -> Address {
        Address::Unix(path.to_owned())
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Address {
        address.clone()
    }
}

/// Text that is no address; it says what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    address: String,
    why: &'static str,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "address `{}`: {}", Escaped(&self.address), self.why)
    }
}

impl StdError for AddressError {}

/// No connection, or no listener, could be had at an address.
///
/// It converts into the error of any call, as one that did not run:
///
/// ```
/// # use mux_core as mux;
/// # #[derive(Debug)] struct Shortage;
/// # struct Shop;
/// # impl Shop {
/// #     async fn connect(_: &str) -> Result<Shop, mux::ConnectError> {
/// #         Err("nowhere".parse::<mux::Address>().unwrap_err().into())
/// #     }
/// #     async fn take(&self, _: u32) -> Result<u32, mux::Error<Shortage>> { Ok(0) }
/// # }
/// async fn take(units: u32) -> Result<u32, mux::Error<Shortage>> {
///     Shop::connect("unix:/run/shop.sock").await?.take(units).await
/// }
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// assert!(runtime.block_on(take(3)).unwrap_err().did_not_run());
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is none.
    Address(AddressError),
    /// The system refused.
    Io {
        /// Where it was tried.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// A [`Connector`](crate::transport::Connector) failed, or took longer than
    /// [`Timeouts::handshake`](crate::Timeouts::handshake).
    Connector(io::Error),
    /// The background thread of a program without a runtime could not be started.
    Runtime(io::Error),
}

impl ConnectError {
    pub(crate) fn failed(address: &Address, source: io::Error) -> ConnectError {
        ConnectError::Io { address: address.clone(), source }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Address(error) => error.fmt(f),
            ConnectError::Io { address, source } => {
                write!(f, "{}: {source}", Escaped(&address.to_string()))
            }
            ConnectError::Connector(source) => source.fmt(f),
            ConnectError::Runtime(source) => write!(f, "no background runtime: {source}"),
        }
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            ConnectError::Address(_) => None,
            ConnectError::Io { source, .. }
            | ConnectError::Connector(source)
            | ConnectError::Runtime(source) => Some(source),
        }
    }
}

impl From<AddressError> for ConnectError {
    fn from(error: AddressError) -> ConnectError {
        ConnectError::Address(error)
    }
}

impl From<std::convert::Infallible> for ConnectError {
    fn from(never: std::convert::Infallible) -> ConnectError {
        match never {}
    }
}

/// A call that did not run, so that connecting and calling fail by one type.
impl From<ConnectError> for CallError {
    fn from(error: ConnectError) -> CallError {
        CallError::NotConnected(error.to_string())
    }
}

impl<E> From<ConnectError> for Error<E> {
    fn from(error: ConnectError) -> Error<E> {
        Error::Call(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_printed_as_they_are_written() {
        for text in [
            "tcp://localhost:80",
            "tcp://[::1]:0",
            "tcp://[fe80::1%eth0]:80",
            "unix:/run/x.sock",
            "unix:x",
            "exec:prog -a b",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_address_of_the_system_s_keeps_its_interface() {
        for text in ["127.0.0.1:80", "[::1]:80", "[fe80::1%3]:80"] {
            let address = Address::from(text.parse::<SocketAddr>().unwrap());
            assert_eq!(address.to_string(), format!("tcp://{text}"));
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }

    #[test]
    fn each_defect_is_named() {
        let cases = [
            ("", "unknown scheme"),
            ("http://x:1", "unknown scheme"),
            ("tcp://x", "no port"),
            ("tcp://:1", "no host"),
            ("tcp://x:99999", "the port"),
            ("tcp://::1:80", "brackets"),
            ("tcp://[::1", "no `]`"),
            ("tcp://[fe80::1%]:80", "no interface"),
            ("tcp://[localhost]:80", "not an IPv6 address"),
            ("tcp://[[x;y]:0", "not an IPv6 address"),
            ("unix:", "no path"),
            ("exec: ", "no program"),
        ];
        for (text, why) in cases {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
