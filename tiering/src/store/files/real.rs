//! The operating system's files below one root directory.
//!
//! Owns: a small cache of open directories, so that a put or a read walks no path and opens nothing
//! to fsync. Does not own: which thread may block, what a failure means, the order of calls.
//! Invariant: every name is looked up relative to the root as it was opened; a store whose root was
//! removed or replaced under it fails instead of writing elsewhere.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use rustix::{
    buffer::spare_capacity,
    fs::{AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
};

use super::{
    DirEntry, EntryKind, Files, Span,
    direct::{DIRECT_LEN_MIN, DirectWriter},
    split,
};

/// Open directories kept; a broker writes into a handful and reads from some dozens.
const OPEN_DIRS_MAX: usize = 64;
/// Slices of one writev (IOV_MAX on Linux).
const SLICES_MAX: usize = 1024;

/// See the module.
#[derive(Debug)]
pub struct RealFiles {
    root_path: PathBuf,
    root: Arc<OwnedFd>,
    /// Newest last.
    open_dirs: Mutex<Vec<(Box<str>, Arc<OwnedFd>)>>,
    direct: DirectWriter,
}

impl RealFiles {
    /// Opens the directory `root`, an absolute path.
    pub fn open(root: &Path) -> io::Result<RealFiles> {
        let fd = rustix::fs::open(root, DIR_FLAGS, Mode::empty())?;
        Ok(RealFiles {
            root_path: root.to_owned(),
            root: Arc::new(fd),
            open_dirs: Mutex::new(Vec::new()),
            direct: DirectWriter::default(),
        })
    }

    /// Creates `root` with its parents where they are missing, makes the name of each durable, and
    /// opens it.
    ///
    /// The name of every ancestor on the same file system is made durable again at every start: an
    /// earlier process may have created one and died before its fsync.
    pub fn create(root: &Path) -> io::Result<RealFiles> {
        let mut missing = Vec::new();
        let mut existing = root;
        while let Err(error) = rustix::fs::stat(existing) {
            if error != Errno::NOENT {
                return Err(error.into());
            }
            missing.push(existing);
            existing = existing.parent().ok_or(error)?;
        }
        sync_ancestors(existing);
        for dir in missing.into_iter().rev() {
            match rustix::fs::mkdir(dir, DIR_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let parent = dir.parent().expect("the missing have an existing ancestor");
            fsync(open_dir(parent)?)?;
        }
        RealFiles::open(root)
    }

    pub fn root_path(&self) -> &Path {
        &self.root_path
    }

    fn dir(&self, dir: &str) -> io::Result<Arc<OwnedFd>> {
        if dir.is_empty() {
            return Ok(self.root.clone());
        }
        if let Some(fd) = self.cached(dir) {
            return Ok(fd);
        }
        let fd = rustix::fs::openat(&self.root, dir, DIR_FLAGS, Mode::empty())?;
        let fd = Arc::new(fd);
        let mut open = self.open_dirs.lock().expect("no panic inside");
        if !open.iter().any(|(name, _)| **name == *dir) {
            if open.len() >= OPEN_DIRS_MAX {
                open.remove(0);
            }
            open.push((dir.into(), fd.clone()));
        }
        Ok(fd)
    }

    fn cached(&self, dir: &str) -> Option<Arc<OwnedFd>> {
        let mut open = self.open_dirs.lock().expect("no panic inside");
        let at = open.iter().rposition(|(name, _)| **name == *dir)?;
        let fd = open[at].1.clone();
        if at + 1 < open.len() {
            let entry = open.remove(at);
            open.push(entry);
        }
        Some(fd)
    }

    fn open_file(&self, path: &str) -> io::Result<OwnedFd> {
        let (dir, name) = split(path);
        let dir = self.dir(dir)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        Ok(rustix::fs::openat(&dir, name, flags, Mode::empty())?)
    }
}

const DIR_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// Narrowed by the process's umask.
const DIR_MODE: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);
const FILE_MODE: Mode = Mode::RUSR
    .union(Mode::WUSR)
    .union(Mode::RGRP)
    .union(Mode::WGRP)
    .union(Mode::ROTH)
    .union(Mode::WOTH);

fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(dir, DIR_FLAGS, Mode::empty())?)
}

fn fsync(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::retry_on_intr(|| rustix::fs::fsync(&fd))?)
}

/// Best effort: a directory that we did not create and may not read was made by somebody who also
/// owns its durability. Stops where another file system begins.
fn sync_ancestors(existing: &Path) {
    let device = |path: &Path| rustix::fs::stat(path).ok().map(|stat| stat.st_dev);
    let own = device(existing);
    for ancestor in existing.ancestors().skip(1) {
        if device(ancestor) != own {
            return;
        }
        if let Err(error) = open_dir(ancestor).and_then(fsync) {
            tracing::debug!(path = %ancestor.display(), %error, "cannot fsync an ancestor of the store");
        }
    }
}

impl Files for RealFiles {
    type File = OwnedFd;

    fn blocks(&self) -> bool {
        true
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        let (parent, name) = split(dir);
        Ok(rustix::fs::mkdirat(self.dir(parent)?, name, DIR_MODE)?)
    }

    fn create_file(&self, path: &str) -> io::Result<OwnedFd> {
        let (dir, name) = split(path);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(self.dir(dir)?, name, flags, FILE_MODE)?)
    }

    fn append(&self, file: &mut OwnedFd, chunks: &[Bytes]) -> io::Result<()> {
        let len: usize = chunks.iter().map(Bytes::len).sum();
        let mut done = 0;
        if len >= DIRECT_LEN_MIN {
            done = self.direct.write(file, chunks)?;
        }
        for chunks in chunks.chunks(SLICES_MAX) {
            let mut slices: Vec<_> = chunks.iter().map(|c| io::IoSlice::new(c)).collect();
            let mut rest = &mut slices[..];
            let here = done.min(rest.iter().map(|slice| slice.len()).sum());
            io::IoSlice::advance_slices(&mut rest, here);
            done -= here;
            while !rest.is_empty() {
                let written = rustix::io::retry_on_intr(|| rustix::io::writev(&*file, rest))?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                io::IoSlice::advance_slices(&mut rest, written);
            }
        }
        Ok(())
    }

    fn sync_file(&self, file: &OwnedFd) -> io::Result<()> {
        fsync(file)
    }

    fn sync_path(&self, path: &str) -> io::Result<()> {
        fsync(self.open_file(path)?)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        fsync(self.dir(dir)?)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let ((from_dir, from), (to_dir, to)) = (split(from), split(to));
        let (from_dir, to_dir) = (self.dir(from_dir)?, self.dir(to_dir)?);
        Ok(rustix::fs::linkat(
            from_dir,
            from,
            to_dir,
            to,
            AtFlags::empty(),
        )?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let ((from_dir, from), (to_dir, to)) = (split(from), split(to));
        let (from_dir, to_dir) = (self.dir(from_dir)?, self.dir(to_dir)?);
        Ok(rustix::fs::renameat(from_dir, from, to_dir, to)?)
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        let (dir, name) = split(path);
        Ok(rustix::fs::unlinkat(
            self.dir(dir)?,
            name,
            AtFlags::empty(),
        )?)
    }

    fn remove_dir(&self, dir: &str) -> io::Result<()> {
        let (parent, name) = split(dir);
        self.forget_dir(dir);
        Ok(rustix::fs::unlinkat(
            self.dir(parent)?,
            name,
            AtFlags::REMOVEDIR,
        )?)
    }

    fn read(&self, path: &str, span: Span) -> io::Result<(Bytes, u64)> {
        let file = self.open_file(path)?;
        let file_len = regular_len(&rustix::fs::fstat(&file)?)?;
        let (position, len) = span.resolve(file_len)?;
        let mut out: Vec<u8> = Vec::new();
        out.try_reserve_exact(len)?;
        while out.len() < len {
            let at = position + out.len() as u64;
            let read = rustix::io::retry_on_intr(|| {
                rustix::io::pread(&file, spare_capacity(&mut out), at)
            })?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        // The allocation may be larger than asked for, and the file may have grown.
        out.truncate(len);
        Ok((Bytes::from(out), file_len))
    }

    fn file_len(&self, path: &str) -> io::Result<u64> {
        let (dir, name) = split(path);
        let stat = rustix::fs::statat(self.dir(dir)?, name, AtFlags::SYMLINK_NOFOLLOW)?;
        regular_len(&stat)
    }

    fn list_dir(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        let fd = self.dir(dir)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let file_type = match entry.file_type() {
                FileType::Unknown => {
                    match rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                        Err(Errno::NOENT) => continue,
                        Err(error) => return Err(error.into()),
                    }
                }
                known => known,
            };
            entries.push(DirEntry {
                name: name.to_string_lossy().into_owned(),
                kind: match file_type {
                    FileType::RegularFile => EntryKind::File,
                    FileType::Directory => EntryKind::Dir,
                    _ => EntryKind::Other,
                },
            });
        }
        Ok(entries)
    }

    fn forget_dir(&self, dir: &str) {
        let mut open = self.open_dirs.lock().expect("no panic inside");
        open.retain(|(name, _)| **name != *dir);
    }
}

/// A directory under an object's name is no object.
fn regular_len(stat: &rustix::fs::Stat) -> io::Result<u64> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::ErrorKind::NotFound.into());
    }
    u64::try_from(stat.st_size).map_err(|_| io::ErrorKind::InvalidData.into())
}
