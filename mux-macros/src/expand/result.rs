//! The types in a method's `Result`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Type, parse_quote};

use super::pointing_at;
use crate::types;

/// As generated code names them.
pub(crate) struct ResultTypes {
    pub(crate) ok: Type,
    pub(super) error: Type,
    /// And may not be a `Failure`; where the error is not written, only the compiler knows.
    pub(super) error_is_itself: bool,
}

impl ResultTypes {
    // Input:
    //     Result<u32, Shortage>
    //     io::Result<u32>
    // Output:
    //     u32, Shortage
    //     <io::Result<u32> as Returned>::Ok, <io::Result<u32> as Returned>::Error
    pub(crate) fn of(result: &Type, private: &TokenStream) -> Self {
        if let [ok, error] = types::args(result)[..] {
            return Self {
                ok: ok.clone(),
                error: error.clone(),
                error_is_itself: !types::is(error, "Failure"),
            };
        }
        // The only type that is written is that of the value, as far as anyone can tell.
        let ok_place = types::args(result).first().map_or_else(|| result.span(), Spanned::span);
        let part = |place: Span, name: TokenStream| {
            let (returned, name) =
                (pointing_at(place, tokens!(#private::Returned)), pointing_at(place, name));
            let part = tokens_at!(place=> <#result as #returned>::#name);
            parse_quote!(#part)
        };
        Self {
            ok: part(ok_place, tokens!(Ok)),
            error: part(result.span(), tokens!(Error)),
            error_is_itself: false,
        }
    }

    /// The error as a caller gets it.
    pub(crate) fn app(&self, private: &TokenStream) -> TokenStream {
        self.error_as(private, tokens!(App))
    }

    /// The error as a stream ends with it.
    pub(crate) fn end(&self, private: &TokenStream) -> TokenStream {
        self.error_as(private, tokens!(End))
    }

    fn error_as(&self, private: &TokenStream, name: TokenStream) -> TokenStream {
        let error = &self.error;
        if self.error_is_itself {
            error.to_token_stream()
        } else {
            let place = error.span();
            let (fallible, name) =
                (pointing_at(place, tokens!(#private::Fallible)), pointing_at(place, name));
            tokens_at!(place=> <#error as #fallible>::#name)
        }
    }
}
