//! Every identifier the expansion makes. Knows words, not methods.

use std::collections::HashMap;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::Ident;
use syn::ext::IdentExt;

pub(crate) fn client(service: &Ident) -> Ident {
    derived(service, &format!("{}Client", service.unraw()))
}

pub(crate) fn server(service: &Ident) -> Ident {
    derived(service, &format!("{}Server", service.unraw()))
}

pub(crate) fn request(service: &Ident) -> Ident {
    derived(service, &format!("{}Request", service.unraw()))
}

/// The object-safe twin of the trait, behind the client of an implementation in the same process.
pub(crate) fn local(service: &Ident) -> Ident {
    derived(service, &format!("__{}Local", service.unraw()))
}

/// What holds the descriptors of the methods.
pub(crate) fn methods(service: &Ident) -> Ident {
    derived(service, &format!("__{}Methods", service.unraw()))
}

/// The constant of a service's fingerprint, in small letters: those of methods have none.
pub(crate) fn fingerprint() -> Ident {
    Ident::new("__fingerprint", Span::mixed_site())
}

/// A function that makes the evidence of a type.
pub(crate) fn evidence(number: usize) -> Ident {
    Ident::new(&format!("__evidence{number}"), Span::mixed_site())
}

/// A method of the local twin. Not the method's own name: as a method of `Arc<Self>` it would be found before
/// the user's when called on an `Arc`.
pub(crate) fn local_method(method: &Ident) -> Ident {
    derived(method, &format!("__local_{}", method.unraw()))
}

/// The same name, at the same place, but marked as made by the macro.
pub(crate) fn generated(ident: &Ident) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(Span::mixed_site().located_at(ident.span()));
    ident
}

/// An argument in generated code: as the user calls it, yet neither mistaken for a variable of the macro's own
/// nor, by a lint, for code of the user's.
pub(crate) fn argument(ident: &Ident) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(Span::call_site().located_at(ident.span()));
    ident
}

fn derived(from: &Ident, name: &str) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(from.span()))
}

/// Gives each method a name of its own, also where `foo_bar` meets `foo__bar`.
#[derive(Default)]
pub(crate) struct Distinct {
    names: HashMap<Ident, String>,
}

impl Distinct {
    /// `take_all` -> `TakeAll`
    pub(crate) fn variant(&mut self, method: &Ident) -> Ident {
        self.claim(method, &upper_camel(&method.unraw().to_string()))
    }

    /// `take_all` -> `TAKE_ALL`
    pub(crate) fn constant(&mut self, method: &Ident) -> Ident {
        self.claim(method, &method.unraw().to_string().to_uppercase())
    }

    /// Two versions of one method, under opposite `#[cfg]`s, share a name.
    fn claim(&mut self, method: &Ident, wish: &str) -> Ident {
        let name = match self.names.get(method) {
            Some(name) => name.clone(),
            None => self.untaken(wish),
        };
        self.names.insert(method.clone(), name.clone());
        derived(method, &name)
    }

    fn untaken(&self, wish: &str) -> String {
        let is_taken = |name: &String| self.names.values().any(|taken| taken == name);
        let numbered = (2..).map(|n| format!("{wish}{n}"));
        let mut names = std::iter::once(wish.to_owned()).chain(numbered);
        names.find(|name| !is_taken(name)).unwrap_or_default()
    }
}

/// The wire name of a service: `KvStore` -> `kv_store`.
pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, &c) in chars.iter().enumerate() {
        if starts_word(&chars, at) {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

fn starts_word(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| chars.get(before));
    let after = chars.get(at + 1);
    match before {
        Some(before) if chars[at].is_uppercase() => {
            before.is_lowercase()
                || before.is_numeric()
                || before.is_uppercase() && after.is_some_and(|after| after.is_lowercase())
        }
        _ => false,
    }
}

fn upper_camel(name: &str) -> String {
    let camel: String = name.split('_').map(capitalised).collect();
    match camel.as_str() {
        "Self" => "Self_".to_owned(),
        camel if camel.starts_with(|c: char| c.is_numeric()) || camel.is_empty() => format!("Method{camel}"),
        _ => camel,
    }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

/// `wish`, or `__wish` where the trait says `wish` itself.
pub(crate) fn unused(wish: &str, trait_tokens: TokenStream) -> Ident {
    let name = if mentions(trait_tokens, wish) { format!("__{wish}") } else { wish.to_owned() };
    Ident::new(&name, Span::mixed_site())
}

pub(crate) fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ident(name: &str) -> Ident {
        syn::parse_str(name).unwrap()
    }

    #[test]
    fn a_service_is_named_in_snake_case() {
        let pairs = [
            ("Inventory", "inventory"),
            ("KvStore", "kv_store"),
            ("HTTPServer", "http_server"),
            ("StoreV2", "store_v2"),
            ("V2Store", "v2_store"),
            ("lower", "lower"),
            ("ÄpfelKiste", "äpfel_kiste"),
        ];
        for (name, snake_case) in pairs {
            assert_eq!(snake(name), snake_case);
        }
    }

    #[test]
    fn a_variant_is_named_in_camel_case() {
        let pairs = [
            ("stock", "Stock"),
            ("take_all", "TakeAll"),
            ("_hidden", "Hidden"),
            ("r#type", "Type"),
            ("self_", "Self_"),
            ("_1", "Method1"),
            ("__", "Method"),
            ("größe", "Größe"),
        ];
        for (method, variant) in pairs {
            assert_eq!(Distinct::default().variant(&ident(method)), variant);
        }
    }

    #[test]
    fn methods_that_differ_get_names_that_differ() {
        let mut names = Distinct::default();
        let variants =
            ["foo_bar", "foo__bar", "foo_bar2", "FooBar"].map(|m| names.variant(&ident(m)).to_string());
        assert_eq!(variants, ["FooBar", "FooBar2", "FooBar22", "FooBar3"]);

        let mut names = Distinct::default();
        let constants = ["foo", "FOO", "r#foo2"].map(|m| names.constant(&ident(m)).to_string());
        assert_eq!(constants, ["FOO", "FOO2", "FOO22"]);
    }

    #[test]
    fn a_name_the_trait_mentions_is_avoided() {
        let tokens = quote::quote!(
            trait T {
                fn f(&self, s: Vec<S>);
            }
        );
        assert_eq!(unused("S", tokens.clone()), "__S");
        assert_eq!(unused("Q", tokens), "Q");
    }
}
