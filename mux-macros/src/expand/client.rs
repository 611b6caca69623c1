//! The client, and the object-safe twin of the trait behind a client of the same process.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Type, parse_quote};

use super::evidence::Asking;
use super::stream::ItemEvidence;
use super::{ResultTypes, Scope, pointing_at};
use crate::model::{Arg, Method, Passing, Reply};
use crate::names;

pub(super) fn render(scope: &Scope<'_>) -> TokenStream {
    let client = client(scope);
    let constructors = constructors(scope);
    let methods = methods(scope);
    let traits = traits(scope);
    let twin = twin(scope);
    let bridge = bridge(scope);
    tokens!(#client #constructors #methods #traits #twin #bridge)
}

// Output:
//     pub struct InventoryClient { stub: Stub<dyn __InventoryLocal> }
fn client(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, client, local, generics, .. } = scope;
    let (attrs, vis) = (scope.attrs(), scope.service.vis());
    let (_, args, bounds) = generics.split_for_impl();
    let doc = format!(" Calls [`{}`], in another process or in this one.", scope.service.ident());
    tokens! {
        #attrs
        #[doc = #doc]
        ///
        /// Cheap to clone; clones share their connection.
        #vis struct #client #generics #bounds {
            stub: #private::Stub<dyn #local #args>,
        }
    }
}

fn constructors(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, client, generics, .. } = scope;
    let (attrs, vis, service) = (scope.attrs(), scope.service.vis(), scope.trait_path());
    let (params, args, bounds) = generics.split_for_impl();
    let address =
        tokens!(impl #private::TryInto<#private::Address, Error: #private::Into<#private::ConnectError>>);
    tokens! {
        #attrs
        impl #params #client #args #bounds {
            /// Connects to a server: `unix:path`, `tcp://host:port`, `exec:program arguments`.
            ///
            /// # Errors
            ///
            /// The address is malformed, or nobody answers there.
            #vis async fn connect(address: #address) -> #private::Result<Self, #private::ConnectError> {
                #private::Ok(Self { stub: #private::Stub::Remote(#private::connect(address).await?) })
            }

            /// Connects from a program without a runtime.
            ///
            /// # Errors
            ///
            /// The address is malformed, or nobody answers there.
            #vis fn connect_blocking(address: #address) -> #private::Result<Self, #private::ConnectError> {
                #private::Ok(Self { stub: #private::Stub::Remote(#private::connect_blocking(address)?) })
            }

            /// Calls the other end of a connection.
            #[must_use]
            #vis fn new(connection: &#private::Connection) -> Self {
                Self { stub: #private::Stub::Remote(connection.mux()) }
            }

            /// Calls an implementation in this process; nothing is serialised.
            #[must_use]
            #vis fn local(service: impl #service) -> Self {
                Self { stub: #private::Stub::Local(#private::Arc::new(service)) }
            }
        }
    }
}

fn methods(scope: &Scope<'_>) -> TokenStream {
    let methods = scope.service.methods.iter().map(|it| method(scope, it)).collect();
    inherent(scope, &methods)
}

pub(super) fn inherent(scope: &Scope<'_>, methods: &TokenStream) -> TokenStream {
    let Scope { client, generics, .. } = scope;
    let attrs = scope.attrs();
    let (params, args, bounds) = generics.split_for_impl();
    tokens! {
        #attrs
        impl #params #client #args #bounds {
            #methods
        }
    }
}

// Input:
//     async fn stock(&self, sku: &str) -> u32;
// Output:
//     pub fn stock(&self, sku: &str) -> Call<u32> {
//         match &self.stub {
//             Stub::Remote(mux) => transaction(mux, __InventoryMethods::STOCK, &[&sku], __InventoryMethods::__evidence0()),
//             Stub::Local(local) => __InventoryLocal::__local_stock(Clone::clone(local), ToOwned::to_owned(sku)),
//         }
//     }
fn method(scope: &Scope<'_>, method: &Method) -> TokenStream {
    let Scope { private, local, .. } = scope;
    let (vis, descriptor) = (scope.service.vis(), scope.descriptor(method));
    let (attrs, doc) = (method.client_attrs(), default_doc(scope, method));
    let (ident, twin) = (names::generated(&method.ident), names::local_method(&method.ident));
    let asking = Asking::within(method, scope);
    let (transaction, evidence) = transaction(method, &asking);
    let params = method.sent().map(|(arg, _)| {
        let Arg { cfgs, ident, ty, .. } = arg;
        tokens!(#(#cfgs)* #ident: #ty)
    });
    let call = call(scope, method);
    let encode = each(method, |arg, passing| passing.encode(arg, &asking));
    let keep = each(method, |arg, passing| passing.keep(arg, private));
    let place = method.reply.place();
    let transaction = pointing_at(place, tokens!(#private::#transaction));
    let remote = tokens_at!(place=> #transaction(mux, #descriptor, &[#(#encode),*], #evidence));
    let remote = if scope.service.compact { probed(method, &remote, &asking) } else { remote };
    let twin = pointing_at(place, tokens!(#local::#twin));
    let nearby = tokens_at!(place=> #twin(#private::Clone::clone(local), #(#keep),*));
    tokens! {
        #(#attrs)*
        #doc
        #vis fn #ident(&self, #(#params),*) -> #call {
            match &self.stub {
                #private::Stub::Remote(mux) => #remote,
                #private::Stub::Local(local) => #nearby,
            }
        }
    }
}

// Output:
//     {
//         static __PROBED: Probed = Probed::new();
//         __PROBED.call::<Self, _, _, _>(
//             __InventoryMethods::STOCK,
//             || [Evidence::probe(__InventoryMethods::__evidence0(), "the result")],
//             || transaction(…),
//         )
//     }
/// A call by position, once it is known that its types read what they write.
fn probed(method: &Method, remote: &TokenStream, asking: &Asking<'_>) -> TokenStream {
    let (private, descriptor) = (&asking.scope.private, asking.scope.descriptor(method));
    let probes = probes(method, asking);
    // A static is one for all type parameters, so it is told which these are.
    tokens! {{
        static __PROBED: #private::Probed = #private::Probed::new();
        __PROBED.call::<Self, _, _, _>(#descriptor, || [#(#probes),*], || #remote)
    }}
}

/// Of the types of the user's in it, each under its `#[cfg]`.
fn probes(method: &Method, asking: &Asking<'_>) -> Vec<TokenStream> {
    let private = &asking.scope.private;
    let value = |place: &str, evidence| tokens!(#private::Evidence::probe(#evidence, #place));
    let error = |place: &str, evidence| tokens!(#private::ErrorEvidence::probe_error(#evidence, #place));
    let mut probes = Vec::new();
    for (arg, passing) in method.sent() {
        let (cfgs, place) = (&arg.cfgs, format!("argument `{}`", arg.name()));
        if let Some(evidence) = passing.evidence(arg, asking) {
            let probe = value(&place, evidence);
            probes.push(tokens!(#(#cfgs)* #probe));
        }
    }
    let result = match &method.reply {
        Reply::None | Reply::Bytes(_) => None,
        Reply::Value(ty) => {
            probes.push(value("the result", asking.value(ty)));
            None
        }
        Reply::Result(ty) => {
            let types = ResultTypes::of(ty, private);
            probes.push(value("the result", asking.value(&types.ok)));
            Some(types)
        }
        Reply::Stream(streamed) => {
            let ItemEvidence { item, error: end } = streamed.evidence(asking);
            probes.push(value("an item", item));
            probes.extend(end.map(|end| error("the error of the stream", end)));
            streamed.result(private)
        }
    };
    probes.extend(result.map(|types| error("the error", asking.error(&types))));
    probes
}

/// A user may forbid undocumented items, and yet owe no documentation to a private trait.
fn default_doc(scope: &Scope<'_>, method: &Method) -> Option<TokenStream> {
    let doc = format!(" Calls [`{0}::{1}`].", scope.service.ident(), method.ident);
    let documented = method.attrs.iter().any(|attr| attr.path().is_ident("doc"));
    (!documented).then(|| tokens!(#[doc = #doc]))
}

/// The same for each argument that travels, under the `#[cfg]` of that argument.
fn each(method: &Method, render: impl Fn(&Arg, &Passing) -> TokenStream) -> Vec<TokenStream> {
    let under_cfg = |(arg, passing): (&Arg, &Passing)| {
        let (cfgs, rendered) = (&arg.cfgs, render(arg, passing));
        tokens!(#(#cfgs)* #rendered)
    };
    method.sent().map(under_cfg).collect()
}

/// How it is asked, and by which evidence of what it resolves to.
fn transaction(method: &Method, asking: &Asking<'_>) -> (TokenStream, TokenStream) {
    let private = &asking.scope.private;
    let value = |evidence| (tokens!(transaction), evidence);
    let result = |ok: TokenStream, types: &ResultTypes| {
        let error = asking.error(types);
        (tokens!(transaction_result), tokens!(#ok, #error))
    };
    match &method.reply {
        Reply::None => value(asking.value(&parse_quote!(()))),
        Reply::Value(ty) | Reply::Bytes(ty) => value(asking.value(ty)),
        Reply::Result(ty) => {
            let types = ResultTypes::of(ty, private);
            result(asking.value(&types.ok), &types)
        }
        Reply::Stream(streamed) => {
            let receiver = streamed.evidence(asking).of_receiver(private);
            match streamed.result(private) {
                Some(types) => result(receiver, &types),
                None => value(receiver),
            }
        }
    }
}

/// `Call<u32>`, `Call<u32, Shortage>`
fn call(scope: &Scope<'_>, method: &Method) -> TokenStream {
    let (private, place) = (&scope.private, method.reply.place());
    let call = pointing_at(place, tokens!(#private::Call));
    let value = |ty: &Type| tokens_at!(place=> #call<#ty>);
    let result = |ty: &Type| {
        let types = ResultTypes::of(ty, private);
        let (ok, app) = (&types.ok, types.app(private));
        tokens_at!(place=> #call<#ok, #app>)
    };
    match &method.reply {
        Reply::None => value(&parse_quote!(())),
        Reply::Value(ty) | Reply::Bytes(ty) => value(ty),
        Reply::Result(ty) => result(ty),
        Reply::Stream(streamed) if streamed.is_in_result() => result(&streamed.received(private)),
        Reply::Stream(streamed) => value(&streamed.received(private)),
    }
}

fn traits(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, client, generics, .. } = scope;
    let attrs = scope.service.inherited_attrs().collect::<Vec<_>>();
    let (params, args, bounds) = generics.split_for_impl();
    let name = client.to_string();
    tokens! {
        #(#attrs)*
        #[automatically_derived]
        impl #params #private::Clone for #client #args #bounds {
            fn clone(&self) -> Self {
                Self { stub: #private::Clone::clone(&self.stub) }
            }
        }

        #(#attrs)*
        #[automatically_derived]
        impl #params #private::fmt::Debug for #client #args #bounds {
            fn fmt(&self, f: &mut #private::fmt::Formatter<'_>) -> #private::fmt::Result {
                f.debug_struct(#name).finish_non_exhaustive()
            }
        }

        #(#attrs)*
        #[automatically_derived]
        impl #params #private::Client for #client #args #bounds {
            fn from_mux(mux: #private::Mux) -> Self {
                Self { stub: #private::Stub::Remote(mux) }
            }
        }
    }
}

// Output:
//     trait __InventoryLocal: Send + Sync + 'static {
//         fn __local_stock(self: Arc<Self>, sku: String) -> Call<u32>;
//     }
fn twin(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, local, generics, service, .. } = scope;
    let attrs = scope.attrs();
    let (_, _, bounds) = generics.split_for_impl();
    let methods = service.methods.iter().map(|method| {
        let (cfgs, sig) = (method.cfgs(), twin_signature(scope, method));
        tokens!(#(#cfgs)* #sig;)
    });
    // The user's own method is where too many arguments are to be counted.
    tokens! {
        #attrs
        #[allow(clippy::too_many_arguments)]
        trait #local #generics: #private::Send + #private::Sync + 'static #bounds {
            #(#methods)*
        }
    }
}

fn twin_signature(scope: &Scope<'_>, method: &Method) -> TokenStream {
    let private = &scope.private;
    let (twin, call) = (names::local_method(&method.ident), call(scope, method));
    let params = each(method, |arg, passing| {
        let (ident, kept) = (&arg.ident, passing.kept(arg, private));
        tokens!(#ident: #kept)
    });
    let place = method.reply.place();
    let twin = pointing_at(place, twin.into_token_stream());
    tokens_at!(place=> fn #twin(self: #private::Arc<Self>, #(#params),*) -> #call)
}

// Output:
//     impl<S: Inventory> __InventoryLocal for S {
//         fn __local_stock(self: Arc<Self>, sku: String) -> Call<u32> {
//             Call::local(__InventoryMethods::STOCK, None, async move {
//                 Ok(Inventory::stock(&*self, Borrow::borrow(&sku)).await)
//             })
//         }
//     }
fn bridge(scope: &Scope<'_>) -> TokenStream {
    let Scope { local, generics, service, implementation, .. } = scope;
    let attrs = scope.attrs();
    let (_, args, bounds) = generics.split_for_impl();
    let params = scope.implementation_generics();
    let (params, _, _) = params.split_for_impl();
    let methods = service.methods.iter().map(|method| {
        let (cfgs, sig, body) = (method.cfgs(), twin_signature(scope, method), bridge_body(scope, method));
        tokens!(#(#cfgs)* #sig { #body })
    });
    tokens! {
        #attrs
        impl #params #local #args for #implementation #bounds {
            #(#methods)*
        }
    }
}

fn bridge_body(scope: &Scope<'_>, method: &Method) -> TokenStream {
    let private = &scope.private;
    let (descriptor, reply) = (scope.descriptor(method), bridge_reply(scope, method));
    let LocalContext { declared, given, lent } = LocalContext::of(scope, method);
    let job = tokens!({ #lent #reply });
    let call = match &method.reply {
        // Wherever the method runs, its stream goes on after the answer.
        Reply::Stream(_) => {
            let place = method.reply.place();
            let local_stream = pointing_at(place, tokens!(#private::local_stream));
            tokens_at!(place=> #local_stream(#descriptor, #given, move |opening| async move #job))
        }
        _ if method.is_async || method.inline => {
            tokens!(#private::Call::local(#descriptor, #given, async move #job))
        }
        _ => tokens!(#private::Call::local_blocking(#descriptor, #given, move || #job)),
    };
    tokens!(#declared #call)
}

/// How a local call comes by its context, where the method asks for one.
struct LocalContext {
    declared: Option<TokenStream>,
    given: TokenStream,
    lent: Option<TokenStream>,
}

impl LocalContext {
    fn of(scope: &Scope<'_>, method: &Method) -> Self {
        let (private, descriptor) = (&scope.private, scope.descriptor(method));
        if method.takes_context() {
            Self {
                declared: Some(tokens!(let context = #private::Context::local(#descriptor);)),
                given: tokens!(#private::Some(#private::Clone::clone(&context))),
                lent: Some(tokens!(let context = &context;)),
            }
        } else {
            Self { declared: None, given: tokens!(#private::None), lent: None }
        }
    }
}

/// `Ok(Inventory::stock(&*self, Borrow::borrow(&sku)).await)`,
/// `opening.stream(plain(Inventory::watch(&*self, prefix).await)).await`
fn bridge_reply(scope: &Scope<'_>, method: &Method) -> TokenStream {
    let private = &scope.private;
    let asking = Asking::within(method, scope);
    let returned = scope.invoke(method, &tokens!(&*self), |arg, passing| passing.lend_kept(arg, private));
    match &method.reply {
        Reply::None => tokens!(#returned; #private::Ok(())),
        Reply::Value(_) | Reply::Bytes(_) => tokens!(#private::Ok(#returned)),
        Reply::Result(ty) => {
            let error = asking.error(&ResultTypes::of(ty, private));
            let result = pointing_at(ty.span(), tokens!(#private::local_result));
            tokens_at!(ty.span()=> #result(#returned, #error))
        }
        Reply::Stream(streamed) => streamed.answered(&tokens!(opening), &returned, None, &asking),
    }
}
