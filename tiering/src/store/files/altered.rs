//! Simulated files of which a test alters some calls: canaries that forget an fsync, file systems
//! that misbehave.

use std::io;

use bytes::Bytes;

use super::{DirEntry, Files, SimFiles, Span};

/// What is not overridden goes to `inner`. Every `Altered` is a [`Files`].
pub trait Altered: Send + Sync + 'static {
    fn inner(&self) -> &SimFiles;

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.inner().create_dir(dir)
    }

    fn sync_file(&self, file: &<SimFiles as Files>::File) -> io::Result<()> {
        self.inner().sync_file(file)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.inner().sync_dir(dir)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner().link(from, to)
    }
}

impl<A: Altered> Files for A {
    type File = <SimFiles as Files>::File;

    fn blocks(&self) -> bool {
        self.inner().blocks()
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        Altered::create_dir(self, dir)
    }

    fn create_file(&self, path: &str) -> io::Result<Self::File> {
        self.inner().create_file(path)
    }

    fn append(&self, file: &mut Self::File, chunks: &[Bytes]) -> io::Result<()> {
        self.inner().append(file, chunks)
    }

    fn sync_file(&self, file: &Self::File) -> io::Result<()> {
        Altered::sync_file(self, file)
    }

    fn sync_path(&self, path: &str) -> io::Result<()> {
        self.inner().sync_path(path)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        Altered::sync_dir(self, dir)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        Altered::link(self, from, to)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner().rename(from, to)
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        self.inner().unlink(path)
    }

    fn remove_dir(&self, dir: &str) -> io::Result<()> {
        self.inner().remove_dir(dir)
    }

    fn read(&self, path: &str, span: Span) -> io::Result<(Bytes, u64)> {
        self.inner().read(path, span)
    }

    fn file_len(&self, path: &str) -> io::Result<u64> {
        self.inner().file_len(path)
    }

    fn list_dir(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        self.inner().list_dir(dir)
    }

    fn forget_dir(&self, dir: &str) {
        self.inner().forget_dir(dir);
    }
}
