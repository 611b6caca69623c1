//! What a service and its methods are, as constants: for the runtime, and to show to others.

use proc_macro2::TokenStream;

use super::Scope;
use crate::model::{Method, Reply};
use crate::{names, types};

// Output:
//     enum __InventoryMethods {}
//     impl __InventoryMethods {
//         const __fingerprint: u64 = fingerprint(Encoding::Named, &[Shape { path: "inventory.stock", … }]);
//         const STOCK: &'static MethodDescriptor = &MethodDescriptor { name: "stock", … };
//     }
pub(super) fn methods(scope: &Scope<'_>) -> TokenStream {
    let Scope { methods, service, .. } = scope;
    let attrs = scope.attrs();
    let (fingerprint, fingerprint_const) = (fingerprint(scope), names::fingerprint());
    let descriptors = service.methods.iter().map(|method| method_descriptor(scope, method));
    tokens! {
        #attrs
        enum #methods {}

        #attrs
        impl #methods {
            #[allow(non_upper_case_globals)]
            const #fingerprint_const: u64 = #fingerprint;
            #(#descriptors)*
        }
    }
}

// Output:
//     &ServiceDescriptor { name: "inventory", methods: &[__InventoryMethods::STOCK], … }
pub(super) fn service(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, service, .. } = scope;
    let (name, docs, encoding) = (&service.name, &service.docs, scope.encoding());
    let methods = service.methods.iter().map(|method| {
        let (cfgs, descriptor) = (method.cfgs(), scope.descriptor(method));
        tokens!(#(#cfgs)* #descriptor)
    });
    tokens! {
        &#private::ServiceDescriptor {
            name: #name,
            docs: #docs,
            encoding: #encoding,
            methods: &[#(#methods),*],
        }
    }
}

fn fingerprint(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, service, .. } = scope;
    let encoding = scope.encoding();
    let shapes = service.methods.iter().map(|method| {
        let (cfgs, path) = (method.cfgs(), path(scope, method));
        let kind = match method.reply {
            Reply::None => tokens!(Notify),
            Reply::Stream(_) => tokens!(Stream),
            Reply::Value(_) | Reply::Bytes(_) | Reply::Result(_) => tokens!(Value),
        };
        let args = method.sent().map(|(arg, _)| {
            let (cfgs, name) = (&arg.cfgs, arg.name());
            tokens!(#(#cfgs)* #name)
        });
        tokens!(#(#cfgs)* #private::Shape { path: #path, kind: #private::Kind::#kind, args: &[#(#args),*] })
    });
    tokens!(#private::fingerprint(#encoding, &[#(#shapes),*]))
}

/// `inventory.stock`
fn path(scope: &Scope<'_>, method: &Method) -> String {
    format!("{}.{}", scope.service.name, method.wire)
}

fn method_descriptor(scope: &Scope<'_>, method: &Method) -> TokenStream {
    let private = &scope.private;
    let (cfgs, constant, encoding) = (method.cfgs(), &method.constant, scope.encoding());
    let Method { wire, docs, detached, idempotent, reply, .. } = method;
    let (path, fingerprint) = (path(scope, method), names::fingerprint());
    let (returns, notify) = match reply {
        Reply::None => ("()".to_owned(), true),
        Reply::Value(ty) | Reply::Bytes(ty) | Reply::Result(ty) => (types::text(ty), false),
        Reply::Stream(streamed) => (types::text(&streamed.returned), false),
    };
    let (args, placement) = (args(private, method), placement(private, method));
    tokens! {
        #(#cfgs)*
        const #constant: &'static #private::MethodDescriptor = &#private::MethodDescriptor {
            name: #wire,
            path: #path,
            docs: #docs,
            args: &[#(#args),*],
            returns: #returns,
            encoding: #encoding,
            placement: #placement,
            notify: #notify,
            detached: #detached,
            idempotent: #idempotent,
            fingerprint: Self::#fingerprint,
        };
    }
}

fn args(private: &TokenStream, method: &Method) -> impl Iterator<Item = TokenStream> {
    method.sent().map(move |(arg, _)| {
        let (cfgs, name, ty) = (&arg.cfgs, arg.name(), types::text(&arg.ty));
        tokens!(#(#cfgs)* #private::ArgDescriptor { name: #name, ty: #ty })
    })
}

fn placement(private: &TokenStream, method: &Method) -> TokenStream {
    match method {
        Method { is_async: true, .. } => tokens!(#private::Placement::Task),
        Method { inline: true, .. } => tokens!(#private::Placement::Inline),
        _ => tokens!(#private::Placement::Worker),
    }
}
