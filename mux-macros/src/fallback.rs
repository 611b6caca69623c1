//! What stands in for a service with defects, so that its users see those and nothing else.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use syn::{FnArg, ItemTrait, Pat, PatType, ReturnType, Signature, TraitItem, TraitItemFn, Type, parse_quote};

use crate::args::{self, ServiceOptions};
use crate::check::{Defects, TAKEN};
use crate::expand::{self, ResultTypes};
use crate::model::Service;
use crate::stream::{self, Streamed};
use crate::{names, types};

/// The trait as far as it compiles, all that can be made of its well-formed methods, and client methods that
/// at least can be named for the others.
pub(crate) fn partial(service: &Service, error: &syn::Error) -> TokenStream {
    let (error, private) = (error.to_compile_error(), private(&service.krate));
    let item = compilable(&service.item, &private);
    let around = expand::around_trait(service);
    let dropped = methods(&service.item).filter(|method| !is_kept(service, method));
    let dropped = dropped.filter_map(|method| nameable(method, &private)).collect();
    let dropped = expand::client_impl(service, &dropped);
    tokens!(#error #item #around #dropped)
}

/// Types of the right names, for a trait that no client can be made of.
pub(crate) fn placeholders(
    options: &ServiceOptions,
    item: &ItemTrait,
    error: Option<&syn::Error>,
) -> TokenStream {
    let (error, private) = (error.map(syn::Error::to_compile_error), private(&options.krate));
    let trait_item = compilable(item, &private);
    let client = client(item, &private);
    let server = server(item, &private);
    let (vis, request) = (&item.vis, names::request(&item.ident));
    tokens! {
        #error
        #trait_item
        #client
        #server
        #[allow(dead_code)]
        #[derive(Debug)]
        #vis enum #request {}
    }
}

fn client(item: &ItemTrait, private: &TokenStream) -> TokenStream {
    let (vis, client) = (&item.vis, names::client(&item.ident));
    let methods = methods(item).filter_map(|method| nameable(method, private));
    tokens! {
        #[allow(dead_code)]
        #[derive(Clone, Debug)]
        #vis struct #client;

        #[allow(dead_code)]
        impl #client {
            #vis async fn connect<A>(_: A) -> #private::Result<Self, #private::ConnectError> { loop {} }
            #vis fn connect_blocking<A>(_: A) -> #private::Result<Self, #private::ConnectError> { loop {} }
            #vis fn new(_: &#private::Connection) -> Self { loop {} }
            #vis fn local<S>(_: S) -> Self { loop {} }
            #(#methods)*
        }
    }
}

fn server(item: &ItemTrait, private: &TokenStream) -> TokenStream {
    let (vis, server) = (&item.vis, names::server(&item.ident));
    tokens! {
        #[allow(dead_code)]
        #[derive(Debug)]
        #vis struct #server<S>(#private::Arc<S>);

        #[allow(dead_code)]
        impl<S> #server<S> {
            #vis fn new(_: S) -> Self { loop {} }
            #vis fn from_arc(_: #private::Arc<S>) -> Self { loop {} }
        }

        impl<S: #private::Send + #private::Sync + 'static> #private::Service for #server<S> {
            fn descriptor(&self) -> &'static #private::ServiceDescriptor { loop {} }
            fn serve(self: #private::Arc<Self>, _: #private::Inbound, _: #private::Slot<'_>) {}
        }
    }
}

fn private(krate: &syn::Path) -> TokenStream {
    tokens!(#krate::__private)
}

fn methods(item: &ItemTrait) -> impl Iterator<Item = &TraitItemFn> {
    item.items.iter().filter_map(|item| if let TraitItem::Fn(method) = item { Some(method) } else { None })
}

fn is_kept(service: &Service, method: &TraitItemFn) -> bool {
    service.methods.iter().any(|kept| kept.ident == method.sig.ident)
}

/// A client method that stands for one that cannot be; `None` where its signature would be wrong as well.
fn nameable(method: &TraitItemFn, private: &TokenStream) -> Option<TokenStream> {
    let Signature { ident, generics, inputs, output, .. } = &method.sig;
    let output = match output {
        ReturnType::Default => tokens!(()),
        ReturnType::Type(_, ty) => resolved(ty, private),
    };
    let unnameable = TAKEN.iter().any(|taken| ident == taken) || names::mentions(output.clone(), "impl");
    let params = inputs.iter().filter_map(sent_type);
    let bounds = &generics.where_clause;
    (!unnameable).then(|| {
        tokens! {
            pub fn #ident #generics(&self, #(_: #params),*) -> #private::Call<#output> #bounds { loop {} }
        }
    })
}

/// What its call resolves to: `T`, or `T, E`.
fn resolved(returned: &Type, private: &TokenStream) -> TokenStream {
    // What cannot travel has no `Returned`; what was written is near enough then.
    let refused = is_refused(returned);
    let returned = match Streamed::find(returned) {
        Some(streamed) if refused && streamed.fails() => {
            let args = types::args(&streamed.item);
            streamed.replaced_by(parse_quote!(#private::Receiver<#(#args),*>))
        }
        Some(streamed) => streamed.received(private),
        None => returned.clone(),
    };
    if !types::is(&returned, "Result") {
        tokens!(#returned)
    } else if refused {
        let args = types::args(&returned);
        tokens!(#(#args),*)
    } else {
        let types = ResultTypes::of(&returned, private);
        let (ok, app) = (&types.ok, types.app(private));
        tokens!(#ok, #app)
    }
}

fn is_refused(returned: &Type) -> bool {
    let mut defects = Defects::default();
    stream::refuse_what_cannot_travel(returned, &mut defects);
    defects.count() > 0
}

fn sent_type(input: &FnArg) -> Option<&Type> {
    match input {
        FnArg::Typed(PatType { attrs, ty, .. }) => (!attrs.iter().any(args::is_mux)).then_some(ty),
        FnArg::Receiver(_) => None,
    }
}

/// Without what rustc would refuse on top: `const`, patterns where there is no body, a name twice.
fn compilable(item: &ItemTrait, private: &TokenStream) -> TokenStream {
    let mut item = item.clone();
    let mut seen = HashSet::new();
    item.items.retain(|item| match item {
        TraitItem::Fn(method) => has_cfg(method) || seen.insert(method.sig.ident.clone()),
        _ => true,
    });
    for item in &mut item.items {
        if let TraitItem::Fn(method) = item {
            make_compilable(method);
        }
    }
    expand::trait_item(&item, private)
}

fn has_cfg(method: &TraitItemFn) -> bool {
    method.attrs.iter().any(|attr| attr.path().is_ident("cfg"))
}

fn make_compilable(method: &mut TraitItemFn) {
    method.sig.constness = None;
    let inputs = method.sig.inputs.iter_mut().filter(|_| method.default.is_none());
    for input in inputs {
        match input {
            FnArg::Typed(typed) if !matches!(*typed.pat, Pat::Ident(_)) => *typed.pat = parse_quote!(_),
            _ => {}
        }
    }
}
