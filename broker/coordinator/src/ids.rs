//! The names that travel through this crate. All are cheap to clone and own their bytes, so that
//! nothing kept here pins a request frame or a batch of the log.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A short text without an identity of its own: client ids, protocol names, metadata.
pub type Text = Arc<str>;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(text: &str) -> $name {
                $name(Arc::from(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl Default for $name {
            fn default() -> $name {
                $name::new("")
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// Kafka's `group.id`. May be empty where the protocol allows it (offset commit and fetch).
    GroupId
}
name! {
    /// Id of one member of a group, given out by the coordinator. Empty: "none yet".
    MemberId
}
name! {
    /// `group.instance.id` of a static member (KIP-345).
    InstanceId
}
name! {
    /// Name of a topic.
    TopicName
}
