//! The one line on stdout that says that a broker serves, for people and for scripts.

use std::{fmt, io::Write, time::Duration};

use weir_tiering::ids::{BrokerId, ClusterId};

use crate::config::HostPort;

/// What the line says.
#[derive(Clone, Debug)]
pub struct Ready<'a> {
    /// This start created the cluster.
    pub created: bool,
    /// Topics of the cluster, internal ones included.
    pub topics: usize,
    /// Absolute path, or URL.
    pub store: &'a str,
    pub node_id: BrokerId,
    /// Advertised addresses, with the ports that were bound.
    pub addresses: &'a [HostPort],
    pub cluster_id: ClusterId,
    /// From the start of the process to this line.
    pub took: Duration,
}

impl fmt::Display for Ready<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.created, self.topics) {
            (true, _) => f.write_str("created NEW cluster")?,
            (false, 1) => f.write_str("opened cluster, 1 topic")?,
            (false, topics) => write!(f, "opened cluster, {topics} topics")?,
        }
        write!(
            f,
            " in {} (cluster id {}), node {}",
            self.store, self.cluster_id, self.node_id
        )?;
        for (i, address) in self.addresses.iter().enumerate() {
            let before = if i == 0 { " ready at " } else { ", " };
            write!(f, "{before}{address}")?;
        }
        write!(f, " after {} ms", self.took.as_millis())
    }
}

impl Ready<'_> {
    /// Prints the line and flushes it. A stdout that nobody reads does not matter.
    pub fn print(&self) {
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{self}").and_then(|()| stdout.flush());
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::types::Uuid;

    use super::*;

    #[test]
    fn the_line_names_store_cluster_address_and_time() {
        let addresses = [HostPort::parse("127.0.0.1:9092").unwrap()];
        let mut ready = Ready {
            created: true,
            topics: 0,
            store: "/data/weir",
            node_id: BrokerId(1),
            addresses: &addresses,
            cluster_id: ClusterId(Uuid([7; 16])),
            took: Duration::from_micros(12_700),
        };
        assert_eq!(
            ready.to_string(),
            "created NEW cluster in /data/weir (cluster id BwcHBwcHBwcHBwcHBwcHBw), node 1 \
             ready at 127.0.0.1:9092 after 12 ms"
        );
        ready.created = false;
        ready.topics = 3;
        assert!(
            ready
                .to_string()
                .starts_with("opened cluster, 3 topics in /data/weir ")
        );
    }
}
