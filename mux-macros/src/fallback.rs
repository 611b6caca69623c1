//! What stands in for a service with defects, so that its users see those and nothing else.

use proc_macro2::TokenStream;
use syn::{FnArg, ItemTrait, Pat, TraitItem, parse_quote};

use crate::args::ServiceOptions;
use crate::expand;
use crate::model::Service;
use crate::names;

/// The trait as far as it compiles, and all that can be made of its well-formed methods.
pub(crate) fn partial(service: &Service, error: &syn::Error) -> TokenStream {
    let (error, item) = (error.to_compile_error(), compilable(&service.item, &service.krate));
    let around = expand::around_trait(service);
    tokens!(#error #item #around)
}

/// Types of the right names, for a trait that no client can be made of.
pub(crate) fn placeholders(
    options: &ServiceOptions,
    item: &ItemTrait,
    error: Option<&syn::Error>,
) -> TokenStream {
    let (error, krate, vis) = (error.map(syn::Error::to_compile_error), &options.krate, &item.vis);
    let (client, server, request) =
        (names::client(&item.ident), names::server(&item.ident), names::request(&item.ident));
    let item = compilable(item, krate);
    tokens! {
        #error
        #item
        #[allow(dead_code)]
        #[derive(Clone, Debug)]
        #vis struct #client;
        #[allow(dead_code)]
        #[derive(Debug)]
        #vis struct #server<S>(S);
        #[allow(dead_code)]
        #[derive(Debug)]
        #vis enum #request {}
    }
}

/// Without what rustc would refuse on top: `const`, and patterns where there is no body.
fn compilable(item: &ItemTrait, krate: &syn::Path) -> TokenStream {
    let mut item = item.clone();
    for item in &mut item.items {
        let TraitItem::Fn(method) = item else { continue };
        method.sig.constness = None;
        let inputs = method.sig.inputs.iter_mut().filter(|_| method.default.is_none());
        for input in inputs {
            match input {
                FnArg::Typed(typed) if !matches!(*typed.pat, Pat::Ident(_)) => *typed.pat = parse_quote!(_),
                _ => {}
            }
        }
    }
    expand::trait_item(&item, &tokens!(#krate::__private))
}
