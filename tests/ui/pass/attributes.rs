//! Other attributes keep their meaning, and the generated code breaks no lint the user denies.

#![deny(warnings, missing_docs, unused_qualifications, unreachable_pub, missing_debug_implementations)]
#![deny(unused, nonstandard_style, future_incompatible, rust_2018_idioms, let_underscore)]
#![forbid(unsafe_code)]
//! A crate.

/// Old and new.
#[mux::service]
#[allow(clippy::wrong_self_convention)]
pub trait Attributes {
    /// Old.
    #[deprecated = "use `fresh`"]
    async fn old(&self) -> u8;
    /// Fresh.
    #[must_use]
    fn fresh(&self) -> u8;
    /// Many.
    #[expect(clippy::too_many_arguments)]
    fn many(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8;
    #[doc = concat!("From", " a macro.")]
    #[cfg_attr(debug_assertions, inline)]
    async fn documented(&self, #[allow(unused_variables)] a: u8) -> u8 {
        1
    }
}

struct Here;

impl Attributes for Here {
    #[allow(deprecated)]
    async fn old(&self) -> u8 {
        1
    }
    fn fresh(&self) -> u8 {
        2
    }
    fn many(&self, a: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8) -> u8 {
        a
    }
}

fn main() {
    let client = AttributesClient::local(Here);
    #[allow(deprecated)]
    let old = client.old();
    assert_eq!(old.wait().unwrap(), 1);
    assert_eq!(client.fresh().wait().unwrap(), 2);
}
