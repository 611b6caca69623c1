//! The stream that a method returns, known by its name: `impl Stream<Item = T>`, alone or as the `Ok` of a `Result`.

use syn::{GenericArgument, PathSegment, Type, TypeParamBound, parse_quote};

use crate::check::Defects;
use crate::types::{self, Position};

/// A return type with a stream in it that says what it yields.
pub(crate) struct Streamed {
    /// As written.
    pub(crate) returned: Type,
    pub(crate) item: Type,
}

impl Streamed {
    pub(crate) fn find(returned: &Type) -> Option<Self> {
        let mut rest = returned.clone();
        let item = item(bound(place(&mut rest)?)?)?.clone();
        Some(Self { returned: returned.clone(), item })
    }

    /// Its items are results, and the first error among them is its end.
    pub(crate) fn fails(&self) -> bool {
        types::is(&self.item, "Result")
    }

    /// The method may return an error instead.
    pub(crate) fn is_in_result(&self) -> bool {
        types::is(&self.returned, "Result")
    }

    /// The return type with `ty` where the stream was.
    pub(crate) fn replaced_by(&self, ty: Type) -> Type {
        let mut returned = self.returned.clone();
        if let Some(place) = place(&mut returned) {
            *place = ty;
        }
        returned
    }
}

/// The `impl Stream` of a return type, where a method may have one.
pub(crate) fn place(returned: &mut Type) -> Option<&mut Type> {
    let place = if types::is(returned, "Result") { types::first_arg_mut(returned)? } else { returned };
    let place = types::bare_mut(place);
    (matches!(place, Type::ImplTrait(_)) && bound(place).is_some()).then_some(place)
}

/// The `Stream<…>` of `impl Stream<…>` or `dyn Stream<…>`.
pub(crate) fn bound(ty: &Type) -> Option<&PathSegment> {
    let bounds = match ty {
        Type::ImplTrait(opaque) => &opaque.bounds,
        Type::TraitObject(object) => &object.bounds,
        _ => return None,
    };
    let mut traits = bounds.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last(),
        _ => None,
    });
    traits.find(|segment| segment.ident == "Stream")
}

/// The `T` of `Stream<Item = T>`.
fn item(stream: &PathSegment) -> Option<&Type> {
    types::generic_args(stream).find_map(|arg| match arg {
        GenericArgument::AssocType(binding) if binding.ident == "Item" => Some(&binding.ty),
        _ => None,
    })
}

/// Refuses what cannot be sent of a return type, the items of its stream included.
pub(crate) fn refuse_what_cannot_travel(returned: &Type, defects: &mut Defects) {
    let mut rest = returned.clone();
    let stream = place(&mut rest).map(|place| std::mem::replace(place, parse_quote!(())));
    types::refuse_what_cannot_travel(&rest, Position::Return, defects);
    if let Some(stream) = stream.as_ref().and_then(bound) {
        match item(stream) {
            Some(item) => types::refuse_what_cannot_travel(item, Position::Item, defects),
            None => defects.add(stream, "a stream says what it yields; write `impl Stream<Item = T>`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed(written: &str) -> Option<Streamed> {
        Streamed::find(&syn::parse_str(written).unwrap())
    }

    #[test]
    fn a_stream_is_known_by_the_last_segment_of_a_bound_and_its_item() {
        for (written, item) in [
            ("impl Stream<Item = u8>", "u8"),
            ("impl Send + mux::Stream<Item = Vec<T>> + use<'_, Self>", "Vec<T>"),
            ("(impl Stream<Item = u8>)", "u8"),
            ("mux::Result<impl Stream<Item = u8>>", "u8"),
            ("Result<impl Stream<Item = io::Result<u8>>, E>", "io::Result<u8>"),
        ] {
            assert_eq!(streamed(written).map(|streamed| types::text(&streamed.item)).as_deref(), Some(item));
        }
    }

    #[test]
    fn a_stream_elsewhere_is_none() {
        for written in [
            "impl Iterator<Item = u8>",
            "impl Stream",
            "Vec<impl Stream<Item = u8>>",
            "Result<u8, impl Stream<Item = u8>>",
        ] {
            assert!(streamed(written).is_none(), "{written}");
        }
    }

    #[test]
    fn what_takes_its_place_leaves_the_rest_as_written() {
        let streamed = streamed("io::Result<impl Stream<Item = u8> + Send>").unwrap();
        assert_eq!(types::text(&streamed.replaced_by(parse_quote!(R<u8>))), "io::Result<R<u8>>");
    }
}
