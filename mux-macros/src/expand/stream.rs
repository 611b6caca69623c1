//! A stream at its two ends: what sends its items, and what the client receives them by.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{Type, parse_quote};

use super::evidence::Asking;
use super::{ResultTypes, pointing_at};
use crate::stream::Streamed;

impl Streamed {
    /// `Receiver<Change>` in the place of `impl Stream<Item = Change>`.
    pub(crate) fn received(&self, private: &TokenStream) -> Type {
        let (place, item) = (self.item.span(), &self.item);
        let receiver = pointing_at(place, tokens!(#private::Receiver));
        let received = if self.fails() {
            let types = ResultTypes::of(item, private);
            let (ok, end) = (&types.ok, types.end(private));
            tokens_at!(place=> #receiver<#ok, #end>)
        } else {
            tokens_at!(place=> #receiver<#item>)
        };
        self.replaced_by(parse_quote!(#received))
    }

    /// The types of the `Result` that its receiver is in, if it is in one.
    pub(super) fn result(&self, private: &TokenStream) -> Option<ResultTypes> {
        self.is_in_result().then(|| ResultTypes::of(&self.received(private), private))
    }

    /// What its items are known by.
    pub(super) fn evidence(&self, asking: &Asking<'_>) -> ItemEvidence {
        if self.fails() {
            let types = ResultTypes::of(&self.item, &asking.scope.private);
            ItemEvidence { item: asking.value(&types.ok), error: Some(asking.error(&types)) }
        } else {
            ItemEvidence { item: asking.value(&self.item), error: None }
        }
    }

    // Output:
    //     context.stream(plain(Inventory::watch(service, prefix).await, …), Encoding::Named).await
    //     opening.stream_result(Result::map(Inventory::audit(service, sku).await, |stream| failing(stream, …)), …).await
    pub(super) fn answered(
        &self,
        by: &TokenStream,
        returned: &TokenStream,
        encoding: Option<TokenStream>,
        asking: &Asking<'_>,
    ) -> TokenStream {
        let (private, place) = (&asking.scope.private, self.item.span());
        let evidence = self.evidence(asking);
        let encoding = encoding.map(|encoding| tokens!(#encoding,));
        let answered = if let Some(types) = self.result(private) {
            let (source, error) = (evidence.source(&tokens!(stream), private), asking.error(&types));
            tokens_at!(place=> stream_result(#private::Result::map(#returned, |stream| #source), #encoding #error))
        } else {
            let source = evidence.source(returned, private);
            tokens_at!(place=> stream(#source, #encoding))
        };
        let by = pointing_at(place, by.clone());
        tokens_at!(place=> #by.#answered.await)
    }
}

/// Evidence of a stream's items, and of the error that ends it.
pub(super) struct ItemEvidence {
    pub(super) item: TokenStream,
    pub(super) error: Option<TokenStream>,
}

impl ItemEvidence {
    pub(super) fn of_receiver(&self, private: &TokenStream) -> TokenStream {
        let item = &self.item;
        match &self.error {
            Some(error) => tokens!(#private::failing_receiver_of(#item, #error)),
            None => tokens!(#private::receiver_of(#item)),
        }
    }

    /// `plain(stream, …)`
    fn source(&self, stream: &TokenStream, private: &TokenStream) -> TokenStream {
        let item = &self.item;
        match &self.error {
            Some(error) => tokens!(#private::failing(#stream, #item, #error)),
            None => tokens!(#private::plain(#stream, #item)),
        }
    }
}
