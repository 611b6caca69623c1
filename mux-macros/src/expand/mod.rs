//! Model -> tokens. Nothing here can fail, and nothing here names a path outside `__private`.

mod client;
mod descriptor;
mod request;
mod server;
mod service;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Generics, Ident, Lifetime, WherePredicate, parse_quote};

use crate::model::{Arg, Format, Method, Passing, Role, Service, Shape};
use crate::names;

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
    let descriptors = descriptor::render(&scope);
    tokens!(#client #server #request #descriptors)
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
        context: &TokenStream,
        lend: impl Fn(&Arg, &Passing) -> TokenStream,
    ) -> TokenStream {
        let path = self.trait_method(method);
        let args = method.args.iter().map(|arg| {
            let cfgs = &arg.cfgs;
            let value = match &arg.role {
                Role::Context => context.clone(),
                Role::Sent(passing) => lend(arg, passing),
            };
            tokens!(#(#cfgs)* #value)
        });
        let wait = method.is_async.then(|| tokens!(.await));
        tokens!(#path(#service, #(#args),*) #wait)
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

impl Passing {
    /// The type of its field in the request.
    fn field(&self, arg: &Arg, scope: &Scope<'_>) -> TokenStream {
        let (private, frame, ty) = (&scope.private, &scope.frame, &arg.ty);
        let field = match &self.shape {
            Shape::Owned => return tokens!(#ty),
            Shape::InPlace(target) => tokens!(&#frame #target),
            Shape::Lent(target) => owned(target, private),
            Shape::Cow { cow, .. } => crate::types::cow_with_lifetime(cow, frame).into_token_stream(),
        };
        self.optional_type(field, private)
    }

    /// Whether its field borrows from the message.
    fn borrows_frame(&self) -> bool {
        matches!(self.shape, Shape::InPlace(_) | Shape::Cow { .. })
    }

    /// `args.value("sku")?`
    fn decode(&self, arg: &Arg) -> TokenStream {
        let name = arg.name();
        match self.format {
            _ if self.default => tokens!(args.default(#name)?),
            Format::Value => tokens!(args.value(#name)?),
            Format::Bytes => tokens!(args.bytes(#name)?),
            Format::Cow => tokens!(args.cow(#name)?),
        }
    }

    /// `args.value(sku)?`
    fn encode(&self, arg: &Arg) -> TokenStream {
        let ident = &arg.ident;
        let place = match &self.shape {
            Shape::InPlace(_) | Shape::Lent(_) if !self.optional => tokens!(#ident),
            _ => tokens!(&#ident),
        };
        match self.format {
            Format::Bytes => tokens!(args.bytes(#place)?),
            Format::Value | Format::Cow => tokens!(args.value(#place)?),
        }
    }

    /// What the trait's method is given, from the field of the request.
    fn lend_field(&self, arg: &Arg, private: &TokenStream) -> TokenStream {
        match &self.shape {
            Shape::Lent(_) => self.lend(arg, private),
            _ => arg.ident.to_token_stream(),
        }
    }

    /// The type that a local call owns: `<str as ToOwned>::Owned`
    fn kept(&self, arg: &Arg, private: &TokenStream) -> TokenStream {
        let ty = &arg.ty;
        let kept = match &self.shape {
            Shape::Owned => return tokens!(#ty),
            Shape::InPlace(target) | Shape::Lent(target) | Shape::Cow { target, .. } => {
                tokens!(<#target as #private::ToOwned>::Owned)
            }
        };
        self.optional_type(kept, private)
    }

    /// From the argument of the client to what a local call owns.
    fn keep(&self, arg: &Arg, private: &TokenStream) -> TokenStream {
        let ident = &arg.ident;
        let keep = match &self.shape {
            Shape::Owned => return tokens!(#ident),
            Shape::InPlace(_) | Shape::Lent(_) => tokens!(#private::ToOwned::to_owned),
            Shape::Cow { .. } => tokens!(#private::Cow::into_owned),
        };
        if self.optional { tokens!(#private::Option::map(#ident, #keep)) } else { tokens!(#keep(#ident)) }
    }

    /// What the trait's method is given, from what a local call owns.
    fn lend_kept(&self, arg: &Arg, private: &TokenStream) -> TokenStream {
        let ident = &arg.ident;
        match &self.shape {
            Shape::Owned => tokens!(#ident),
            Shape::InPlace(_) | Shape::Lent(_) => self.lend(arg, private),
            Shape::Cow { .. } if self.optional => tokens!(#private::Option::map(#ident, #private::Cow::Owned)),
            Shape::Cow { .. } => tokens!(#private::Cow::Owned(#ident)),
        }
    }

    fn lend(&self, arg: &Arg, private: &TokenStream) -> TokenStream {
        let ident = &arg.ident;
        let borrow = tokens!(#private::Borrow::borrow);
        if self.optional {
            tokens!(#private::Option::map(#private::Option::as_ref(&#ident), #borrow))
        } else {
            tokens!(#borrow(&#ident))
        }
    }

    fn optional_type(&self, ty: TokenStream, private: &TokenStream) -> TokenStream {
        if self.optional { tokens!(#private::Option<#ty>) } else { ty }
    }
}

/// `[T]` -> `Vec<T>`; `Path` and the like by their own word; any other type is its own owned form.
fn owned(target: &syn::Type, private: &TokenStream) -> TokenStream {
    let unsized_names = ["Path", "OsStr", "CStr"];
    match target {
        syn::Type::Slice(slice) => {
            let elem = &slice.elem;
            tokens!(#private::Vec<#elem>)
        }
        target if unsized_names.iter().any(|name| crate::types::is(target, name)) => {
            tokens!(<#target as #private::ToOwned>::Owned)
        }
        target => tokens!(#target),
    }
}
