//! The trait itself. Takes any trait, well formed or not, so that the fallback can use it too.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Block, FnArg, ItemTrait, Pat, ReturnType, Signature, TraitItem, TraitItemFn, Type, parse_quote,
};

use super::pointing_at;
use crate::{args, names, stream};

// Input:
//     pub trait Store<K>: Debug {
//         async fn len(&self) -> u64;
//         fn keys(&self) -> impl Stream<Item = K>;
//     }
// Output:
//     pub trait Store<K: Value>: Debug + Send + Sync + 'static {
//         fn len(&self) -> impl Future<Output = u64> + Send;
//         fn keys(&self) -> impl Stream<Item = K> + Send;
//     }
pub(crate) fn render(item: &ItemTrait, private: &TokenStream) -> TokenStream {
    let mut item = item.clone();
    item.supertraits.push(parse_quote!(#private::Send));
    item.supertraits.push(parse_quote!(#private::Sync));
    item.supertraits.push(parse_quote!('static));
    for param in item.generics.type_params_mut() {
        param.bounds.push(parse_quote!(#private::Value));
    }
    for item in &mut item.items {
        if let TraitItem::Fn(method) = item {
            render_method(method, private);
        }
    }
    item.into_token_stream()
}

fn render_method(method: &mut TraitItemFn, private: &TokenStream) {
    remove_mux(&mut method.attrs);
    for input in &mut method.sig.inputs {
        match input {
            FnArg::Receiver(receiver) => remove_mux(&mut receiver.attrs),
            FnArg::Typed(typed) => remove_mux(&mut typed.attrs),
        }
    }
    if !is_generic(&method.sig) {
        send_stream(&mut method.sig.output, private);
    }
    if method.sig.asyncness.is_some() {
        desugar_async(method, private);
    }
}

fn remove_mux(attrs: &mut Vec<Attribute>) {
    attrs.retain(|attr| !args::is_mux(attr) && args::hidden_mux(attr).is_none());
}

/// Only the fallback meets a method with generics, whose future may well not be `Send`.
fn is_generic(sig: &Signature) -> bool {
    !sig.generics.params.is_empty() || names::mentions(sig.inputs.to_token_stream(), "impl")
}

fn send_stream(output: &mut ReturnType, private: &TokenStream) {
    let ReturnType::Type(_, ty) = output else { return };
    if let Some(Type::ImplTrait(stream)) = stream::place(ty) {
        // Errors about the stream point at it.
        let place = Span::mixed_site().located_at(stream.impl_token.span());
        let private = pointing_at(place, private.clone());
        let send = quote_spanned!(place=> #private::Send);
        stream.bounds.push(parse_quote!(#send));
    }
}

// Input:
//     async fn total(&self, mut list: Vec<u64>) -> u64 { … }
// Output:
//     fn total(&self, list: Vec<u64>) -> impl Future<Output = u64> + Send {
//         async move { let mut list = list; … }
//     }
fn desugar_async(method: &mut TraitItemFn, private: &TokenStream) {
    // Errors about the future point at the word that asked for one.
    let place = Span::mixed_site().located_at(method.sig.asyncness.span());
    let private = pointing_at(place, private.clone());
    let send = (!is_generic(&method.sig)).then(|| quote_spanned!(place=> + #private::Send));
    let output = match &method.sig.output {
        ReturnType::Default => tokens!(()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    method.sig.asyncness = None;
    let future = quote_spanned!(place=> impl #private::Future<Output = #output> #send);
    method.sig.output = parse_quote!(-> #future);
    if let Some(body) = &mut method.default {
        *body = async_body(&mut method.sig, body, place);
    }
}

fn async_body(sig: &mut Signature, body: &Block, place: Span) -> Block {
    let rebound = sig.inputs.iter_mut().filter_map(rebind_mutable);
    let (rebound, statements) = (rebound.collect::<Vec<_>>(), &body.stmts);
    let block = quote_spanned!(place=> async move { #(#rebound)* #(#statements)* });
    parse_quote!({ #block })
}

/// `let mut list = list;`: it is changed in the future, not in the function that makes the future.
fn rebind_mutable(input: &mut FnArg) -> Option<TokenStream> {
    let FnArg::Typed(typed) = input else { return None };
    let Pat::Ident(pat) = &mut *typed.pat else { return None };
    let (ident, mutability) = (&pat.ident, pat.mutability.take()?);
    let attrs = &typed.attrs;
    Some(tokens!(#(#attrs)* let #mutability #ident = #ident;))
}
