//! The user's module may give the names of the prelude to things of its own.

#![deny(warnings)]
#![allow(dead_code)]

mod shadow {
    pub struct String;
    pub struct Vec;
    pub struct Box;
    pub struct Some;
    pub struct None;
    pub struct Ok;
    pub struct Err;
    pub struct Option;
    pub struct Call;
    pub struct Arc;
    pub struct Stub;
    pub struct S;
    pub trait Send {}
    pub trait Sync {}
    pub trait Sized {}
    pub trait Clone {
        fn clone(&self) -> Self;
    }
    impl<T> Clone for T {
        fn clone(&self) -> Self {
            unreachable!()
        }
    }
    pub trait Copy {}
    pub trait Drop {}
    pub trait Fn {}
    pub trait FnMut {}
    pub trait FnOnce {}
    pub trait Into {}
    pub trait From {}
    pub trait TryInto {}
    pub trait Default {}
    pub trait ToOwned {
        fn to_owned(&self) -> u8;
    }
    impl<T: ?core::marker::Sized> ToOwned for T {
        fn to_owned(&self) -> u8 {
            unreachable!()
        }
    }
    pub trait Future {}
    pub type Result<T> = core::result::Result<T, std::fmt::Error2>;
    pub mod std {
        pub mod fmt {
            #[derive(Debug, serde::Serialize, serde::Deserialize)]
            pub struct Error2;
        }
    }
    pub mod core2 {}
    pub mod mux2 {}
}

mod user {
    #[allow(unused_imports)]
    use super::shadow::*;

    #[mux::service]
    pub trait Plain {
        async fn text(&self, text: &str, list: &[u8]) -> u32;
        async fn fails(&self, text: &str) -> Result<u32>;
        async fn optional(&self, number: ::core::option::Option<&str>) -> ::std::string::String;
        fn blocks(&self) -> ::std::vec::Vec<u8>;
        #[mux(notify)]
        async fn tell(&self, #[mux(context)] cx: &mux::Context);
    }

    pub struct Here;

    impl Plain for Here {
        async fn text(&self, text: &str, list: &[u8]) -> u32 {
            u32::try_from(text.len() + list.len()).unwrap()
        }
        async fn fails(&self, _: &str) -> Result<u32> {
            ::core::result::Result::Err(super::shadow::std::fmt::Error2)
        }
        async fn optional(&self, _: ::core::option::Option<&str>) -> ::std::string::String {
            ::std::string::String::new()
        }
        fn blocks(&self) -> ::std::vec::Vec<u8> {
            ::std::vec::Vec::new()
        }
        async fn tell(&self, _: &mux::Context) {}
    }
}

use user::{Here, Plain, PlainClient, PlainRequest, PlainServer};

fn main() {
    fn takes<T: Plain>(service: T) -> PlainServer<T> {
        PlainServer::new(service)
    }
    let _ = takes(Here);
    let client = PlainClient::local(Here);
    assert_eq!(client.clone().text("ab", &[1]).wait().unwrap(), 3);
    assert!(matches!(client.fails("").wait(), Err(mux::Error::App(_))));
    assert!(PlainRequest::decode("none", &mux::Bytes::from_static(b"\x90")).is_err());
}
