//! One argument on its way: client -> message -> request -> implementation, or client -> implementation.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Type, TypeSlice};

use super::evidence::Asking;
use super::{Scope, pointing_at};
use crate::model::{Arg, Format, Passing, Shape};
use crate::types;

impl Passing {
    /// The type of its field in the request.
    pub(super) fn field(&self, arg: &Arg, scope: &Scope<'_>) -> TokenStream {
        let (private, frame, ty) = (&scope.private, &scope.frame, &arg.ty);
        let field = match &self.shape {
            Shape::Owned => return tokens!(#ty),
            Shape::InPlace(target) => tokens!(&#frame #target),
            Shape::Lent(target) => owned(target, private),
            Shape::Cow { cow, .. } => types::cow_with_lifetime(cow, frame).into_token_stream(),
        };
        self.optional_type(field, private)
    }

    /// Whether its field borrows from the message.
    pub(super) fn borrows_frame(&self) -> bool {
        matches!(self.shape, Shape::InPlace(_) | Shape::Cow { .. })
    }

    /// `args.value("sku")?`, `args.owned("units", __InventoryMethods::__evidence0())?`
    pub(super) fn decode(&self, arg: &Arg, asking: &Asking<'_>) -> TokenStream {
        let name = arg.name();
        let decode = match (self.field_evidence(arg, asking), &self.format) {
            (Some(evidence), _) if self.default => tokens!(args.owned_or_default(#name, #evidence)?),
            (Some(evidence), _) => tokens!(args.owned(#name, #evidence)?),
            (None, _) if self.default => tokens!(args.default(#name)?),
            (None, Format::Value) => tokens!(args.value(#name)?),
            (None, Format::Bytes) => tokens!(args.bytes(#name)?),
            (None, Format::Cow) => tokens!(args.cow(#name)?),
        };
        pointing_at(arg.place(), decode)
    }

    /// `&sku`, `&AsBytes(blob)`, `Evidence::argument(__InventoryMethods::__evidence0(), &units)`
    pub(super) fn encode(&self, arg: &Arg, asking: &Asking<'_>) -> TokenStream {
        let (private, ident) = (&asking.scope.private, &arg.ident);
        let encode = match (self.evidence(arg, asking), &self.format, &self.shape) {
            (Some(evidence), ..) => {
                let (way, value) = self.encode_by_evidence(arg);
                tokens!(#private::Evidence::#way(#evidence, #value))
            }
            (None, Format::Bytes, Shape::InPlace(_) | Shape::Lent(_)) => tokens!(&#private::AsBytes(#ident)),
            (None, Format::Bytes, _) => tokens!(&#private::AsBytes(&#ident)),
            (None, Format::Value | Format::Cow, _) => tokens!(&#ident),
        };
        pointing_at(arg.place(), encode)
    }

    /// The method of the evidence, and what it is given.
    fn encode_by_evidence(&self, arg: &Arg) -> (TokenStream, TokenStream) {
        let ident = &arg.ident;
        match (self.optional, &self.shape) {
            (true, _) if self.is_slice() => (tokens!(optional_slice), tokens!(&#ident)),
            (true, _) => (tokens!(optional), tokens!(&#ident)),
            (false, _) if self.is_slice() => (tokens!(slice), tokens!(&#ident)),
            (false, Shape::Lent(_)) => (tokens!(argument), tokens!(#ident)),
            (false, _) => (tokens!(argument), tokens!(&#ident)),
        }
    }

    /// Evidence of its field in the request.
    fn field_evidence(&self, arg: &Arg, asking: &Asking<'_>) -> Option<TokenStream> {
        let (private, mut evidence) = (&asking.scope.private, self.evidence(arg, asking)?);
        if self.is_slice() {
            evidence = tokens!(#private::list_of(#evidence));
        }
        if self.optional {
            evidence = tokens!(#private::option_of(#evidence));
        }
        Some(evidence)
    }

    /// Evidence of the type of the user's in it, if there is one.
    pub(super) fn evidence(&self, arg: &Arg, asking: &Asking<'_>) -> Option<TokenStream> {
        let ty = match (&self.format, &self.shape) {
            (Format::Value, Shape::Owned) => &arg.ty,
            (Format::Value, Shape::Lent(Type::Slice(TypeSlice { elem, .. }))) => &**elem,
            (Format::Value, Shape::Lent(target)) if is_sized(target) => target,
            _ => return None,
        };
        Some(asking.under(&arg.cfgs).value(ty))
    }

    fn is_slice(&self) -> bool {
        matches!(self.shape, Shape::Lent(Type::Slice(_)))
    }

    /// What the trait's method is given, from the field of the request.
    pub(super) fn lend_field(&self, arg: &Arg, private: &TokenStream) -> TokenStream {
        match &self.shape {
            Shape::Lent(_) => self.lend(arg, private),
            _ => arg.ident.to_token_stream(),
        }
    }

    /// The type that a local call owns.
    pub(super) fn kept(&self, arg: &Arg, private: &TokenStream) -> TokenStream {
        let ty = &arg.ty;
        match &self.shape {
            Shape::Owned => tokens!(#ty),
            Shape::InPlace(target) | Shape::Lent(target) | Shape::Cow { target, .. } => {
                self.optional_type(owned(target, private), private)
            }
        }
    }

    /// From the argument of the client to what a local call owns.
    pub(super) fn keep(&self, arg: &Arg, private: &TokenStream) -> TokenStream {
        let ident = &arg.ident;
        let own = match &self.shape {
            Shape::Owned => return tokens!(#ident),
            Shape::Cow { .. } => tokens!(#private::Cow::into_owned),
            Shape::Lent(target) if is_sized(target) => tokens!(#private::Clone::clone),
            Shape::InPlace(_) | Shape::Lent(_) => tokens!(#private::ToOwned::to_owned),
        };
        let kept =
            if self.optional { tokens!(#private::Option::map(#ident, #own)) } else { tokens!(#own(#ident)) };
        pointing_at(arg.place(), kept)
    }

    /// What the trait's method is given, from what a local call owns.
    pub(super) fn lend_kept(&self, arg: &Arg, private: &TokenStream) -> TokenStream {
        let ident = &arg.ident;
        match &self.shape {
            Shape::Owned => tokens!(#ident),
            Shape::InPlace(_) | Shape::Lent(_) => self.lend(arg, private),
            Shape::Cow { .. } if self.optional => {
                tokens!(#private::Option::map(#ident, #private::Cow::Owned))
            }
            Shape::Cow { .. } => tokens!(#private::Cow::Owned(#ident)),
        }
    }

    fn lend(&self, arg: &Arg, private: &TokenStream) -> TokenStream {
        let ident = &arg.ident;
        let borrow = tokens!(#private::Borrow::borrow);
        let lent = if self.optional {
            tokens!(#private::Option::map(#private::Option::as_ref(&#ident), #borrow))
        } else {
            tokens!(#borrow(&#ident))
        };
        pointing_at(arg.place(), lent)
    }

    fn optional_type(&self, ty: TokenStream, private: &TokenStream) -> TokenStream {
        if self.optional { tokens!(#private::Option<#ty>) } else { ty }
    }
}

/// `str` -> `String`, `[T]` -> `Vec<T>`, and `Path` to its own owned form; any other type is that itself.
fn owned(target: &Type, private: &TokenStream) -> TokenStream {
    match target {
        Type::Slice(TypeSlice { elem, .. }) => tokens!(#private::Vec<#elem>),
        target if types::is(target, "str") => tokens!(#private::String),
        target if is_sized(target) => tokens!(#target),
        target => tokens!(<#target as #private::ToOwned>::Owned),
    }
}

/// By its name; a type of the user's own that is called `Path` is its own owned form in either case.
fn is_sized(target: &Type) -> bool {
    let is_unsized = ["str", "Path", "OsStr", "CStr"].iter().any(|name| types::is(target, name));
    !is_unsized && !matches!(target, Type::Slice(_))
}
