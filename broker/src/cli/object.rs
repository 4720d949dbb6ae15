//! `weir object dump`: what one object says, for people. Reads a file, so that it works on a copy as on
//! a store's directory and on damaged ones, or a name in a store.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

use bytes::Bytes;
use weir_tiering::{
    env::Env,
    format,
    store::{Key, url::StoreUrl},
};

use super::{Exit, fail, log};

/// Objects are far smaller; a larger file is none.
const OBJECT_BYTES_MAX: u64 = 4 << 30;

/// Prints the object: the file `path`, or the object of that name in `store`. Exit: 0 sound, 1 damaged
/// (what can be read is printed), 2 cannot be read.
pub(super) fn dump(path: &Path, store: Option<&StoreUrl>) -> Exit {
    let bytes = match store {
        None => read_file(path),
        Some(url) => read_object(path, url),
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(reason) => return fail(Exit::Usage, &format!("{}: {reason}", path.display())),
    };
    let mut text = String::new();
    let result = format::dump(&bytes, &mut text);
    // A reader that went away (`weir … | head`) is no error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    match result {
        Ok(()) => Exit::Clean,
        Err(error) => fail(Exit::Failed, &format!("{}: {error}", path.display())),
    }
}

fn read_file(path: &Path) -> Result<Bytes, String> {
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

fn read_object(name: &Path, url: &StoreUrl) -> Result<Bytes, String> {
    let key = name.to_str().and_then(Key::parse);
    let key = key.ok_or("with --store, name the object as the store does, such as meta/log/…")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let store = log::open(url, &Env::system())?;
        let bytes = store.get(&key).await;
        bytes.map_err(|error| error.message)
    })
}
