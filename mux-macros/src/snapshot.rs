//! Compares one expansion with the checked-in one. `UPDATE_SNAPSHOT=1 cargo test` rewrites it.

use std::path::Path;

use proc_macro2::TokenStream;

#[test]
fn an_expansion_is_the_checked_in_one() {
    compare("inventory");
}

#[test]
fn a_request_that_does_not_borrow_gives_its_message_back() {
    compare("counter");
}

fn compare(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let input = std::fs::read_to_string(folder.join(name).with_extension("rs")).unwrap();
    let item: TokenStream = input.parse().unwrap();

    let file = syn::parse2(crate::expand_service(TokenStream::new(), item)).unwrap();
    let expanded = prettyplease::unparse(&file);

    let path = folder.join(name).with_extension("expanded.rs");
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write(&path, &expanded).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expanded == checked_in,
        "the expansion of {name} has changed; review it with UPDATE_SNAPSHOT=1 and git diff"
    );
}
