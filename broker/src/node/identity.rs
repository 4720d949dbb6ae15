//! What tells this machine and this network from others, for the question "is that me?".

/// Facts of the running machine; empty where they cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostIdentity {
    pub name: String,
    /// Changes with each boot.
    pub boot_id: String,
    /// Identity of the network namespace: equal addresses in two of them are two places.
    pub network_namespace: String,
}

impl HostIdentity {
    pub fn read() -> HostIdentity {
        let uname = rustix::system::uname();
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let namespace = std::fs::read_link("/proc/self/ns/net");
        HostIdentity {
            name: uname.nodename().to_string_lossy().into_owned(),
            boot_id: boot_id.map(|id| id.trim().to_owned()).unwrap_or_default(),
            network_namespace: namespace
                .map(|link| link.to_string_lossy().into_owned())
                .unwrap_or_default(),
        }
    }

    /// Whether `other` certainly was in the same place: refused connections mean something only then.
    pub fn is_same_place(&self, boot_id: &str, network_namespace: &str) -> bool {
        !self.boot_id.is_empty()
            && !self.network_namespace.is_empty()
            && self.boot_id == boot_id
            && self.network_namespace == network_namespace
    }
}
