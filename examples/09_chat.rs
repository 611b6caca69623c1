//! A chat where both ends serve: members speak by a channel, and the hub calls each of them back.
//!
//! `cargo run --example 09_chat`
//!
//! `join` returns the sender by which a member speaks, and whoever drops it has left. The hub keeps a client of every
//! member, by `cx.client()`, and tells each line to all before it takes the next: so everyone sees one order.

#![allow(clippy::print_stdout)] // an example talks to its reader

use mux::{Address, Connection, Context, Receiver, SendError, Sender, Server};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

#[mux::service]
trait Hub {
    async fn join(&self, name: String, #[mux(context)] cx: &Context) -> Result<Sender<String>, Taken>;
}

/// What the hub calls.
#[mux::service]
trait Member {
    async fn hear(&self, line: &str);
}

#[derive(Debug, thiserror::Error, PartialEq, Serialize, Deserialize)]
#[error("the name {0} is taken")]
struct Taken(String);

#[derive(Clone, Default)]
struct Room {
    members: Arc<Mutex<Vec<(String, MemberClient)>>>,
}

impl Hub for Room {
    async fn join(&self, name: String, cx: &Context) -> Result<Sender<String>, Taken> {
        let mut members = self.members.lock().await;
        if members.iter().any(|(other, _)| *other == name) {
            return Err(Taken(name));
        }
        members.push((name.clone(), cx.client()));
        let (sender, lines) = mux::channel();
        // Before anything is waited for: who gives up joining drops the sender, and is seen to leave.
        tokio::spawn(self.clone().host(name.clone(), lines));
        tell(&members, &format!("{name} joined")).await;
        Ok(sender)
    }
}

impl Room {
    async fn host(self, name: String, mut lines: Receiver<String>) {
        // An error is a farewell too: the sender was dropped, or the connection broke.
        while let Ok(Some(line)) = lines.recv().await {
            tell(&self.members.lock().await, &format!("{name}: {line}")).await;
        }
        let mut members = self.members.lock().await;
        members.retain(|(other, _)| *other != name);
        tell(&members, &format!("{name} left")).await;
    }
}

/// How long one member may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whoever calls it holds the lock, so that one line follows another.
async fn tell(members: &[(String, MemberClient)], line: &str) {
    for (_, member) in members {
        // Fails where a member has gone, which its host is about to see, or is stuck.
        let _ = member.hear(line).timeout(PATIENCE).await;
    }
}

struct Ear(mpsc::UnboundedSender<String>);

impl Member for Ear {
    async fn hear(&self, line: &str) {
        // Fails where the member has stopped to listen.
        let _ = self.0.send(line.to_owned());
    }
}

/// A member's own end.
struct Chatter {
    voice: Sender<String>,
    ear: mpsc::UnboundedReceiver<String>,
    heard: Vec<String>,
}

impl Chatter {
    /// The voice keeps the connection open.
    async fn join(hub: &Address, name: &str) -> Result<Chatter, Box<dyn Error>> {
        let (heard, ear) = mpsc::unbounded_channel();
        let connection =
            Connection::builder().service(MemberServer::new(Ear(heard))).connect(hub.clone()).await?;
        let voice = HubClient::new(&connection).join(name.to_owned()).await?;
        Ok(Chatter { voice, ear, heard: Vec::new() })
    }

    async fn say(&mut self, line: &str) -> Result<(), SendError> {
        self.voice.send(line.to_owned()).await
    }

    async fn count(&mut self) -> Result<(), SendError> {
        for number in 0..COUNTED {
            self.say(&number.to_string()).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, lines: usize) -> Result<(), Box<dyn Error>> {
        for _ in 0..lines {
            self.heard.push(self.ear.recv().await.ok_or("the hub is gone")?);
        }
        Ok(())
    }
}

const COUNTED: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let hub = Server::new().service(HubServer::new(Room::default())).listen("tcp://127.0.0.1:0").await?;
    let address = hub.addresses().remove(0);
    hub.run_until(chat(&address)).await
}

async fn chat(hub: &Address) -> Result<(), Box<dyn Error>> {
    let mut ann = Chatter::join(hub, "ann").await?;
    let mut bob = Chatter::join(hub, "bob").await?;
    let mut cem = Chatter::join(hub, "cem").await?;
    if let Err(error) = Chatter::join(hub, "ann").await {
        println!("another ann is refused: {error}");
    }

    tokio::try_join!(ann.count(), bob.count(), cem.count())?;
    cem.hear(1 + 3 * COUNTED).await?;
    cem.say("have to go").await?;
    cem.hear(1).await?;
    let Chatter { voice, heard: heard_by_cem, .. } = cem;
    voice.finish();
    bob.hear(2 + 3 * COUNTED + 2).await?;
    bob.say("and then there were two").await?;
    bob.hear(1).await?;
    ann.hear(3 + 3 * COUNTED + 3).await?;

    let (joined, rest) = ann.heard.split_at(3);
    let (counted, after) = rest.split_at(3 * COUNTED);
    joined.iter().for_each(|line| println!("{line}"));
    println!("… {} lines while all three count to {COUNTED} at once", counted.len());
    after.iter().for_each(|line| println!("{line}"));

    for name in ["ann", "bob", "cem"] {
        let said = counted.iter().filter(|line| line.starts_with(name));
        assert!(said.eq((0..COUNTED).map(|number| format!("{name}: {number}")).collect::<Vec<_>>().iter()));
    }
    assert_eq!(bob.heard, ann.heard[1..]);
    assert_eq!(heard_by_cem, ann.heard[2..][..heard_by_cem.len()]);
    println!("everyone heard this in one order, from joining to leaving");
    Ok(())
}
