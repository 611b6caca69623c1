//! The arguments of `#[mux::service(…)]` and `#[mux(…)]`, spans kept. Knows no rules beyond one attribute.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Token, parse_quote};

use crate::check::Defects;

const SERVICE: [&str; 4] = ["name", "crate", "encoding", "debug"];
const METHOD: [&str; 5] = ["name", "notify", "inline", "detached", "idempotent"];
const ARGUMENT: [&str; 3] = ["name", "context", "default"];

/// `#[mux::service(name = "inventory.v1", crate = path, encoding = "compact", debug)]`
pub(crate) struct ServiceOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) krate: Path,
    pub(crate) compact: bool,
    pub(crate) debug: bool,
}

impl ServiceOptions {
    pub(crate) fn parse(args: TokenStream, defects: &mut Defects) -> Self {
        // Of the same hygiene as what is generated around it: the compiler shows two errors that are alike once.
        let mux = tokens!(::mux);
        let mut options = Self { name: None, krate: parse_quote!(#mux), compact: false, debug: false };
        let entries = Entry::list(args, defects);
        for entry in Entry::known(entries, &SERVICE, defects) {
            match entry.key.to_string().as_str() {
                "name" => options.name = entry.string(defects).filter(|name| service_name(name, defects)),
                "crate" => options.krate = entry.path(defects).unwrap_or(options.krate),
                "encoding" => options.compact = entry.string(defects).is_some_and(|it| compact(&it, defects)),
                _ => options.debug = entry.flag(defects).is_some(),
            }
        }
        options
    }
}

fn service_name(name: &LitStr, defects: &mut Defects) -> bool {
    let is_word =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    let well_formed = name.value().split('.').all(is_word);
    if !well_formed {
        defects.add(name, "a service name is one or more words of letters, digits, `_` and `-`, joined by dots, such as \"inventory.v1\"");
    }
    well_formed
}

fn compact(encoding: &LitStr, defects: &mut Defects) -> bool {
    let compact = encoding.value() == "compact";
    if !compact && encoding.value() != "named" {
        defects.add(encoding, "unknown encoding; write \"named\" (the default) or \"compact\"");
    }
    compact
}

/// `#[mux(name = "…", notify, inline, detached, idempotent)]`; a flag is kept as the word that set it.
#[derive(Default)]
pub(crate) struct MethodOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) notify: Option<Ident>,
    pub(crate) inline: Option<Ident>,
    pub(crate) detached: Option<Ident>,
    pub(crate) idempotent: Option<Ident>,
}

impl MethodOptions {
    pub(crate) fn parse(attrs: &[Attribute], defects: &mut Defects) -> Self {
        let mut options = Self::default();
        for entry in Entry::of_mux(attrs, &METHOD, defects) {
            match entry.key.to_string().as_str() {
                "name" => options.name = entry.string(defects).filter(|name| method_name(name, defects)),
                "notify" => options.notify = entry.flag(defects),
                "inline" => options.inline = entry.flag(defects),
                "detached" => options.detached = entry.flag(defects),
                _ => options.idempotent = entry.flag(defects),
            }
        }
        options
    }
}

fn method_name(name: &LitStr, defects: &mut Defects) -> bool {
    let value = name.value();
    if value.is_empty() {
        defects.add(name, "a method name cannot be empty");
    } else if value.contains('.') {
        defects.add(
            name,
            "a method name cannot contain a dot: what comes before the last dot names the service",
        );
    }
    !value.is_empty() && !value.contains('.')
}

/// `#[mux(name = "…", default)]` or `#[mux(context)]`
#[derive(Default)]
pub(crate) struct ArgOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) context: Option<Ident>,
    pub(crate) default: Option<Ident>,
}

impl ArgOptions {
    pub(crate) fn parse(attrs: &[Attribute], defects: &mut Defects) -> Self {
        let mut options = Self::default();
        for entry in Entry::of_mux(attrs, &ARGUMENT, defects) {
            match entry.key.to_string().as_str() {
                "name" => options.name = entry.string(defects).filter(|name| arg_name(name, defects)),
                "context" => options.context = entry.flag(defects),
                _ => options.default = entry.flag(defects),
            }
        }
        options
    }
}

fn arg_name(name: &LitStr, defects: &mut Defects) -> bool {
    let is_empty = name.value().is_empty();
    if is_empty {
        defects.add(name, "the name of an argument cannot be empty");
    }
    !is_empty
}

pub(crate) fn is_mux(attr: &Attribute) -> bool {
    attr.path().is_ident("mux")
}

/// `key` or `key = value`
struct Entry {
    key: Ident,
    value: Option<Expr>,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any)?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Self { key, value })
    }
}

impl Entry {
    /// The entries of every `#[mux(…)]` among `attrs`, each known and there once.
    fn of_mux(attrs: &[Attribute], known: &[&str], defects: &mut Defects) -> Vec<Self> {
        refuse_conditional(attrs, defects);
        let mut entries = Vec::new();
        for attr in attrs.iter().filter(|attr| is_mux(attr)) {
            match &attr.meta {
                Meta::List(list) if !list.tokens.is_empty() => {
                    entries.extend(Self::list(list.tokens.clone(), defects));
                }
                bare => defects.add(bare, format!("expected #[mux(…)] with {}", alternatives(known))),
            }
        }
        Self::known(entries, known, defects)
    }

    fn list(tokens: TokenStream, defects: &mut Defects) -> Vec<Self> {
        match Punctuated::<Self, Token![,]>::parse_terminated.parse2(tokens) {
            Ok(entries) => entries.into_iter().collect(),
            Err(error) => {
                defects.push(error);
                Vec::new()
            }
        }
    }

    fn known(entries: Vec<Self>, known: &[&str], defects: &mut Defects) -> Vec<Self> {
        let mut kept: Vec<Self> = Vec::new();
        for entry in entries {
            let key = &entry.key;
            if !known.contains(&key.to_string().as_str()) {
                defects.add(key, format!("unknown option `{key}`; expected {}", alternatives(known)));
            } else if kept.iter().any(|earlier| earlier.key == *key) {
                defects.add(key, format!("option `{key}` is given twice; remove one"));
            } else {
                kept.push(entry);
            }
        }
        kept
    }

    fn flag(&self, defects: &mut Defects) -> Option<Ident> {
        if let Some(value) = &self.value {
            defects.add(value, format!("`{0}` takes no value; write just `{0}`", self.key));
        }
        Some(self.key.clone())
    }

    fn string(&self, defects: &mut Defects) -> Option<LitStr> {
        match &self.value {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(string), .. })) => Some(string.clone()),
            _ => self.refuse_value("a string, as in", &format!("{} = \"…\"", self.key), defects),
        }
    }

    fn path(&self, defects: &mut Defects) -> Option<Path> {
        match &self.value {
            Some(Expr::Path(path)) if path.qself.is_none() => Some(path.path.clone()),
            _ => self.refuse_value("a path without quotes, as in", "crate = ::my_crate::mux", defects),
        }
    }

    fn refuse_value<T>(&self, expected: &str, example: &str, defects: &mut Defects) -> Option<T> {
        let place: Span = self.value.as_ref().map_or(self.key.span(), Spanned::span);
        defects.at(place, format!("`{}` takes {expected} `{example}`", self.key));
        None
    }
}

/// The macro runs before `cfg_attr` is resolved, so a `mux` inside would go unseen.
fn refuse_conditional(attrs: &[Attribute], defects: &mut Defects) {
    for hidden in attrs.iter().filter_map(hidden_mux) {
        let reason = "`mux` has no effect inside cfg_attr; write #[mux(…)], and #[cfg] on two versions";
        defects.add(hidden, reason);
    }
}

/// The `mux` in `#[cfg_attr(unix, mux(notify))]`
pub(crate) fn hidden_mux(attr: &Attribute) -> Option<TokenTree> {
    let list = attr.meta.require_list().ok().filter(|list| list.path.is_ident("cfg_attr"))?;
    list.tokens.clone().into_iter().find(|token| token.to_string() == "mux")
}

fn alternatives(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        only => only.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn messages(defects: Defects) -> Vec<String> {
        defects.into_error().into_iter().flatten().map(|error| error.to_string()).collect()
    }

    fn service(args: TokenStream) -> (ServiceOptions, Vec<String>) {
        let mut defects = Defects::default();
        let options = ServiceOptions::parse(args, &mut defects);
        (options, messages(defects))
    }

    #[test]
    fn every_service_option_is_read() {
        let (options, messages) =
            service(quote!(name = "a.b", crate = crate::inner::mux, encoding = "compact", debug,));
        assert_eq!(messages, [""; 0]);
        assert_eq!(options.name.map(|name| name.value()).as_deref(), Some("a.b"));
        assert_eq!(options.krate.segments.len(), 3);
        assert!(options.compact && options.debug);
    }

    #[test]
    fn every_bad_option_is_reported() {
        let (_, messages) = service(quote!(nam = "x", debug, debug, encoding = "json", crate = "mux"));
        assert_eq!(
            messages,
            [
                "unknown option `nam`; expected `name`, `crate`, `encoding` or `debug`",
                "option `debug` is given twice; remove one",
                "unknown encoding; write \"named\" (the default) or \"compact\"",
                "`crate` takes a path without quotes, as in `crate = ::my_crate::mux`",
            ]
        );
    }

    #[test]
    fn options_of_one_method_may_be_spread_over_attributes() {
        let mut defects = Defects::default();
        let attrs: [Attribute; 2] =
            [parse_quote!(#[mux(notify)]), parse_quote!(#[mux(name = "n", detached)])];
        let options = MethodOptions::parse(&attrs, &mut defects);
        assert_eq!(messages(defects), [""; 0]);
        assert!(options.notify.is_some() && options.detached.is_some() && options.inline.is_none());
        assert_eq!(options.name.map(|name| name.value()).as_deref(), Some("n"));
    }

    #[test]
    fn a_flag_with_a_value_is_refused() {
        let mut defects = Defects::default();
        MethodOptions::parse(&[parse_quote!(#[mux(notify = true)])], &mut defects);
        assert_eq!(messages(defects), ["`notify` takes no value; write just `notify`"]);
    }

    #[test]
    fn a_bare_attribute_lists_what_it_may_say() {
        let mut defects = Defects::default();
        ArgOptions::parse(&[parse_quote!(#[mux])], &mut defects);
        assert_eq!(messages(defects), ["expected #[mux(…)] with `name`, `context` or `default`"]);
    }
}
