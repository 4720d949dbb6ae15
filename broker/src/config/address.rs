//! Addresses as they stand in configurations.

/// A host (name or address, IPv6 without brackets) and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// Empty: all interfaces, as in Kafka.
    pub host: String,
    /// 0: any free port (a listener) or the one that was bound (an advertised address).
    pub port: u16,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl HostPort {
    /// Parses `HOST:PORT` or `[V6]:PORT`; the host may be empty.
    pub fn parse(text: &str) -> Result<HostPort, String> {
        let (host, port) = text.rsplit_once(':').ok_or("it must end in :PORT")?;
        let bare = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or("a '[' without a ']'")?,
            None => host,
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if let Some(bad) = bare.chars().find(|&c| !allowed(c)) {
            return Err(format!("a host cannot contain '{bad}'"));
        }
        let port = port
            .parse()
            .map_err(|_| format!("'{port}' is not a port (0 to 65535)"))?;
        Ok(HostPort {
            host: bare.to_owned(),
            port,
        })
    }

    /// An address that stands for all interfaces, so that nobody can connect to it from elsewhere.
    pub(super) fn is_wildcard(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        address.is_ok_and(|address| address.is_unspecified())
    }
}
