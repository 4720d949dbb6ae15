//! The file layer beneath the local directory: the few calls it makes, so that tests can replace
//! them.
//!
//! Paths are relative to the root, `/`-separated, without a leading `/`; the empty path is the root.
//! Every call may block. Errors are the operating system's. What POSIX promises holds, and nothing
//! else: file data is durable after [`Files::sync_file`] or [`Files::sync_path`], a directory entry
//! after [`Files::sync_dir`] of the directory that holds it.

#[cfg(any(test, feature = "testing"))]
mod altered;
mod direct;
mod real;
#[cfg(any(test, feature = "testing"))]
mod sim;
#[cfg(any(test, feature = "testing"))]
mod sim_process;
#[cfg(test)]
mod sim_tests;

use std::{io, ops::Range};

use bytes::Bytes;

#[cfg(any(test, feature = "testing"))]
pub use altered::Altered;
pub use real::RealFiles;
#[cfg(any(test, feature = "testing"))]
pub use sim::{Call, SimDisk};
#[cfg(any(test, feature = "testing"))]
pub use sim_process::SimFiles;

/// See the module.
pub trait Files: Send + Sync + 'static {
    /// A file open for appending.
    type File: Send;

    /// Whether calls wait for a disk and so belong on a thread that may block.
    fn blocks(&self) -> bool;

    /// `AlreadyExists` when something has the name.
    fn create_dir(&self, dir: &str) -> io::Result<()>;

    /// Creates an empty file. `AlreadyExists` when something has the name.
    fn create_file(&self, path: &str) -> io::Result<Self::File>;

    /// Writes all of `chunks` one after the other behind what is there.
    fn append(&self, file: &mut Self::File, chunks: &[Bytes]) -> io::Result<()>;

    /// Makes data and length durable, not the name.
    fn sync_file(&self, file: &Self::File) -> io::Result<()>;

    /// [`Files::sync_file`] of a file that stands under a name.
    fn sync_path(&self, path: &str) -> io::Result<()>;

    /// Makes the entries of `dir` durable, not `dir`'s own name.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// Gives the file at `from` a second name. `AlreadyExists` when something has it.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;

    /// Moves `from` over whatever file is at `to`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    fn unlink(&self, path: &str) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, dir: &str) -> io::Result<()>;

    /// The bytes of `span` and the length of the file. `UnexpectedEof` when the span reaches beyond
    /// the end.
    fn read(&self, path: &str, span: Span) -> io::Result<(Bytes, u64)>;

    /// Length of a regular file in bytes.
    fn file_len(&self, path: &str) -> io::Result<u64>;

    /// In no particular order.
    fn list_dir(&self, dir: &str) -> io::Result<Vec<DirEntry>>;

    /// Forgets what is cached about `dir`: somebody else may have removed or replaced it.
    fn forget_dir(&self, dir: &str);
}

/// A part of a file, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    All,
    /// Half-open.
    Range(Range<u64>),
    /// The last bytes, or all when there are fewer.
    Suffix(u64),
}

impl Span {
    /// Position and length within a file of `file_len` bytes.
    fn resolve(&self, file_len: u64) -> io::Result<(u64, usize)> {
        let range = match self {
            Span::All => 0..file_len,
            Span::Range(range) => range.clone(),
            Span::Suffix(len) => file_len.saturating_sub(*len)..file_len,
        };
        if range.start > range.end || range.end > file_len {
            let message = format!("bytes {range:?} of a file of {file_len}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        let len = range.end - range.start;
        if len > READ_BYTES_MAX {
            let message = format!("{len} bytes in one read; at most {READ_BYTES_MAX}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok((range.start, len as usize))
    }
}

/// Larger than any object of ours; a file of more is not one.
const READ_BYTES_MAX: u64 = 1 << 30;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Lossy when it is not UTF-8; such a name is never one of ours.
    pub name: String,
    pub kind: EntryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Dir,
    /// A symbolic link, socket, device.
    Other,
}

/// Directory and name of a path.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// `dir/name`, or `name` in the root.
pub(crate) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}
