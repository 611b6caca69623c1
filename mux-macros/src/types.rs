//! Reads the shape of a type off its syntax. Knows names, not what they resolve to.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    AngleBracketedGenericArguments, GenericArgument, Lifetime, PathArguments, PathSegment, Type, TypePath,
};

use crate::check::Defects;
use crate::stream;

/// The type itself, out of the invisible or visible parentheses around it.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

pub(crate) fn bare_mut(ty: &mut Type) -> &mut Type {
    match ty {
        Type::Group(group) => bare_mut(&mut group.elem),
        Type::Paren(paren) => bare_mut(&mut paren.elem),
        ty => ty,
    }
}

/// Whether the last path segment of `ty` is `name`: `io::Result<T>` is a `Result`.
pub(crate) fn is(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// The `T` of a `wrapper<T>`.
pub(crate) fn inside<'t>(ty: &'t Type, wrapper: &str) -> Option<&'t Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == wrapper)?;
    type_args(segment).into_iter().next()
}

/// The `T` and `U` of a `Wrapper<T, U>`.
pub(crate) fn args(ty: &Type) -> Vec<&Type> {
    last_segment(ty).map(type_args).unwrap_or_default()
}

pub(crate) fn first_arg_mut(ty: &mut Type) -> Option<&mut Type> {
    last_args_mut(bare_mut(ty))?.args.iter_mut().find_map(|arg| match arg {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// `Vec<u8>` or `Bytes`: travels as one run of bytes.
pub(crate) fn is_owned_bytes(ty: &Type) -> bool {
    inside(ty, "Vec").is_some_and(is_u8) || is(ty, "Bytes")
}

/// `[u8]`
pub(crate) fn is_byte_slice(ty: &Type) -> bool {
    matches!(bare(ty), Type::Slice(slice) if is_u8(&slice.elem))
}

/// A `Cow` that borrows: not `Cow<'static, T>`, which is as good as owned.
pub(crate) fn inside_cow(ty: &Type) -> Option<&Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == "Cow")?;
    let borrows = lifetimes(segment).into_iter().all(|lifetime| lifetime.ident != "static");
    type_args(segment).into_iter().next().filter(|_| borrows)
}

/// `Cow<'_, T>` and `Cow<T>` -> `Cow<'a, T>`
pub(crate) fn cow_with_lifetime(cow: &Type, lifetime: &Lifetime) -> Type {
    let mut cow = bare(cow).clone();
    if let Some(args) = last_args_mut(&mut cow) {
        let types = args.args.iter().filter(|arg| !matches!(arg, GenericArgument::Lifetime(_))).cloned();
        args.args = std::iter::once(GenericArgument::Lifetime(lifetime.clone())).chain(types).collect();
    }
    cow
}

pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(bare(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// The type as one writes it, whichever way the compiler spaces tokens.
pub(crate) fn text(ty: &Type) -> String {
    let mut text = String::new();
    write_tokens(ty.to_token_stream(), &mut text);
    text
}

fn write_tokens(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => write_group(&group, text),
            TokenTree::Punct(punct) => write_punct(punct.as_char(), text),
            word => write_word(&word.to_string(), text),
        }
    }
}

fn write_group(group: &Group, text: &mut String) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::None => ("", ""),
    };
    text.push_str(open);
    write_tokens(group.stream(), text);
    text.push_str(close);
}

fn write_punct(punct: char, text: &mut String) {
    if matches!(punct, '+' | '=') || punct == '-' {
        text.push(' ');
    }
    text.push(punct);
    let ends_arrow = text.ends_with("->");
    if matches!(punct, ',' | ';' | '+' | '=') || ends_arrow {
        text.push(' ');
    }
}

fn write_word(word: &str, text: &mut String) {
    if text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        text.push(' ');
    }
    text.push_str(word);
}

fn is_u8(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(path) if path.path.is_ident("u8"))
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(TypePath { path, .. }) => path.segments.last(),
        _ => None,
    }
}

fn type_args(segment: &PathSegment) -> Vec<&Type> {
    generic_args(segment)
        .filter_map(|arg| if let GenericArgument::Type(ty) = arg { Some(ty) } else { None })
        .collect()
}

fn lifetimes(segment: &PathSegment) -> Vec<&Lifetime> {
    generic_args(segment)
        .filter_map(|arg| if let GenericArgument::Lifetime(it) = arg { Some(it) } else { None })
        .collect()
}

pub(crate) fn generic_args(segment: &PathSegment) -> impl Iterator<Item = &GenericArgument> {
    let args = match &segment.arguments {
        PathArguments::AngleBracketed(args) => Some(&args.args),
        _ => None,
    };
    args.into_iter().flatten()
}

fn last_args_mut(ty: &mut Type) -> Option<&mut AngleBracketedGenericArguments> {
    let Type::Path(TypePath { path, .. }) = ty else { return None };
    match &mut path.segments.last_mut()?.arguments {
        PathArguments::AngleBracketed(args) => Some(args),
        _ => None,
    }
}

/// Where a value goes, which decides how a reference in it is refused.
#[derive(Clone, Copy)]
pub(crate) enum Position {
    Argument,
    Return,
    /// Out of a stream.
    Item,
}

/// Refuses whatever in an owned `ty` cannot be rebuilt from a message.
pub(crate) fn refuse_what_cannot_travel(ty: &Type, position: Position, defects: &mut Defects) {
    match ty {
        Type::Group(group) => refuse_what_cannot_travel(&group.elem, position, defects),
        Type::Paren(paren) => refuse_what_cannot_travel(&paren.elem, position, defects),
        Type::Array(array) => refuse_what_cannot_travel(&array.elem, position, defects),
        Type::Slice(slice) => refuse_what_cannot_travel(&slice.elem, position, defects),
        Type::Tuple(tuple) => {
            tuple.elems.iter().for_each(|elem| refuse_what_cannot_travel(elem, position, defects))
        }
        Type::Path(path) => refuse_in_path(path, position, defects),
        Type::Reference(reference) => defects.add(reference, position.refuses_reference()),
        Type::ImplTrait(opaque) => defects.add(opaque.impl_token, position.refuses_opaque(ty)),
        Type::TraitObject(object) => defects.add(object, position.refuses_object(ty)),
        Type::Ptr(pointer) => defects.add(pointer, position.refuses("a raw pointer")),
        Type::FnPtr(function) => defects.add(function, position.refuses("a function pointer")),
        _ => {}
    }
}

fn refuse_in_path(path: &TypePath, position: Position, defects: &mut Defects) {
    if path.path.segments.first().is_some_and(|first| first.ident == "Self") {
        defects.add(path, "`Self` differs between the client and the server; name a type that both have");
        return;
    }
    for segment in &path.path.segments {
        for lifetime in lifetimes(segment).into_iter().filter(|lifetime| lifetime.ident != "static") {
            defects.add(lifetime, position.refuses_reference());
        }
        type_args(segment).into_iter().for_each(|ty| refuse_what_cannot_travel(ty, position, defects));
    }
}

impl Position {
    fn refuses_reference(self) -> &'static str {
        match self {
            Self::Argument => {
                "an argument may be a reference, but not hold one inside another type; own it here, \
                 as `String` for `&str` or `Vec<T>` for `&[T]`"
            }
            Self::Return => {
                "what a method returns is sent away, so it cannot borrow; own it, as `String` for `&str` or \
                 `Vec<T>` for `&[T]`"
            }
            Self::Item => {
                "what a stream yields is sent away, so it cannot borrow; own it, as `String` for `&str` or \
                 `Vec<T>` for `&[T]`"
            }
        }
    }

    fn refuses_opaque(self, ty: &Type) -> String {
        match (stream::bound(ty), self) {
            (Some(_), _) => self.refuses_stream(),
            (None, Self::Return) => {
                "`impl Trait` cannot be sent; return a type that is `Serialize + Deserialize`, or a stream, as \
                 `impl Stream<Item = T>`"
                    .to_owned()
            }
            (None, _) => self.refuses("`impl Trait`"),
        }
    }

    fn refuses_object(self, ty: &Type) -> String {
        if stream::bound(ty).is_some() { self.refuses_stream() } else { self.refuses("a trait object") }
    }

    fn refuses_stream(self) -> String {
        let reason = match self {
            Self::Argument => "a stream comes in over a channel; take a `mux::Receiver<T>` here",
            Self::Return => {
                "a method returns a stream as `impl Stream<Item = T>`, alone or as the `Ok` of a `Result`; \
                 elsewhere, return a `mux::Receiver<T>`"
            }
            Self::Item => "a stream cannot hold another; yield the `mux::Receiver<T>` of a channel",
        };
        reason.to_owned()
    }

    fn refuses(self, what: &str) -> String {
        let does = match self {
            Self::Argument => "take",
            Self::Return => "return",
            Self::Item => "yield",
        };
        format!("{what} cannot be sent; {does} a type that is `Serialize + Deserialize`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_reads_as_it_was_written() {
        let types = [
            "&str",
            "&[u8]",
            "Result<Vec<(u32, String)>, io::Error>",
            "Cow<'_, str>",
            "[u8; 4]",
            "<T as Tr>::Out",
            "::std::string::String",
            "Box<dyn Fn(u8) -> u8 + Send>",
            "mux::Result<impl Stream<Item = u8> + Send + use<'_, Self>>",
        ];
        for written in types {
            let ty: Type = syn::parse_str(written).unwrap();
            assert_eq!(text(&ty), written);
        }
    }

    #[test]
    fn bytes_are_known_by_their_last_segment() {
        for (written, bytes) in
            [("Vec<u8>", true), ("std::vec::Vec<u8>", true), ("bytes::Bytes", true), ("Vec<u16>", false)]
        {
            let ty: Type = syn::parse_str(written).unwrap();
            assert_eq!(is_owned_bytes(&ty), bytes, "{written}");
        }
    }
}
