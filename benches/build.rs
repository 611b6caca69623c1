//! tonic's services: what `protoc` would be asked for, without needing it. The messages are in `src`. And the compiler's
//! version, for the report.

use std::env;
use std::process::Command;

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn main() {
    Builder::new().build_transport(false).compile(&[bulk(), echo(), feed()]);
    println!("cargo::rustc-env=RUSTC_VERSION={}", rustc_version().unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
}

fn rustc_version() -> Option<String> {
    let output = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn bulk() -> Service {
    let (blob, ping) = ("crate::bulk::tonic::Blob", "crate::bulk::tonic::Ping");
    Service::builder()
        .name("Bulk")
        .package("bench")
        .method(method("blob", "Blob", blob, blob).build())
        .method(method("ping", "Ping", ping, ping).build())
        .build()
}

fn echo() -> Service {
    let message = "crate::calls::message::Message";
    Service::builder()
        .name("Echo")
        .package("bench")
        .method(method("echo", "Echo", message, message).build())
        .build()
}

fn feed() -> Service {
    let (items, sum) = ("crate::stream::tonic::Items", "crate::stream::tonic::Sum");
    let tick = "crate::stream::tick::Tick";
    Service::builder()
        .name("Feed")
        .package("bench")
        .method(method("watch", "Watch", items, tick).server_streaming().build())
        .method(method("load", "Load", tick, sum).client_streaming().build())
        .build()
}

fn method(name: &str, route: &str, input: &str, output: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(input)
        .output_type(output)
        .codec_path("tonic_prost::ProstCodec")
}
