//! tonic's services: what `protoc` would be asked for, without needing it. The messages are in `src`.

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn main() {
    Builder::new().build_transport(false).compile(&[bulk(), feed()]);
    println!("cargo::rerun-if-changed=build.rs");
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
