//! Generates the message types of `weir-protocol` from `protocol/schema`.
//!
//! The generated files are checked in, so that a build needs nothing and a reader sees the code;
//! `tests/checked_in_code_is_current.rs` proves that they are what the schemas say.

/// Appends one formatted line to a `String`.
macro_rules! line {
    ($out:expr, $($arg:tt)*) => { writeln!($out, $($arg)*).expect("a String takes everything") };
}

mod emit;
mod rust_type;
pub mod schema;
mod tables;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// File name relative to `protocol/src` → contents.
pub type Files = BTreeMap<PathBuf, String>;

/// The `protocol` directory of this checkout.
pub fn protocol_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Generates all files below `protocol/src`, formatted by rustfmt in `scratch`, an empty directory.
pub fn generate(protocol: &Path, scratch: &Path) -> Result<Files, Box<dyn Error>> {
    let schema = protocol.join("schema");
    let messages = read_schemas(protocol)?;
    let mut modules: Vec<(String, &schema::Message)> =
        messages.iter().map(|m| (snake(m.name()), m)).collect();
    modules.sort_by(|a, b| a.0.cmp(&b.0));

    let mut files = Files::new();
    for (module, message) in &modules {
        let path = PathBuf::from(format!("messages/{module}.rs"));
        if files.insert(path, emit::module(message)).is_some() {
            return Err(format!("two messages are called {module}").into());
        }
    }
    let requests: Vec<&schema::Message> = messages
        .iter()
        .filter(|m| m.kind == schema::Kind::Request)
        .collect();
    let apis = fs::read_to_string(schema.join("apis.tsv"))?;
    let errors = fs::read_to_string(schema.join("errors.tsv"))?;
    files.insert("messages/mod.rs".into(), tables::message_list(&modules));
    files.insert(
        "api_key/table.rs".into(),
        tables::api_keys(&apis, &requests),
    );
    files.insert("error_code/table.rs".into(), tables::error_codes(&errors));
    format_all(files, scratch)
}

/// All messages of `protocol/schema`.
pub fn read_schemas(protocol: &Path) -> Result<Vec<schema::Message>, Box<dyn Error>> {
    let mut messages = Vec::new();
    for path in schema_files(&protocol.join("schema"))? {
        let parsed = schema::parse(&fs::read_to_string(&path)?);
        messages.extend(parsed.map_err(|e| format!("{}: {e}", path.display()))?);
    }
    Ok(messages)
}

fn schema_files(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = Vec::new();
    for dir in [dir.to_path_buf(), dir.join("apis"), dir.join("records")] {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "schema") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

fn snake(camel: &str) -> String {
    let mut out = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    // One abbreviation would fall into letters.
    out.replace("k_raft", "kraft")
}

/// Writes the files as siblings (so that rustfmt follows no `mod` lines), formats, reads back.
fn format_all(files: Files, scratch: &Path) -> Result<Files, Box<dyn Error>> {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args([
        "--edition",
        "2024",
        "--config",
        "use_field_init_shorthand=true",
    ]);
    let mut paths = Vec::new();
    for (name, text) in files {
        let path = scratch.join(&name);
        fs::create_dir_all(path.parent().expect("all are in a folder"))?;
        fs::write(&path, text)?;
        rustfmt.arg(&path);
        paths.push((name, path));
    }
    if !rustfmt.status()?.success() {
        return Err("rustfmt refused the generated code".into());
    }
    let mut formatted = Files::new();
    for (name, path) in paths {
        formatted.insert(name, fs::read_to_string(path)?);
    }
    Ok(formatted)
}

/// The generated files that are checked in now.
pub fn checked_in(protocol: &Path) -> Result<Files, Box<dyn Error>> {
    let src = protocol.join("src");
    let mut files = Files::new();
    for name in ["api_key/table.rs", "error_code/table.rs"] {
        if let Ok(text) = fs::read_to_string(src.join(name)) {
            files.insert(name.into(), text);
        }
    }
    let Ok(entries) = fs::read_dir(src.join("messages")) else {
        return Ok(files);
    };
    for entry in entries {
        let entry = entry?;
        let name = Path::new("messages").join(entry.file_name());
        files.insert(name, fs::read_to_string(entry.path())?);
    }
    Ok(files)
}
