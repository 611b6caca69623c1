//! Who gets the places of a server's connections, where there are not enough.

use crate::demo::{DemoClient, DemoServer, Desk};
use mux::{Address, Connection, Server, Timeouts};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Longer than anything here takes, so that what never comes fails a test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(20);

async fn serve(server: Server, address: &str) -> Address {
    let server = server.service(DemoServer::new(Desk::default())).listen(address).await.unwrap();
    let address = server.addresses().remove(0);
    tokio::spawn(server.run());
    address
}

fn socket_address(address: &Address) -> SocketAddr {
    address.to_string().trim_start_matches("tcp://").parse().unwrap()
}

async fn answers(client: &DemoClient) -> bool {
    timeout(PATIENCE, client.echo("x")).await.expect("in time").is_ok()
}

async fn is_turned_away(client: &DemoClient) {
    let error = timeout(PATIENCE, client.echo("x")).await.expect("in time").unwrap_err();
    assert!(error.did_not_run(), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("too many connections of this peer"), "{said}");
}

#[tokio::test]
async fn a_peer_holds_no_more_connections_than_it_may_and_is_told_so() {
    let address = serve(Server::new().max_connections_per_peer(2), "tcp://127.0.0.1:0").await;
    let connect = async || DemoClient::connect(&address).await.unwrap();
    let (first, second) = (connect().await, connect().await);
    assert!(answers(&first).await && answers(&second).await);
    for _ in 0..100 {
        is_turned_away(&connect().await).await;
    }
    drop(first);
    let mut third = connect().await;
    for _ in 0..1000 {
        if answers(&third).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        third = connect().await;
    }
    assert!(answers(&third).await && answers(&second).await);
}

/// Linux takes all of 127.0.0.0/8 for this machine's.
#[cfg(target_os = "linux")]
async fn connect_from(from: &str, address: &Address) -> DemoClient {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    let stream = socket.connect(socket_address(address)).await.unwrap();
    Connection::builder().open(stream).client()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_one_address_holds_is_nothing_to_another() {
    let address = serve(Server::new().max_connections_per_peer(1), "tcp://127.0.0.1:0").await;
    let first = connect_from("127.0.0.1", &address).await;
    assert!(answers(&first).await);
    is_turned_away(&connect_from("127.0.0.1", &address).await).await;
    assert!(answers(&connect_from("127.0.0.2", &address).await).await);
}

#[cfg(unix)]
#[tokio::test]
async fn a_user_holds_no_more_connections_over_unix_sockets_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("unix:{}", folder.path().join("places.sock").display());
    let address = serve(Server::new().max_connections_per_peer(1), &path).await;
    let first = DemoClient::connect(&address).await.unwrap();
    assert!(answers(&first).await);
    is_turned_away(&DemoClient::connect(&address).await.unwrap()).await;
}

#[tokio::test]
async fn the_silent_make_room_before_their_time_where_places_are_short() {
    let times = Timeouts { handshake: Duration::from_secs(3600), ..Timeouts::default() };
    let address = serve(Server::new().max_connections(8).timeouts(times), "tcp://127.0.0.1:0").await;
    let heard = DemoClient::connect(&address).await.unwrap();
    assert!(answers(&heard).await);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(socket_address(&address)).await.unwrap());
    }
    let late = DemoClient::connect(&address).await.unwrap();
    assert!(answers(&late).await, "the silent keep it out");
    assert!(answers(&heard).await, "who has said hello stays");
}

#[tokio::test]
async fn the_silent_have_their_time_where_there_are_places() {
    let address = serve(Server::new().max_connections(8), "tcp://127.0.0.1:0").await;
    let silent = TcpStream::connect(socket_address(&address)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let late = Connection::builder().open(silent).client::<DemoClient>();
    assert!(answers(&late).await);
}

#[tokio::test]
async fn a_listener_that_waits_takes_no_place() {
    let server = Server::new().max_connections(1).service(DemoServer::new(Desk::default()));
    let server = server.listen("tcp://127.0.0.1:0").await.unwrap().listen("tcp://127.0.0.1:0").await.unwrap();
    let addresses = server.addresses();
    tokio::spawn(server.run());
    for address in addresses.iter().chain(&addresses) {
        let client = DemoClient::connect(address).await.unwrap();
        assert!(answers(&client).await, "{address}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_over_its_share_is_told_at_once_also_while_others_wait_for_a_place() {
    let server = Server::new().max_connections(1).max_connections_per_peer(1);
    let address = serve(server, "tcp://127.0.0.1:0").await;
    let first = connect_from("127.0.0.1", &address).await;
    assert!(answers(&first).await);
    let waiting = connect_from("127.0.0.2", &address).await;
    is_turned_away(&connect_from("127.0.0.1", &address).await).await;
    is_turned_away(&connect_from("127.0.0.2", &address).await).await;
    drop(first);
    assert!(answers(&waiting).await);
}
