//! What is at the other end is no program of mux: the error says what it is.

use crate::demo::{DemoClient, DemoServer, Desk};
use mux::{Address, CallError, CloseReason, Connection, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a call says whose server greets by `words`, and hangs up or is silent then.
async fn call_to(words: &'static [u8], hangs_up: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(words).await.unwrap();
        if hangs_up {
            stream.shutdown().await.unwrap();
        }
        // Until the other end has seen it.
        while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
    });
    let client = DemoClient::connect(&address).await.unwrap();
    let error = client.echo("x").await.unwrap_err();
    assert!(matches!(error, Error::Call(CallError::Closed(_))), "{error}");
    drop(client);
    serving.await.unwrap();
    error.to_string()
}

#[tokio::test]
async fn a_call_says_what_its_server_is() {
    let cases: [(&[u8], &str); 6] = [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html>", "\"HTTP/1.1 400 Bad Request\""),
        (b"220 mail.example ESMTP\r\n", "\"220 mail.example ESMTP\""),
        (b"\x15\x03\x03\x00\x02\x02\x46", "a TLS alert"),
        (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80", "an HTTP/2 frame"),
        (b"\x1b[31mred\x1b[0m", "\"\\u{1b}[31mred\\u{1b}[0m\""),
        (b"\xff\xfb\x01\xff", "the bytes ff fb 01 ff"),
    ];
    for (words, told) in cases {
        for hangs_up in [false, true] {
            let error = call_to(words, hangs_up).await;
            assert_eq!(error, format!("connection closed: the peer sent {told}: no mux server"));
        }
    }
}

#[tokio::test]
async fn a_word_before_the_end_is_told() {
    assert_eq!(call_to(b"no\n", true).await, "connection closed: the peer sent \"no\": no mux server");
}

#[tokio::test(start_paused = true)]
async fn a_word_before_silence_is_told_when_the_time_for_the_handshake_is_over() {
    let (here, mut there) = mux::pair();
    let connection = Connection::builder().open(here);
    there.write_all(b"no\n").await.unwrap();
    let reason = connection.closed().await;
    assert_eq!(reason, CloseReason::NotMux("the peer sent \"no\": no mux server".to_owned()));
}

#[tokio::test]
async fn a_child_that_prints_is_told_by_what_it_printed() {
    let words = ["sh", "-c", "echo Listening on port 80; cat >/dev/null"];
    let client = DemoClient::connect(Address::Exec(words.map(Into::into).to_vec())).await.unwrap();
    let error = client.echo("x").await.unwrap_err();
    assert_eq!(error.to_string(), "connection closed: the peer sent \"Listening on port 80\": no mux server");
}

#[tokio::test]
async fn a_server_says_what_its_client_is() {
    let cases: [(&[u8], &str); 3] = [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\"GET / HTTP/1.1\""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\"PRI * HTTP/2.0\""),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "a TLS handshake"),
    ];
    for (words, told) in cases {
        let (mut here, there) = mux::pair();
        let connection = Connection::builder().service(DemoServer::new(Desk::default())).accept(there);
        here.write_all(words).await.unwrap();
        let reason = connection.closed().await.to_string();
        assert_eq!(reason, format!("the peer sent {told}: no mux client"));
    }
}
