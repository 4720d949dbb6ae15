//! Folders of files.

use std::{fs, io, path::Path};

/// How many files are in a folder and all folders below it.
pub fn count(dir: &Path) -> io::Result<usize> {
    let mut count = 0;
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            } else {
                count += 1;
            }
        }
    }
    Ok(count)
}

/// A copy of the bytes.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to).map(|_| ())
}

/// Makes `to` a copy of the folder `from`, each file by `copy`.
pub fn copy_tree(
    from: &Path,
    to: &Path,
    copy: &impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut pending = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = pending.pop() {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            if entry.file_type()?.is_dir() {
                pending.push((source, target));
            } else {
                copy(&source, &target)?;
            }
        }
    }
    Ok(())
}
