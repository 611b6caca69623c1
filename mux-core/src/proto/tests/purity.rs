//! The border of this module, told as what is absent from it.

use std::fs;
use std::path::Path;

const FOREIGN: [&str; 8] =
    ["tokio", "async ", ".await", "Instant", "SystemTime", "std::io", "std::net", "rmp_serde"];

#[test]
fn the_protocol_knows_no_runtime_no_clock_no_io_and_no_user_types() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/proto");
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = entries.filter(|path| path.is_file() && !path.ends_with("tests.rs")).collect();
    assert!(files.iter().any(|path| path.ends_with("session.rs")), "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (at, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let found = FOREIGN.iter().find(|word| code.contains(**word));
            assert_eq!(found, None, "{}:{}: {line}", file.display(), at + 1);
        }
    }
}
