//! Evidence that a service's types travel: one function for each, the only place where the compiler checks the type.

use std::cell::RefCell;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, Type};

use super::{ResultTypes, Scope, pointing_at};
use crate::model::{self, Method};
use crate::{names, types};

/// What was asked for so far, each once.
#[derive(Default)]
pub(super) struct Asked(RefCell<Vec<Question>>);

#[derive(Clone)]
struct Question {
    /// Under which the type may be missing.
    cfgs: Vec<Attribute>,
    kind: Kind,
    ty: Type,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Value,
    /// An error that travels as itself.
    Error,
    /// An error that may be a `Failure` as well.
    AnyError,
}

impl Asked {
    fn number(&self, question: Question) -> usize {
        let mut questions = self.0.borrow_mut();
        let known = questions.iter().position(|other| other.is(&question));
        known.unwrap_or_else(|| {
            questions.push(question);
            questions.len() - 1
        })
    }
}

impl Question {
    fn is(&self, other: &Self) -> bool {
        // Behind a macro, one `$crate` need not be the other.
        let ambiguous = names::mentions(self.ty.to_token_stream(), "$crate");
        let same_type = self.kind == other.kind && types::text(&self.ty) == types::text(&other.ty);
        !ambiguous && same_type && model::text(&self.cfgs) == model::text(&other.cfgs)
    }
}

/// Asks for evidence of types that stand under some `#[cfg]`s.
pub(super) struct Asking<'s> {
    pub(super) scope: &'s Scope<'s>,
    cfgs: Vec<Attribute>,
}

impl<'s> Asking<'s> {
    pub(super) fn within(method: &Method, scope: &'s Scope<'s>) -> Self {
        Self { scope, cfgs: method.cfgs().cloned().collect() }
    }

    pub(super) fn under(&self, cfgs: &[Attribute]) -> Self {
        Self { scope: self.scope, cfgs: [&self.cfgs, cfgs].concat() }
    }

    pub(super) fn value(&self, ty: &Type) -> TokenStream {
        self.evidence(Kind::Value, ty)
    }

    pub(super) fn error(&self, result: &ResultTypes) -> TokenStream {
        let kind = if result.error_is_itself { Kind::Error } else { Kind::AnyError };
        self.evidence(kind, &result.error)
    }

    /// `__InventoryMethods::__evidence0::<K, V>()`
    fn evidence(&self, kind: Kind, ty: &Type) -> TokenStream {
        let Scope { asked, methods, generics, .. } = self.scope;
        let name = names::evidence(asked.number(Question { cfgs: self.cfgs.clone(), kind, ty: ty.clone() }));
        let (_, args, _) = generics.split_for_impl();
        let args = args.as_turbofish();
        tokens!(#methods::#name #args())
    }
}

// Output:
//     impl __InventoryMethods {
//         fn __evidence0() -> impl Evidence<Value = u32> { travels::<u32, _>() }
//         fn __evidence1() -> impl ErrorEvidence<Error = Shortage, App = Shortage, End = Shortage> { fails::<Shortage, _>() }
//     }
/// For all that was asked for before.
pub(super) fn render(scope: &Scope<'_>) -> TokenStream {
    let (attrs, methods) = (scope.attrs(), &scope.methods);
    let questions = scope.asked.0.borrow();
    let functions =
        questions.iter().enumerate().map(|(number, it)| function(scope, &names::evidence(number), it));
    tokens! {
        #attrs
        impl #methods {
            #(#functions)*
        }
    }
}

fn function(scope: &Scope<'_>, name: &Ident, question: &Question) -> TokenStream {
    let Question { cfgs, kind, ty } = question;
    let place = ty.span();
    let (private, name) =
        (pointing_at(place, scope.private.clone()), pointing_at(place, name.to_token_stream()));
    let (params, _, bounds) = scope.generics.split_for_impl();
    let (promise, made) = match kind {
        Kind::Value => (
            tokens_at!(place=> #private::Evidence<Value = #ty>),
            tokens_at!(place=> #private::travels::<#ty, _>()),
        ),
        Kind::Error => (
            tokens_at!(place=> #private::ErrorEvidence<Error = #ty, App = #ty, End = #ty>),
            tokens_at!(place=> #private::fails::<#ty, _>()),
        ),
        Kind::AnyError => {
            let error = tokens_at!(place=> <#ty as #private::Fallible>);
            (
                tokens_at!(place=> #private::ErrorEvidence<Error = #ty, App = #error::App, End = #error::End>),
                tokens_at!(place=> #error::evidence()),
            )
        }
    };
    tokens_at!(place=> #(#cfgs)* fn #name #params() -> impl #promise #bounds { #made })
}
