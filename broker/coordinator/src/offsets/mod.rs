//! Committed offsets: commit, fetch, delete, expire.

pub(crate) mod commit;
pub(crate) mod delete;
mod expire;
pub(crate) mod fetch;

#[cfg(test)]
mod commit_tests;
#[cfg(test)]
mod delete_tests;
#[cfg(test)]
mod expire_tests;
#[cfg(test)]
mod fetch_tests;
