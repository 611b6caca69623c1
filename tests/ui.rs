//! What the macro accepts, and how it refuses the rest. `TRYBUILD=overwrite` rewrites the expected errors.

#[test]
fn what_is_accepted_compiles_and_runs() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}

#[test]
fn what_is_refused_is_refused_at_its_token() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}

/// Their words, unlike ours, change with the compiler.
#[test]
#[ignore = "worded by rustc 1.95"]
fn what_rustc_refuses_is_refused_at_the_users_token() {
    trybuild::TestCases::new().compile_fail("tests/ui/rustc/*.rs");
}
