//! Both ends serve on one connection: a handler calls back the program that called it.
//!
//! `cargo run --example 05_duplex`
//!
//! A guest orders a dish. Before the kitchen answers, it asks the guest how hot it is to be, and
//! tells how it gets on: `cx.client()` is a client of whatever the other end serves.

#![allow(clippy::print_stdout)] // an example talks to its reader

use mux::{Connection, Context};
use std::error::Error;

#[mux::service]
trait Kitchen {
    async fn order(&self, dish: &str, #[mux(context)] cx: &Context) -> mux::Result<String>;
}

#[mux::service]
trait Guest {
    async fn how_hot(&self, dish: &str) -> u8;
    async fn watch(&self, step: &str);
}

struct Cook;

impl Kitchen for Cook {
    async fn order(&self, dish: &str, cx: &Context) -> mux::Result<String> {
        let guest: GuestClient = cx.client();
        let chillies = guest.how_hot(dish).await?;
        for step in ["chop", "fry", "serve"] {
            guest.watch(step).await?;
        }
        Ok(format!("{dish} with {chillies} chillies"))
    }
}

struct Diner {
    name: &'static str,
    chillies: u8,
}

impl Guest for Diner {
    async fn how_hot(&self, dish: &str) -> u8 {
        println!("{}: asked how hot the {dish} is to be", self.name);
        self.chillies
    }

    async fn watch(&self, step: &str) {
        println!("{}: sees the cook {step}", self.name);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for guest in [Diner { name: "ann", chillies: 1 }, Diner { name: "bob", chillies: 3 }] {
        let name = guest.name;
        println!("{name}: served {}", dine(guest).await?);
    }
    Ok(())
}

async fn dine(guest: Diner) -> Result<String, Box<dyn Error>> {
    let (here, there) = mux::pair();
    let _kitchen = Connection::builder().service(KitchenServer::new(Cook)).accept(there);
    let table = Connection::builder().service(GuestServer::new(guest)).open(here);
    Ok(KitchenClient::new(&table).order("curry").await?)
}
