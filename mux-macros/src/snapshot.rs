//! Compares one expansion with the checked-in one. `UPDATE_SNAPSHOT=1 cargo test` rewrites it.

use std::path::Path;

use proc_macro2::TokenStream;

#[test]
fn the_expansion_is_the_checked_in_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let input = std::fs::read_to_string(folder.join("inventory.rs")).unwrap();
    let item: TokenStream = input.parse().unwrap();

    let file = syn::parse2(crate::expand_service(TokenStream::new(), item)).unwrap();
    let expanded = prettyplease::unparse(&file);

    let path = folder.join("inventory.expanded.rs");
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write(&path, &expanded).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expanded == checked_in,
        "the expansion has changed; review it with UPDATE_SNAPSHOT=1 and git diff"
    );
}
