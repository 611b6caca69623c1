//! Streams become connections.

#[cfg(feature = "process")]
use crate::api::peer::Peer;
use crate::endpoint::connection::{Connection, ConnectionBuilder};
use crate::transport::{self, Address, ConnectError, Incoming};
use mux_proto::wire::xid::Side;
use tokio::time::Instant;

/// Opens a connection to `address`, within the builder's time to connect.
pub(crate) async fn connect(
    builder: &ConnectionBuilder,
    address: &Address,
) -> Result<Connection, ConnectError> {
    let failed = |error| ConnectError::failed(address, error);
    let until = Instant::now() + builder.time_to_connect();
    match address {
        Address::Tcp { host, port } => {
            let (stream, peer) = transport::tcp::connect(host, *port, until).await.map_err(failed)?;
            Ok(builder.start(Side::Connecting, stream, peer))
        }
        #[cfg(unix)]
        Address::Unix(path) => {
            let (stream, peer) = transport::unix::connect(path, until).await.map_err(failed)?;
            Ok(builder.start(Side::Connecting, stream, peer))
        }
        #[cfg(not(unix))]
        Address::Unix(_) => Err(failed(std::io::ErrorKind::Unsupported.into())),
        #[cfg(feature = "process")]
        Address::Exec(command) => {
            let (stream, child) = transport::child::spawn(command).map_err(failed)?;
            let peer = Peer { address: Some(address.to_string()), ..Peer::default() };
            let connection = builder.start(Side::Connecting, stream, peer);
            let gone = connection.gone();
            tokio::spawn(async move {
                gone.await;
                transport::child::reap(child).await;
            });
            Ok(connection)
        }
        #[cfg(not(feature = "process"))]
        Address::Exec(_) => {
            let why = "this program was built without the feature `process`";
            Err(failed(std::io::Error::new(std::io::ErrorKind::Unsupported, why)))
        }
    }
}

impl Incoming {
    pub(crate) fn start(self, builder: &ConnectionBuilder) -> Connection {
        match self {
            Incoming::Tcp(stream, peer) => builder.start(Side::Accepting, stream, peer),
            #[cfg(unix)]
            Incoming::Unix(stream, peer) => builder.start(Side::Accepting, stream, peer),
        }
    }
}
