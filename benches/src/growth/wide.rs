//! Services of many methods, all of them called.

use std::future;

use mux::{Connection, Server};
use seq_macro::seq;

use crate::Result;
use crate::address::Address;
use crate::asking::retry;

struct Echoing;

/// A service of so many methods, and its two ends.
macro_rules! service {
    ($module:ident, $size:literal) => {
        mod $module {
            use super::*;

            seq!(N in 0..$size {
                #[mux::service]
                pub trait Wide {
                    #(async fn method~N(&self, number: u64) -> u64;)*
                }

                impl Wide for Echoing {
                    #(
                        async fn method~N(&self, number: u64) -> u64 {
                            number
                        }
                    )*
                }

                #[allow(clippy::modulo_one, reason = "one service has one method")]
                pub async fn call(client: &WideClient, number: u64) -> Result<u64> {
                    let call = match number % $size {
                        #(N => client.method~N(number),)*
                        _ => return Err("no such method".into()),
                    };
                    Ok(call.await?)
                }
            });
        }
    };
}

service!(one, 1);
service!(ten, 10);
service!(fifty, 50);
service!(two_hundred, 200);

pub const SIZES: [u64; 4] = [1, 10, 50, 200];

pub fn size(methods: u64) -> Result<u64> {
    if SIZES.contains(&methods) {
        Ok(methods)
    } else {
        Err(format!("services have {SIZES:?} methods").into())
    }
}

pub async fn listen(address: Address, methods: u64) -> Result<()> {
    let server = match size(methods)? {
        1 => Server::new().service(one::WideServer::new(Echoing)),
        10 => Server::new().service(ten::WideServer::new(Echoing)),
        50 => Server::new().service(fifty::WideServer::new(Echoing)),
        _ => Server::new().service(two_hundred::WideServer::new(Echoing)),
    };
    server.listen(address.to_string().as_str()).await?.run_until(future::pending::<()>()).await;
    Ok(())
}

#[derive(Clone)]
pub enum Asker {
    One(one::WideClient),
    Ten(ten::WideClient),
    Fifty(fifty::WideClient),
    TwoHundred(two_hundred::WideClient),
}

impl Asker {
    pub async fn connect(address: &Address, methods: u64) -> Result<Self> {
        let address = address.to_string();
        let connection = &retry(|| async { Ok(Connection::connect(address.as_str()).await?) }).await?;
        Ok(match size(methods)? {
            1 => Self::One(one::WideClient::new(connection)),
            10 => Self::Ten(ten::WideClient::new(connection)),
            50 => Self::Fifty(fifty::WideClient::new(connection)),
            _ => Self::TwoHundred(two_hundred::WideClient::new(connection)),
        })
    }

    pub async fn call(&self, number: u64) -> Result<()> {
        let answer = match self {
            Self::One(client) => one::call(client, number).await,
            Self::Ten(client) => ten::call(client, number).await,
            Self::Fifty(client) => fifty::call(client, number).await,
            Self::TwoHundred(client) => two_hundred::call(client, number).await,
        };
        match answer? {
            answer if answer == number => Ok(()),
            answer => Err(format!("call {number:#x} got {answer:#x}").into()),
        }
    }
}
