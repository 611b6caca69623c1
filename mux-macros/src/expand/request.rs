//! The request: one variant a method, decoded from a message and run on an implementation.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{GenericParam, parse_quote};

use super::evidence::Asking;
use super::{ResultTypes, Scope, pointing_at};
use crate::model::{Method, Reply};
use crate::names;

// Input:
//     async fn stock(&self, sku: &str) -> u32;
// Output:
//     pub enum InventoryRequest<'a> { Stock { sku: &'a str } }
//     impl<'a> InventoryRequest<'a> { pub fn decode(…) … pub fn run(…) … pub fn method(&self) … }
//     impl Debug for InventoryRequest<'_> { … }
pub(super) fn render(scope: &Scope<'_>) -> TokenStream {
    let request = request(scope);
    let methods = methods(scope);
    let debug = debug(scope);
    tokens!(#request #methods #debug)
}

fn request(scope: &Scope<'_>) -> TokenStream {
    let Scope { request, service, .. } = scope;
    let (attrs, vis, generics) = (scope.attrs(), service.vis(), scope.request_generics());
    let bounds = &generics.where_clause;
    let variants = service.methods.iter().map(|method| variant(scope, method));
    let marker = marker(scope);
    let doc = format!(" A request to an implementation of [`{}`], decoded.", service.ident());
    tokens! {
        #attrs
        #[doc = #doc]
        #vis enum #request #generics #bounds {
            #(#variants,)*
            #marker
        }
    }
}

// Output:
//     /// Asks for [`Inventory::stock`].
//     Stock {
//         /// The argument `sku`.
//         sku: &'a str
//     }
fn variant(scope: &Scope<'_>, method: &Method) -> TokenStream {
    let (cfgs, variant) = (method.cfgs(), &method.variant);
    let fields = method.sent().map(|(arg, passing)| {
        let (cfgs, ident, ty) = (&arg.cfgs, &arg.ident, passing.field(arg, scope));
        let doc = format!(" The argument `{}`.", arg.name());
        tokens!(#(#cfgs)* #[doc = #doc] #ident: #ty)
    });
    let doc = format!(" Asks for [`{0}::{1}`].", scope.service.ident(), method.ident);
    tokens!(#(#cfgs)* #[doc = #doc] #variant { #(#fields),* })
}

/// A variant that cannot be made, where the lifetime or a type might not be used by the others.
fn marker(scope: &Scope<'_>) -> Option<TokenStream> {
    let Scope { private, frame, generics, .. } = scope;
    let params = generics.type_params().map(|param| &param.ident);
    scope.has_marker().then(|| {
        tokens! {
            #[doc(hidden)]
            __Never(#private::PhantomData<&#frame (#(#params,)*)>, #private::Infallible),
        }
    })
}

fn methods(scope: &Scope<'_>) -> TokenStream {
    let request = &scope.request;
    let (attrs, generics) = (scope.attrs(), scope.request_generics());
    let (params, args, bounds) = generics.split_for_impl();
    let (decode, run, method) = (decode(scope), run(scope), method(scope));
    tokens! {
        #attrs
        impl #params #request #args #bounds {
            #decode
            #run
            #method
        }
    }
}

// Output:
//     let mut args = ArgsDecoder::new(body)?;
//     let request = match method {
//         "stock" => Self::Stock { sku: args.value("sku")? },
//         _ => return Err(Refused::unknown_method(method)),
//     };
//     args.finish()?;
//     Ok(request)
fn decode(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, service, frame, .. } = scope;
    let vis = service.vis();
    let arms = service.methods.iter().map(|method| decode_arm(scope, method));
    let (params, body) = if scope.borrows_frame() {
        (None, frame.to_token_stream())
    } else {
        (Some(tokens!(<'__body>)), tokens!('__body))
    };
    tokens! {
        /// Reads the arguments of `method`, named without its service.
        ///
        /// # Errors
        ///
        /// There is no such method, or `body` does not hold its arguments.
        #[allow(unused_mut, unreachable_code)]
        #vis fn decode #params(method: &str, body: impl #private::Into<#private::Args<#body>>) -> #private::Result<Self, #private::Refused> {
            let mut args = #private::ArgsDecoder::new(body)?;
            let request = match method {
                #(#arms,)*
                _ => return #private::Err(#private::Refused::unknown_method(method)),
            };
            args.finish()?;
            #private::Ok(request)
        }
    }
}

fn decode_arm(scope: &Scope<'_>, method: &Method) -> TokenStream {
    let (cfgs, wire, variant) = (method.cfgs(), &method.wire, &method.variant);
    let asking = Asking::within(method, scope);
    let fields = method.sent().map(|(arg, passing)| {
        let (cfgs, ident, decode) = (&arg.cfgs, &arg.ident, passing.decode(arg, &asking));
        tokens!(#(#cfgs)* #ident: #decode)
    });
    tokens!(#(#cfgs)* #wire => Self::#variant { #(#fields),* })
}

// Output:
//     let (request, service, context) = made(&mut make).await?;
//     match request {
//         Self::Stock { .. } => {
//             let Self::Stock { sku } = identity(request) else { unreachable!("it is of this variant") };
//             Outcome::value(&Inventory::stock(service, sku).await, Encoding::Named)
//         }
//     }
//
// A future keeps room for what it was given, and for what was taken apart by a pattern, for as long as it lives. So the
// request is made within, and taken apart in a statement at whose end it is gone.
fn run(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, service, implementation, .. } = scope;
    let (vis, path, generics) = (service.vis(), scope.trait_path(), scope.request_generics());
    let made = names::unused("M", service.item.to_token_stream());
    let captured: Vec<_> = generics.params.iter().map(name_of).collect();
    let arms = service.methods.iter().map(|method| run_arm(scope, method));
    tokens! {
        /// Runs it on `service`.
        #vis fn run<'__run, #implementation: #path>(
            self,
            service: &'__run #implementation,
            context: &'__run #private::Context,
        ) -> impl #private::Future<Output = #private::Outcome> + use<'__run, #(#captured,)* #implementation> {
            Self::__run_from(#private::once(move || #private::Ok((self, service, context))))
        }

        #[allow(irrefutable_let_patterns, unreachable_code)]
        fn __run_from<'__run, #implementation: #path, #made>(
            mut make: #private::Option<#made>,
        ) -> impl #private::Future<Output = #private::Outcome> + use<'__run, #(#captured,)* #implementation, #made>
        where
            #made: #private::FnOnce() -> #private::Result<(Self, &'__run #implementation, &'__run #private::Context), #private::Refused>,
        {
            async move {
                let (request, service, context) = match #private::made(&mut make).await {
                    #private::Ok(made) => made,
                    #private::Err(refused) => return #private::Into::into(refused),
                };
                let _ = (service, context);
                match request {
                    #(#arms,)*
                }
            }
        }
    }
}

fn name_of(param: &GenericParam) -> TokenStream {
    match param {
        GenericParam::Lifetime(param) => param.lifetime.to_token_stream(),
        GenericParam::Type(param) => param.ident.to_token_stream(),
        GenericParam::Const(param) => param.ident.to_token_stream(),
    }
}

fn run_arm(scope: &Scope<'_>, method: &Method) -> TokenStream {
    let (private, asking) = (&scope.private, Asking::within(method, scope));
    let (cfgs, variant, pattern) = (method.cfgs(), &method.variant, pattern(method));
    let returned = scope.invoke(method, &tokens!(service), |arg, passing| passing.lend_field(arg, private));
    let encoding = scope.encoding();
    let outcome = match &method.reply {
        Reply::None => tokens!({ #returned; #private::Outcome::none() }),
        Reply::Value(ty) => {
            let evidence = asking.value(ty);
            tokens!(#private::Outcome::value(&#returned, #encoding, #evidence))
        }
        Reply::Bytes(ty) => {
            let bytes = pointing_at(ty.span(), tokens!(#private::Outcome::bytes));
            tokens!(#bytes(#returned))
        }
        Reply::Result(ty) => {
            let types = ResultTypes::of(ty, private);
            let (ok, error) = (asking.value(&types.ok), asking.error(&types));
            tokens!(#private::Outcome::result(#returned, #encoding, #ok, #error))
        }
        Reply::Stream(streamed) => streamed.answered(&tokens!(context), &returned, Some(encoding), &asking),
    };
    tokens! {
        #(#cfgs)* Self::#variant { .. } => {
            let #pattern = #private::identity(request) else { #private::unreachable!("it is of this variant") };
            #outcome
        }
    }
}

/// `Self::Take { sku, units }`
fn pattern(method: &Method) -> TokenStream {
    let variant = &method.variant;
    let fields = method.sent().map(|(arg, _)| {
        let (cfgs, ident) = (&arg.cfgs, &arg.ident);
        tokens!(#(#cfgs)* #ident)
    });
    tokens!(Self::#variant { #(#fields),* })
}

fn method(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, service, .. } = scope;
    let vis = service.vis();
    let arms = service.methods.iter().map(|method| {
        let (cfgs, variant, descriptor) = (method.cfgs(), &method.variant, scope.descriptor(method));
        tokens!(#(#cfgs)* Self::#variant { .. } => #descriptor)
    });
    let never = never(scope);
    tokens! {
        /// The method it asks for.
        #[must_use]
        #vis fn method(&self) -> &'static #private::MethodDescriptor {
            match self {
                #(#arms,)*
                #never
            }
        }
    }
}

fn never(scope: &Scope<'_>) -> Option<TokenStream> {
    scope.has_marker().then(|| tokens!(Self::__Never(_, never) => match *never {},))
}

// Output, without and with the option `debug`:
//     f.write_str(self.method().name)
//     match self { Self::Stock { sku } => f.debug_struct("stock").field("sku", sku).finish() }
fn debug(scope: &Scope<'_>) -> TokenStream {
    let Scope { private, request, service, .. } = scope;
    let inherited = service.inherited_attrs();
    let mut generics = scope.request_generics();
    let body = if service.debug {
        generics.type_params_mut().for_each(|param| param.bounds.push(parse_quote!(#private::fmt::Debug)));
        debug_arguments(scope)
    } else {
        tokens!(f.write_str(self.method().name))
    };
    let (params, args, bounds) = generics.split_for_impl();
    tokens! {
        #(#inherited)*
        #[automatically_derived]
        impl #params #private::fmt::Debug for #request #args #bounds {
            fn fmt(&self, f: &mut #private::fmt::Formatter<'_>) -> #private::fmt::Result {
                #body
            }
        }
    }
}

fn debug_arguments(scope: &Scope<'_>) -> TokenStream {
    let arms = scope.service.methods.iter().map(|method| {
        let (cfgs, pattern, wire) = (method.cfgs(), pattern(method), &method.wire);
        let fields = method.sent().map(|(arg, _)| {
            let (cfgs, ident, name) = (&arg.cfgs, &arg.ident, arg.name());
            tokens!(#(#cfgs)* f.field(#name, #ident);)
        });
        tokens!(#(#cfgs)* #pattern => { let mut f = f.debug_struct(#wire); #(#fields)* f.finish() })
    });
    let never = never(scope);
    tokens!(match self { #(#arms)* #never })
}
