//! Regenerates the checked-in code: `cargo run -p weir-protocol-codegen`.

use std::error::Error;
use std::fs;
use weir_protocol_codegen::{checked_in, generate, protocol_dir};

fn main() -> Result<(), Box<dyn Error>> {
    let protocol = protocol_dir();
    let scratch = protocol.join("../target/protocol-codegen");
    fs::create_dir_all(&scratch)?;
    let files = generate(&protocol, &scratch)?;
    for stale in checked_in(&protocol)?.keys() {
        if !files.contains_key(stale) {
            fs::remove_file(protocol.join("src").join(stale))?;
        }
    }
    for (name, text) in &files {
        let path = protocol.join("src").join(name);
        fs::create_dir_all(path.parent().expect("all are in a folder"))?;
        fs::write(path, text)?;
    }
    println!("{} files written", files.len());
    Ok(())
}
