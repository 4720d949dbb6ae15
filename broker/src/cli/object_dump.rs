//! `weir object dump PATH`: what one object says, for people. Reads a file, so that it works on a copy
//! as on a store's directory, and on damaged ones.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

use bytes::Bytes;
use weir_tiering::format;

use super::{Exit, fail};

/// Objects are far smaller; a larger file is none.
const OBJECT_BYTES_MAX: u64 = 4 << 30;

/// Prints the object. Exit: 0 sound, 1 damaged (what can be read is printed), 2 cannot be read.
pub(super) fn run(path: &Path) -> Exit {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(reason) => return fail(Exit::Usage, &format!("{}: {reason}", path.display())),
    };
    let mut text = String::new();
    let result = format::dump(&bytes, &mut text);
    let _ = std::io::stdout().write_all(text.as_bytes());
    match result {
        Ok(()) => Exit::Clean,
        Err(error) => fail(Exit::Failed, &format!("{}: {error}", path.display())),
    }
}

fn read(path: &Path) -> Result<Bytes, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(OBJECT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > OBJECT_BYTES_MAX {
        return Err(format!(
            "it is longer than any object ({OBJECT_BYTES_MAX} bytes)"
        ));
    }
    Ok(bytes.into())
}
