//! A service as the expansion needs it. What `from_syn` yields is well formed; what is not, it reports.

use proc_macro2::Span;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, ExprLit, FnArg, Generics, Ident, ItemTrait, Lit, LitStr, Meta, Pat, PatIdent, PatType,
    Path, ReceiverKind, ReturnType, Safety, Signature, TraitItem, TraitItemFn, Type, Visibility, parse_quote,
};

use crate::args::{ArgOptions, MethodOptions, ServiceOptions};
use crate::check::{self, Defects};
use crate::names::{self, Distinct};
use crate::stream::{self, Streamed};
use crate::types::{self, Position};

pub(crate) struct Service {
    /// The trait as written.
    pub(crate) item: ItemTrait,
    pub(crate) krate: Path,
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) compact: bool,
    pub(crate) debug: bool,
    pub(crate) methods: Vec<Method>,
}

impl Service {
    /// Those methods that are well formed; `None` when the trait as a whole is not.
    pub(crate) fn from_syn(
        options: &ServiceOptions,
        item: &ItemTrait,
        defects: &mut Defects,
    ) -> Option<Self> {
        let whole = well_formed_header(item, defects);
        let methods = methods(item, defects);
        let methods = check::distinct(&item.ident, methods, defects);
        let service = Self {
            krate: options.krate.clone(),
            name: options.name.as_ref().map_or_else(|| default_name(&item.ident), LitStr::value),
            docs: doc_text(&item.attrs),
            compact: options.compact,
            debug: options.debug,
            methods,
            item: item.clone(),
        };
        whole.then_some(service)
    }

    pub(crate) fn ident(&self) -> &Ident {
        &self.item.ident
    }

    pub(crate) fn vis(&self) -> &Visibility {
        &self.item.vis
    }

    /// What each generated item must carry as well: its `#[cfg]`s, and what the user allowed.
    pub(crate) fn inherited_attrs(&self) -> impl Iterator<Item = Attribute> {
        let attrs = self.item.attrs.iter().filter(|attr| attr.path().is_ident("cfg") || is_lint(attr));
        attrs.map(copied)
    }

    pub(crate) fn is_deprecated(&self) -> bool {
        let attrs = self.item.attrs.iter().chain(self.methods.iter().flat_map(|method| &method.attrs));
        attrs.into_iter().any(|attr| attr.path().is_ident("deprecated"))
    }
}

fn default_name(ident: &Ident) -> String {
    names::snake(&ident.unraw().to_string())
}

fn well_formed_header(item: &ItemTrait, defects: &mut Defects) -> bool {
    let before = defects.count();
    if let Some(auto) = &item.modifiers.auto_token {
        defects.add(auto, "a service cannot be an auto trait; remove `auto`");
    }
    for lifetime in item.generics.lifetimes() {
        defects
            .add(lifetime, "a service cannot be generic over lifetimes: it outlives any call; own the data");
    }
    for constant in item.generics.const_params() {
        defects
            .add(constant, "a service cannot be generic over constants; use a type parameter or an argument");
    }
    let whole = defects.count() == before;
    if let Some(unsafety) = &item.unsafety {
        defects.add(unsafety, "a service cannot be unsafe: callers are in another process; remove `unsafe`");
    }
    whole
}

fn methods(item: &ItemTrait, defects: &mut Defects) -> Vec<Method> {
    let mut names = MethodNames::default();
    let mut methods = Vec::new();
    for item in &item.items {
        match item {
            TraitItem::Fn(item) => methods.extend(Method::from_syn(item, &mut names, defects)),
            TraitItem::Type(item) => {
                let reason = "a service cannot have associated types; make it a type parameter of the trait";
                defects.add(item.type_token, reason);
            }
            TraitItem::Const(item) => {
                let reason =
                    "a service cannot have associated constants; make it a method, or a plain `const`";
                defects.add(item.const_token, reason);
            }
            TraitItem::Macro(item) => {
                let reason =
                    "a macro in a service is not expanded before the service is; write the methods out";
                defects.add(&item.mac.path, reason);
            }
            other => defects.add(other, "a service has methods only; remove this"),
        }
    }
    methods
}

#[derive(Default)]
struct MethodNames {
    variants: Distinct,
    constants: Distinct,
}

pub(crate) struct Method {
    /// As written, less `#[mux(…)]`.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) ident: Ident,
    /// Its variant of the request.
    pub(crate) variant: Ident,
    /// Its descriptor.
    pub(crate) constant: Ident,
    pub(crate) wire: String,
    pub(crate) wire_span: Span,
    pub(crate) docs: String,
    pub(crate) is_async: bool,
    pub(crate) inline: bool,
    pub(crate) detached: bool,
    pub(crate) idempotent: bool,
    pub(crate) args: Vec<Arg>,
    pub(crate) reply: Reply,
}

impl Method {
    fn from_syn(item: &TraitItemFn, names: &mut MethodNames, defects: &mut Defects) -> Option<Self> {
        let options = MethodOptions::parse(&item.attrs, defects);
        refuse_contradictions(&options, &item.sig, defects);

        let before = defects.count();
        well_formed_signature(&item.sig, defects);
        let args = args(&item.sig, defects);
        let reply = Reply::from_syn(&item.sig.output, &options, defects);
        let ident = &item.sig.ident;
        (defects.count() == before).then(|| Self {
            attrs: item.attrs.iter().filter(|attr| !crate::args::is_mux(attr)).cloned().collect(),
            variant: names.variants.variant(ident),
            constant: names.constants.constant(ident),
            wire: options.name.as_ref().map_or_else(|| ident.unraw().to_string(), LitStr::value),
            wire_span: options.name.as_ref().map_or_else(|| ident.span(), LitStr::span),
            docs: doc_text(&item.attrs),
            is_async: item.sig.asyncness.is_some(),
            inline: options.inline.is_some(),
            detached: options.detached.is_some(),
            idempotent: options.idempotent.is_some(),
            ident: ident.clone(),
            args,
            reply,
        })
    }

    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        self.attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
    }

    pub(crate) fn under_cfg(&self) -> bool {
        self.cfgs().next().is_some()
    }

    /// What the method of the client carries as well.
    pub(crate) fn client_attrs(&self) -> impl Iterator<Item = Attribute> {
        let attrs = self.attrs.iter().filter(|attr| {
            let path = attr.path();
            path.is_ident("doc") || path.is_ident("cfg") || path.is_ident("deprecated") || is_lint(attr)
        });
        attrs.map(copied)
    }

    /// The arguments that travel.
    pub(crate) fn sent(&self) -> impl Iterator<Item = (&Arg, &Passing)> {
        self.args.iter().filter_map(|arg| match &arg.role {
            Role::Sent(passing) => Some((arg, &**passing)),
            Role::Context => None,
        })
    }

    pub(crate) fn takes_context(&self) -> bool {
        self.args.iter().any(|arg| matches!(arg.role, Role::Context))
    }
}

fn is_lint(attr: &Attribute) -> bool {
    ["allow", "expect", "warn", "deny", "forbid"].iter().any(|level| attr.path().is_ident(level))
}

/// What the trait expects need not happen in the code made from it, where it is only allowed.
fn copied(attr: &Attribute) -> Attribute {
    let mut attr = attr.clone();
    match &mut attr.meta {
        Meta::List(list) if list.path.is_ident("expect") => list.path = parse_quote!(allow),
        _ => {}
    }
    attr
}

fn refuse_contradictions(options: &MethodOptions, sig: &Signature, defects: &mut Defects) {
    if let (Some(inline), Some(_)) = (&options.inline, &sig.asyncness) {
        let reason = "an `inline` method runs where requests are read, so it must not wait; make it a plain \
                      `fn`, or remove `inline`";
        defects.add(inline, reason);
    }
    if let (Some(detached), None) = (&options.detached, &sig.asyncness) {
        let reason = "a plain `fn` always runs to its end; remove `detached`, or make the method `async`";
        defects.add(detached, reason);
    }
    if let (Some(_), Some(idempotent)) = (&options.notify, &options.idempotent) {
        let reason =
            "a notification has no reply, so nobody could know to send it again; remove `idempotent`";
        defects.add(idempotent, reason);
    }
}

fn well_formed_signature(sig: &Signature, defects: &mut Defects) {
    if let Some(constness) = &sig.constness {
        defects.add(constness, "a method of a service cannot be `const`; remove it");
    }
    if let Safety::Unsafe(token) = &sig.safety {
        defects.add(
            token,
            "a method of a service cannot be unsafe: callers are in another process; remove `unsafe`",
        );
    }
    if let Some(abi) = &sig.abi {
        defects.add(abi, "a method of a service is called by messages; remove the ABI");
    }
    well_formed_generics(&sig.generics, defects);
    well_formed_receiver(sig, defects);
}

fn well_formed_generics(generics: &Generics, defects: &mut Defects) {
    for lifetime in generics.lifetimes() {
        let reason = "a method of a service cannot name lifetimes; leave them out: each argument has its own";
        defects.add(lifetime, reason);
    }
    for param in generics.type_params() {
        let reason = "a method of a service cannot be generic: the server must know the type; make it a type \
                      parameter of the trait";
        defects.add(&param.ident, reason);
    }
    for param in generics.const_params() {
        defects.add(&param.ident, "a method of a service cannot be generic: make the constant an argument");
    }
    if let Some(clause) = &generics.where_clause {
        defects.add(clause.where_token, "a method of a service cannot have bounds; put them on the trait");
    }
}

fn well_formed_receiver(sig: &Signature, defects: &mut Defects) {
    let Some(receiver) = sig.receiver() else {
        defects.add(
            &sig.ident,
            format!("`{}` has no receiver; a method of a service takes `&self` first", sig.ident),
        );
        return;
    };
    match &receiver.kind {
        ReceiverKind::Reference(_, None, None) => {}
        ReceiverKind::Reference(_, Some(lifetime), None) => {
            defects.add(lifetime, "a method of a service cannot name lifetimes; write `&self`");
        }
        ReceiverKind::Reference(..) => {
            let reason = "calls run side by side, so a service is shared; take `&self`, and keep what changes in \
                          a `Mutex` or an atomic";
            defects.add(receiver, reason);
        }
        _ => defects.add(receiver, "a service is shared by its calls; take `&self`"),
    }
}

pub(crate) struct Arg {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) ident: Ident,
    name: Option<LitStr>,
    pub(crate) ty: Type,
    pub(crate) role: Role,
}

pub(crate) enum Role {
    /// Made by the server; does not travel.
    Context,
    Sent(Box<Passing>),
}

pub(crate) struct Passing {
    pub(crate) shape: Shape,
    /// `Option<&T>` or `Option<Cow<'_, T>>`; an `Option<T>` is a `Shape::Owned`.
    pub(crate) optional: bool,
    pub(crate) format: Format,
    /// `Default::default()` when it is missing.
    pub(crate) default: bool,
}

pub(crate) enum Shape {
    Owned,
    /// `&str`, `&[u8]`: stays where it was received.
    InPlace(Type),
    /// `&T`, `&[T]`: decoded as its owned form, then lent.
    Lent(Type),
    /// `Cow<'_, T>`
    Cow {
        cow: Box<Type>,
        target: Type,
    },
}

pub(crate) enum Format {
    Value,
    Bytes,
    /// A `Cow<'_, str>`, which serde alone would not borrow.
    Cow,
}

fn args(sig: &Signature, defects: &mut Defects) -> Vec<Arg> {
    let typed = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    let args: Vec<Arg> = typed.filter_map(|typed| Arg::from_syn(typed, defects)).collect();
    refuse_second_context(&args, defects);
    refuse_same_names(&args, defects);
    refuse_shifting_cfg(&args, defects);
    args
}

impl Arg {
    fn from_syn(typed: &PatType, defects: &mut Defects) -> Option<Self> {
        let options = ArgOptions::parse(&typed.attrs, defects);
        let ident = arg_ident(&typed.pat, defects);
        let role = match &options.context {
            Some(word) => context(word, &options, &typed.ty, defects),
            None => Role::Sent(Box::new(Passing::from_syn(&typed.ty, &options, defects))),
        };
        let cfgs = typed.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect();
        Some(Self { cfgs, ident: ident?, name: options.name, ty: (*typed.ty).clone(), role })
    }

    /// As it is called in a message.
    pub(crate) fn name(&self) -> String {
        self.name.as_ref().map_or_else(|| self.ident.unraw().to_string(), LitStr::value)
    }

    /// Where an error about its type belongs: at `T` in `&T`.
    pub(crate) fn place(&self) -> Span {
        match types::bare(&self.ty) {
            Type::Reference(reference) => reference.elem.span(),
            ty => ty.span(),
        }
    }

    fn may_be_missing(&self) -> bool {
        match &self.role {
            Role::Context => false,
            Role::Sent(passing) => passing.default || types::is(&self.ty, "Option"),
        }
    }
}

fn arg_ident(pat: &Pat, defects: &mut Defects) -> Option<Ident> {
    match pat {
        Pat::Ident(PatIdent { by_ref: None, subpat: None, ident, .. }) => Some(names::argument(ident)),
        Pat::Wild(wild) => {
            defects
                .add(wild, "an argument of a service needs a name: it is a field of the generated request");
            None
        }
        pattern => {
            defects.add(
                pattern,
                "an argument of a service cannot be a pattern; name it, and take it apart inside",
            );
            None
        }
    }
}

fn context(word: &Ident, options: &ArgOptions, ty: &Type, defects: &mut Defects) -> Role {
    if let Some(name) = &options.name {
        defects.add(name, "the context does not travel, so it needs no name; remove `name`");
    }
    if let Some(default) = &options.default {
        defects.add(default, "the context is made by the server and never missing; remove `default`");
    }
    match types::bare(ty) {
        Type::Reference(reference) if reference.mutability.is_none() && reference.lifetime.is_none() => {}
        _ => {
            defects.add(ty, format!("a `{word}` argument is lent by the server; its type is `&mux::Context`"))
        }
    }
    Role::Context
}

fn refuse_second_context(args: &[Arg], defects: &mut Defects) {
    let contexts = args.iter().filter(|arg| matches!(arg.role, Role::Context));
    for arg in contexts.skip(1) {
        defects.add(&arg.ty, "a method has one context; remove this argument");
    }
}

/// Two arguments of one identifier are rustc's to refuse.
fn refuse_same_names(args: &[Arg], defects: &mut Defects) {
    let args: Vec<&Arg> = args.iter().filter(|arg| matches!(arg.role, Role::Sent(_))).collect();
    for (at, arg) in args.iter().enumerate() {
        let (before, name) = (&args[..at], arg.name());
        let others = before.iter().filter(|other| other.name() == name && other.ident != arg.ident);
        for other in others {
            let place = arg.name.as_ref().or(other.name.as_ref());
            let reason =
                format!("another argument is named \"{name}\" as well; give one of them another name");
            defects.at(place.map_or_else(|| arg.ident.span(), LitStr::span), reason);
        }
    }
}

/// Arguments travel by position, so one that comes and goes must not move another.
fn refuse_shifting_cfg(args: &[Arg], defects: &mut Defects) {
    let sent: Vec<&Arg> = args.iter().filter(|arg| matches!(arg.role, Role::Sent(_))).collect();
    for (at, arg) in sent.iter().enumerate() {
        let Some(cfg) = arg.cfgs.first() else { continue };
        if !arg.may_be_missing() {
            let reason = "an argument under #[cfg] may be missing on the other end; make it an `Option`, or add \
                          #[mux(default)]";
            defects.add(cfg, reason);
        }
        if sent.iter().skip(at + 1).any(|later| text(&later.cfgs) != text(&arg.cfgs)) {
            defects.add(cfg, "an argument under #[cfg] would shift those after it; move it to the end");
        }
    }
}

pub(crate) fn text(attrs: &[Attribute]) -> Vec<String> {
    attrs.iter().map(|attr| attr.to_token_stream().to_string()).collect()
}

impl Passing {
    fn from_syn(ty: &Type, options: &ArgOptions, defects: &mut Defects) -> Self {
        let some = types::inside(ty, "Option").and_then(Shape::borrowing);
        let optional = some.is_some();
        let shape = some.map(Shape::of_optional).or_else(|| Shape::borrowing(ty)).unwrap_or(Shape::Owned);
        refuse_reference_kinds(ty, defects);
        types::refuse_what_cannot_travel(shape.owned_part(ty), Position::Argument, defects);

        let format = if optional { Format::Value } else { shape.format(ty) };
        if let (Format::Bytes, Some(default)) = (&format, &options.default) {
            defects.add(default, "bytes have no default on the wire; make the argument an `Option`");
        }
        Self { shape, optional, format, default: options.default.is_some() }
    }
}

impl Shape {
    fn borrowing(ty: &Type) -> Option<Self> {
        if let Type::Reference(reference) = types::bare(ty) {
            let target = types::bare(&reference.elem).clone();
            let in_place = types::is(&target, "str") || types::is_byte_slice(&target);
            return Some(if in_place { Self::InPlace(target) } else { Self::Lent(target) });
        }
        types::inside_cow(ty)
            .map(|target| Self::Cow { cow: Box::new(ty.clone()), target: types::bare(target).clone() })
    }

    /// An optional argument travels as a value, so its bytes as a list of numbers, which cannot be borrowed.
    fn of_optional(self) -> Self {
        match self {
            Self::InPlace(target) if types::is_byte_slice(&target) => Self::Lent(target),
            shape => shape,
        }
    }

    fn owned_part<'t>(&'t self, ty: &'t Type) -> &'t Type {
        match self {
            Self::Owned => ty,
            Self::InPlace(target) | Self::Lent(target) | Self::Cow { target, .. } => target,
        }
    }

    fn format(&self, ty: &Type) -> Format {
        match self {
            Self::Owned if types::is_owned_bytes(ty) => Format::Bytes,
            Self::InPlace(target) | Self::Cow { target, .. } if types::is_byte_slice(target) => Format::Bytes,
            Self::Cow { target, .. } if types::is(target, "str") => Format::Cow,
            _ => Format::Value,
        }
    }
}

/// `&mut T` and `&'static T`, as they are or in an `Option`.
fn refuse_reference_kinds(ty: &Type, defects: &mut Defects) {
    let ty = types::inside(ty, "Option").unwrap_or(ty);
    let Type::Reference(reference) = types::bare(ty) else { return };
    if let Some(mutability) = &reference.mutability {
        let reason = "a change to an argument would not reach the caller; take it by `&` or by value, and return \
                      what changed";
        defects.add(mutability, reason);
    }
    if let Some(lifetime) = reference.lifetime.as_ref().filter(|lifetime| lifetime.ident == "static") {
        defects.add(lifetime, "an argument lives as long as its call; leave out the lifetime");
    }
}

pub(crate) enum Reply {
    /// A notification: nothing is sent back.
    None,
    Value(Type),
    Bytes(Type),
    /// Any type named `Result`; what is in it, the trait `Returned` says.
    Result(Type),
    /// Items over a channel.
    Stream(Box<Streamed>),
}

impl Reply {
    fn from_syn(output: &ReturnType, options: &MethodOptions, defects: &mut Defects) -> Self {
        let ty = match output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        if options.notify.is_some() {
            if !types::is_unit(&ty) {
                defects.add(&ty, "a notification has no reply; remove the return type, or `notify`");
            }
            return Self::None;
        }
        stream::refuse_what_cannot_travel(&ty, defects);
        if let Some(streamed) = Streamed::find(&ty) {
            return Self::Stream(Box::new(streamed));
        }
        match ty {
            ty if types::is(&ty, "Result") => Self::Result(ty),
            ty if types::is_owned_bytes(&ty) => Self::Bytes(ty),
            ty => Self::Value(ty),
        }
    }
}

impl Reply {
    /// Where an error about what is returned belongs.
    pub(crate) fn place(&self) -> Span {
        match self {
            Self::None => Span::mixed_site(),
            Self::Value(ty) | Self::Bytes(ty) | Self::Result(ty) => ty.span(),
            Self::Stream(streamed) => streamed.item.span(),
        }
    }
}

fn doc_text(attrs: &[Attribute]) -> String {
    let lines: Vec<String> = attrs.iter().filter_map(doc_line).collect();
    lines.join("\n").trim().to_owned()
}

fn doc_line(attr: &Attribute) -> Option<String> {
    match &attr.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => {
                let line = line.value();
                Some(line.strip_prefix(' ').map(str::to_owned).unwrap_or(line))
            }
            _ => None,
        },
        _ => None,
    }
}
