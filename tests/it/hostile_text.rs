//! Text that a peer chose: displayed, it cannot act on a terminal or forge a line of a log.

use crate::script::*;
use crate::victim::*;
use mux::{CallError, ChannelError, CloseReason, Error};
use std::error::Error as StdError;

/// Clears the screen, begins a line of its own, hides what it overwrites, and turns the direction of writing.
const EVIL: &str = "x\u{1b}[2J\nERROR forged\r\u{9b}31m\u{7f}\u{202e}y";

/// All forms that a log or a terminal is given.
#[track_caller]
fn assert_harmless(error: &dyn StdError) {
    let forms = [format!("{error}"), format!("{error:#}"), format!("{error:?}"), format!("{error:#?}")];
    assert!(forms[0].contains("\\u{1b}[2J\\nERROR forged\\r\\u{9b}31m\\u{7f}\\u{202e}y"), "{:?}", forms[0]);
    assert!(!forms[0].contains('\n'), "{:?}", forms[0]);
    for form in forms {
        let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!form.contains(acts), "{form:?}");
        assert!(form.lines().skip(1).all(|line| line.starts_with([' ', ')', '}', ']'])), "{form:?}");
    }
    if let Some(source) = error.source() {
        assert_harmless(source);
    }
}

#[tokio::test]
async fn a_fault_of_any_code_is_displayed_harmlessly() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    for code in [1, 2, 3, 4, 5, 6, 7, 31, 35, 37, 38, 99] {
        let call = client.echo("hi").start();
        let xid = peer.expect_request("vault.echo").await;
        peer.send_frame(&fault(xid, code, EVIL, &Pack::new().nil())).await;
        let error = call.await.expect_err("a fault");
        assert_harmless(&error);
        let raw = match error {
            Error::Call(CallError::Refused(refused)) => refused.message().to_owned(),
            Error::Call(
                CallError::Cancelled(why) | CallError::ReplyUnencodable(why) | CallError::ReplyTooLarge(why),
            ) => why,
            Error::Call(CallError::Unknown { message, .. }) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(raw, EVIL);
    }
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn all_parts_of_a_failure_and_a_panic_are_displayed_harmlessly() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    let detail = Pack::new().map(4).str("type").str(EVIL).str("chain").array(2).str(EVIL).str(EVIL);
    let detail = detail.str("location").str(EVIL).str("trace").str(EVIL);
    for code in [33, 34] {
        let call = client.audit().start();
        let xid = peer.expect_request("vault.audit").await;
        peer.send_frame(&fault(xid, code, EVIL, &detail)).await;
        let Err(Error::Remote(remote)) = call.await else { panic!("a failure or a panic was due") };
        assert_harmless(&remote);
        let parts = [Some(remote.message()), remote.type_name(), remote.location(), remote.trace()];
        assert_eq!(parts, [Some(EVIL); 4]);
        assert_eq!(remote.chain().collect::<Vec<_>>(), [EVIL; 2]);
        assert_harmless(&Error::<std::fmt::Error>::Remote(remote));
    }
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn a_value_that_cannot_be_decoded_is_told_harmlessly() {
    let victim = Victim::new();
    let (mut peer, _end, client) = victim.calls(16).await;
    let call = client.withdraw(9).start();
    let xid = peer.expect_request("vault.withdraw").await;
    peer.send_frame(&reply(xid, &Pack::new().str(EVIL))).await;
    let Err(Error::Call(error)) = call.await else { panic!("no number came") };
    assert!(!error.to_string().contains(char::is_control), "{error}");
}

#[tokio::test]
async fn a_goodbye_is_displayed_harmlessly_by_whoever_tells_it() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    let call = client.echo("hi").start();
    peer.expect_request("vault.echo").await;
    peer.send_frame(&goaway(99, CLOSED, EVIL)).await;
    assert_harmless(&call.await.expect_err("the connection is over"));
    let reason = end.closed().await;
    assert_harmless(&reason);
    assert_eq!(reason, CloseReason::Peer(EVIL.into()));
}

#[tokio::test]
async fn the_end_of_a_channel_is_displayed_harmlessly() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    for code in [33, 34, 35, 38] {
        let call = client.count(9).start();
        let xid = peer.expect_request("vault.count").await;
        let id = xid + 1;
        peer.send_frame(&reply_with(xid, &carrying(&[(id, RECEIVING)]), &Pack::new().uint(0))).await;
        peer.send_frame(&fail(id, code, EVIL, &Pack::new().nil())).await;
        let mut numbers = call.await.expect("a stream");
        let error = numbers.recv().await.expect_err("it failed");
        peer.expect_stop(id).await;
        assert_harmless(&error);
        assert!(matches!(
            error,
            ChannelError::Remote(_) | ChannelError::Dropped(_) | ChannelError::TooLarge(_)
        ));
    }
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn the_name_of_an_unknown_method_is_displayed_harmlessly_by_who_asked_for_it() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(1, EVIL, &no_args())).await;
    assert!(peer.expect_fault(1, 1).await.contains(EVIL));
    victim.goes_on_with(peer, end).await;
    assert_harmless(&mux::Refused::unknown_method(EVIL));
}

#[test]
fn an_address_is_displayed_harmlessly() {
    assert_harmless(&EVIL.parse::<mux::Address>().unwrap_err());
}
