//! A stream at its two ends: what sends its items, and what the client receives them by.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{Type, parse_quote};

use super::pointing_at;
use crate::stream::Streamed;

impl Streamed {
    /// `Receiver<Change>` in the place of `impl Stream<Item = Change>`.
    pub(crate) fn received(&self, private: &TokenStream) -> Type {
        let (place, item) = (self.item.span(), &self.item);
        let receiver = pointing_at(place, tokens!(#private::Receiver));
        self.replaced_by(if self.fails() {
            let returned = pointing_at(place, tokens!(#private::Returned));
            parse_quote!(#receiver<<#item as #returned>::Ok, <#item as #returned>::End>)
        } else {
            parse_quote!(#receiver<#item>)
        })
    }

    /// `context.stream(plain(…), Encoding::Named).await`, or `stream_result`.
    pub(super) fn answered(&self, by: &TokenStream, args: &TokenStream) -> TokenStream {
        let answer = if self.is_in_result() { tokens!(stream_result) } else { tokens!(stream) };
        pointing_at(self.item.span(), tokens!(#by.#answer(#args).await))
    }

    /// `plain(Inventory::watch(service, prefix).await)`, or such in a `Result`.
    pub(super) fn source(&self, returned: &TokenStream, private: &TokenStream) -> TokenStream {
        let source = if self.fails() { tokens!(#private::failing) } else { tokens!(#private::plain) };
        if self.is_in_result() {
            tokens!(#private::Result::map(#returned, #source))
        } else {
            tokens!(#source(#returned))
        }
    }
}
