//! Model -> tokens. Nothing here can fail, and nothing here names a path outside `__private`.

mod argument;
mod client;
mod descriptor;
mod evidence;
mod request;
mod result;
mod server;
mod service;
mod stream;

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Generics, Ident, Lifetime, WherePredicate, parse_quote};

use crate::model::{Arg, Method, Passing, Role, Service};
use crate::names;

pub(crate) use result::ResultTypes;
pub(crate) use service::render as trait_item;

// Input:
//     #[mux::service]
//     pub trait Inventory { async fn stock(&self, sku: &str) -> u32; }
// Output:
//     pub trait Inventory: Send + Sync + 'static { fn stock(&self, sku: &str) -> impl Future<Output = u32> + Send; }
//     pub struct InventoryClient { … }
//     pub struct InventoryServer<S> { … }
//     pub enum InventoryRequest<'a> { … }
//     enum __InventoryMethods {}
pub(crate) fn service(service: &Service) -> TokenStream {
    let scope = Scope::new(service);
    let item = service::render(&service.item, &scope.private);
    let around = around_trait(service);
    tokens!(#item #around)
}

/// Everything but the trait itself.
pub(crate) fn around_trait(service: &Service) -> TokenStream {
    let scope = Scope::new(service);
    let client = client::render(&scope);
    let server = server::render(&scope);
    let request = request::render(&scope);
    let descriptors = descriptor::methods(&scope);
    // Last: what the others have asked for.
    let evidence = evidence::render(&scope);
    tokens!(#client #server #request #descriptors #evidence)
}

/// More methods for the client.
pub(crate) fn client_impl(service: &Service, methods: &TokenStream) -> TokenStream {
    client::inherent(&Scope::new(service), methods)
}

/// The names and paths the renderers share.
struct Scope<'s> {
    service: &'s Service,
    /// `::mux::__private`
    private: TokenStream,
    client: Ident,
    server: Ident,
    request: Ident,
    local: Ident,
    methods: Ident,
    /// The lifetime of a received message: `'a`
    frame: Lifetime,
    /// The type parameter that stands for an implementation: `S`
    implementation: Ident,
    /// Those of the trait, each type bound to be a value.
    generics: Generics,
    asked: evidence::Asked,
}

impl<'s> Scope<'s> {
    fn new(service: &'s Service) -> Self {
        let (ident, krate) = (service.ident(), &service.krate);
        let private = tokens!(#krate::__private);
        let frame = names::unused("a", service.item.to_token_stream());
        Self {
            service,
            client: names::client(ident),
            server: names::server(ident),
            request: names::request(ident),
            local: names::local(ident),
            methods: names::methods(ident),
            frame: Lifetime { apostrophe: frame.span(), ident: frame },
            implementation: names::unused("S", service.item.to_token_stream()),
            generics: generics(&service.item.generics, &private),
            private,
            asked: evidence::Asked::default(),
        }
    }

    /// `Inventory<K, V>`
    fn trait_path(&self) -> TokenStream {
        let ident = self.service.ident();
        let (_, args, _) = self.generics.split_for_impl();
        tokens!(#ident #args)
    }

    /// `Inventory::<K, V>::stock`
    fn trait_method(&self, method: &Method) -> TokenStream {
        let (ident, method) = (self.service.ident(), &method.ident);
        let (_, args, _) = self.generics.split_for_impl();
        let args = args.as_turbofish();
        tokens!(#ident #args::#method)
    }

    /// `__InventoryMethods::STOCK`
    fn descriptor(&self, method: &Method) -> TokenStream {
        let (methods, constant) = (&self.methods, &method.constant);
        tokens!(#methods::#constant)
    }

    fn encoding(&self) -> TokenStream {
        let private = &self.private;
        if self.service.compact {
            tokens!(#private::Encoding::Compact)
        } else {
            tokens!(#private::Encoding::Named)
        }
    }

    /// `<'a, K, V>` of the request
    fn request_generics(&self) -> Generics {
        let frame = &self.frame;
        let mut generics = self.generics.clone();
        generics.params.insert(0, parse_quote!(#frame));
        generics
    }

    /// `InventoryRequest::<K, V>`
    fn request_path(&self) -> TokenStream {
        let request = &self.request;
        let (_, args, _) = self.generics.split_for_impl();
        let args = args.as_turbofish();
        tokens!(#request #args)
    }

    /// `<S: Inventory<K, V>, K, V>`
    fn implementation_generics(&self) -> Generics {
        let (implementation, path) = (&self.implementation, self.trait_path());
        let mut generics = self.generics.clone();
        generics.params.insert(0, parse_quote!(#implementation: #path));
        generics
    }

    /// `Inventory::stock(service, sku).await`
    fn invoke(
        &self,
        method: &Method,
        service: &TokenStream,
        lend: impl Fn(&Arg, &Passing) -> TokenStream,
    ) -> TokenStream {
        let path = self.trait_method(method);
        let args = method.args.iter().map(|arg| {
            let cfgs = &arg.cfgs;
            let value = match &arg.role {
                Role::Context => pointing_at(arg.place(), tokens!(context)),
                Role::Sent(passing) => lend(arg, passing),
            };
            tokens!(#(#cfgs)* #value)
        });
        let wait = method.is_async.then(|| tokens!(.await));
        tokens!(#path(#service, #(#args),*) #wait)
    }

    /// Whether any request may borrow from its message.
    fn borrows_frame(&self) -> bool {
        let mut args = self.service.methods.iter().flat_map(Method::sent);
        args.any(|(_, passing)| passing.borrows_frame())
    }

    /// Whether the request needs a variant that only uses its parameters.
    fn has_marker(&self) -> bool {
        let methods = self.service.methods.iter().filter(|method| !method.under_cfg());
        let mut args = methods.flat_map(Method::sent).filter(|(arg, _)| arg.cfgs.is_empty());
        let frame_is_used = args.any(|(_, passing)| passing.borrows_frame());
        !frame_is_used || !self.generics.params.is_empty()
    }

    /// What each generated item carries. The user may not use them all, nor can avoid what is deprecated.
    fn attrs(&self) -> TokenStream {
        let inherited = self.service.inherited_attrs();
        let deprecated = self.service.is_deprecated().then(|| tokens!(, deprecated));
        tokens!(#(#inherited)* #[allow(dead_code #deprecated)])
    }
}

/// Each type parameter is bound to be a value. A bound on the implementation stays with the trait.
fn generics(written: &Generics, private: &TokenStream) -> Generics {
    let mut generics = written.clone();
    for param in generics.type_params_mut() {
        param.bounds.push(parse_quote!(#private::Value));
    }
    if let Some(clause) = &mut generics.where_clause {
        let predicates = std::mem::take(&mut clause.predicates);
        clause.predicates = predicates.into_iter().filter(|predicate| !mentions_self(predicate)).collect();
    }
    generics
}

fn mentions_self(predicate: &WherePredicate) -> bool {
    names::mentions(predicate.to_token_stream(), "Self")
}

/// The same tokens, so placed that an error about them points at `place`.
fn pointing_at(place: Span, tokens: TokenStream) -> TokenStream {
    let placed = tokens.into_iter().map(|token| {
        let span = token.span().located_at(place);
        let mut token = match token {
            TokenTree::Group(group) => {
                TokenTree::Group(Group::new(group.delimiter(), pointing_at(place, group.stream())))
            }
            token => token,
        };
        token.set_span(span);
        token
    });
    placed.collect()
}
