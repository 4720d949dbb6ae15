//! Fails when protocol/schema, the generator and the checked-in code are not of one state.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use weir_protocol_codegen::{checked_in, generate, protocol_dir};

#[test]
fn generating_again_gives_the_checked_in_bytes() {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("generated");
    fs::create_dir_all(&scratch).unwrap();
    let protocol = protocol_dir();
    let generated = generate(&protocol, &scratch).unwrap();
    let present = checked_in(&protocol).unwrap();
    // Two per API, the records of three topics, headers, consumer protocol, control records, tables.
    assert!(generated.len() > 220, "canary: only {}", generated.len());

    let names: BTreeSet<_> = generated.keys().chain(present.keys()).collect();
    for name in names {
        assert!(
            generated.get(name) == present.get(name),
            "{} is not what the schemas say: cargo run -p weir-protocol-codegen",
            name.display()
        );
    }
}
