//! Listeners: what to bind, and what to tell clients to connect to.
//!
//! Owns: parsing of `listeners`, `advertised.listeners`, `listener.security.protocol.map`, and the
//! rules between them (those of KafkaConfig).
//! Does not own: binding.
//! Invariant: every listener is PLAINTEXT and has an address that a client can connect to.

use std::collections::BTreeMap;

use super::{
    address::HostPort,
    error::ConfigError,
    key::Class,
    layers::{Settings, Source},
    machine::Machine,
    value::Value,
};

/// One listener of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// In capitals, as Kafka normalises it.
    pub name: String,
    pub bind: HostPort,
    /// What clients of this listener are told. Port 0 means the port that was bound.
    pub advertised: HostPort,
}

/// The listeners of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// Those to bind, at least one.
    pub bind: Vec<Listener>,
    /// Names of configured listeners that belong to a Kafka controller: not bound, worth a WARN.
    pub(super) not_bound: Vec<String>,
}

struct Endpoint {
    name: String,
    address: HostPort,
}

/// Understands the listeners of `settings`.
pub fn resolve(settings: &Settings, machine: &Machine) -> Result<Listeners, ConfigError> {
    let controllers = normalised(&list(settings, "controller.listener.names"));
    let all = endpoints(settings, "listeners")?;
    check_unique(&all)?;
    let (not_bound, bound): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|endpoint| controllers.contains(&endpoint.name));
    if bound.is_empty() {
        return Err(rule(
            settings,
            "listeners",
            "there must be a listener that is not named in controller.listener.names".to_owned(),
        ));
    }
    check_protocols(settings, &bound)?;
    let advertised = advertised(settings, &bound, &controllers, machine)?;
    check_inter_broker(settings, &bound)?;
    Ok(Listeners {
        bind: bound
            .into_iter()
            .zip(advertised)
            .map(|(endpoint, advertised)| Listener {
                name: endpoint.name,
                bind: endpoint.address,
                advertised,
            })
            .collect(),
        not_bound: not_bound
            .into_iter()
            .map(|endpoint| endpoint.name)
            .collect(),
    })
}

fn list(settings: &Settings, name: &str) -> Vec<String> {
    match settings.value(name) {
        Value::List(elements) => elements,
        _ => Vec::new(),
    }
}

fn text(settings: &Settings, name: &str) -> Option<String> {
    match settings.value(name) {
        Value::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn normalised(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.to_uppercase()).collect()
}

fn rule(settings: &Settings, name: &str, reason: String) -> ConfigError {
    let key = super::keys::find(name).expect("the caller names a declared key");
    debug_assert_eq!(key.class, Class::Honoured);
    let setting = settings.effective(key);
    ConfigError::BadValue {
        key: name.to_owned(),
        value: setting.value.text().unwrap_or_default(),
        origin: setting.source,
        reason,
    }
}

fn endpoints(settings: &Settings, name: &str) -> Result<Vec<Endpoint>, ConfigError> {
    list(settings, name)
        .iter()
        .map(|text| endpoint(text).map_err(|reason| rule(settings, name, reason)))
        .collect()
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let explain =
        |reason: String| format!("'{text}' is not of the form NAME://HOST:PORT: {reason}");
    let (name, address) = text
        .split_once("://")
        .ok_or_else(|| explain("there is no '://'".to_owned()))?;
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    if name.is_empty() || !name.chars().all(valid) {
        return Err(explain(
            "a name has letters, digits, '_', '-' and '.'".to_owned(),
        ));
    }
    Ok(Endpoint {
        name: name.to_uppercase(),
        address: HostPort::parse(address).map_err(explain)?,
    })
}

/// As Kafka: names are unique, and so are ports, except that one IPv4 and one IPv6 address may share
/// one (KAFKA-13719).
fn check_unique(endpoints: &[Endpoint]) -> Result<(), ConfigError> {
    for (i, a) in endpoints.iter().enumerate() {
        for b in &endpoints[..i] {
            if a.name == b.name {
                return Err(ConfigError::Rule(format!(
                    "listeners: each listener must have a different name; '{}' stands twice",
                    a.name
                )));
            }
            let families_differ = a.address.host.contains(':') != b.address.host.contains(':')
                && !a.address.host.is_empty()
                && !b.address.host.is_empty();
            if a.address.port == b.address.port && a.address.port != 0 && !families_differ {
                return Err(ConfigError::Rule(format!(
                    "listeners: each listener must have a different port; {} has two",
                    a.address.port
                )));
            }
        }
    }
    Ok(())
}

fn check_protocols(settings: &Settings, bound: &[Endpoint]) -> Result<(), ConfigError> {
    const MAP: &str = "listener.security.protocol.map";
    let map = protocol_map(settings).map_err(|reason| rule(settings, MAP, reason))?;
    for endpoint in bound {
        match map.get(&endpoint.name).map(String::as_str) {
            Some("PLAINTEXT") => {}
            None => {
                return Err(rule(
                    settings,
                    MAP,
                    format!(
                        "there is no security protocol for the listener {}",
                        endpoint.name
                    ),
                ));
            }
            Some(protocol) => {
                return Err(ConfigError::Unsafe {
                    key: format!(
                        "listeners: {} with security protocol {protocol}",
                        endpoint.name
                    ),
                    origin: source_of(settings, "listeners"),
                });
            }
        }
    }
    let inter_broker = text(settings, "security.inter.broker.protocol");
    match inter_broker.as_deref() {
        Some("PLAINTEXT") | None => Ok(()),
        Some(protocol) => Err(ConfigError::Unsafe {
            key: format!("security.inter.broker.protocol={protocol}"),
            origin: source_of(settings, "security.inter.broker.protocol"),
        }),
    }
}

fn source_of(settings: &Settings, name: &str) -> Source {
    settings
        .explicit(name)
        .map_or(Source::Default, |setting| setting.source.clone())
}

fn protocol_map(settings: &Settings) -> Result<BTreeMap<String, String>, String> {
    const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
    let text = text(settings, "listener.security.protocol.map").unwrap_or_default();
    let mut map = BTreeMap::new();
    for entry in text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let (name, protocol) = entry
            .rsplit_once(':')
            .ok_or_else(|| format!("'{entry}' is not of the form NAME:PROTOCOL"))?;
        let protocol = protocol.trim().to_uppercase();
        if !PROTOCOLS.contains(&protocol.as_str()) {
            return Err(format!(
                "'{protocol}' is not one of {}",
                PROTOCOLS.join(", ")
            ));
        }
        if map.insert(name.trim().to_uppercase(), protocol).is_some() {
            return Err(format!("'{}' stands twice", name.trim()));
        }
    }
    Ok(map)
}

/// One advertised address per bound listener, in their order.
fn advertised(
    settings: &Settings,
    bound: &[Endpoint],
    controllers: &[String],
    machine: &Machine,
) -> Result<Vec<HostPort>, ConfigError> {
    const KEY: &str = "advertised.listeners";
    if settings.value(KEY) == Value::Null || list(settings, KEY).is_empty() {
        return bound
            .iter()
            .map(|endpoint| advertised_by_default(endpoint, machine))
            .collect();
    }
    let mut given: BTreeMap<String, HostPort> = BTreeMap::new();
    for endpoint in endpoints(settings, KEY)? {
        let is_bound = bound.iter().any(|listener| listener.name == endpoint.name);
        if !is_bound && !controllers.contains(&endpoint.name) {
            let reason = format!("'{}' is not one of listeners", endpoint.name);
            return Err(rule(settings, KEY, reason));
        }
        if endpoint.address.is_wildcard() || endpoint.address.host.is_empty() {
            let reason = format!("clients cannot connect to '{}'", endpoint.address);
            return Err(rule(settings, KEY, reason));
        }
        let name = endpoint.name.clone();
        if given.insert(endpoint.name, endpoint.address).is_some() {
            return Err(rule(settings, KEY, format!("'{name}' stands twice")));
        }
    }
    bound
        .iter()
        .map(|endpoint| {
            // Kafka allows a listener that nobody is told of; its clients fail at their second step.
            let reason = format!("there is no address for the listener {}", endpoint.name);
            given
                .remove(&endpoint.name)
                .ok_or_else(|| rule(settings, KEY, reason))
        })
        .collect()
}

/// As Kafka: the bound address; for an empty host the name of this machine; never a wildcard.
fn advertised_by_default(endpoint: &Endpoint, machine: &Machine) -> Result<HostPort, ConfigError> {
    if endpoint.address.is_wildcard() {
        return Err(ConfigError::Rule(format!(
            "the listener {}://{} is bound to all interfaces, an address that clients cannot connect \
             to: say what they shall use with --advertised-listeners {}://HOST:{} (or the key \
             advertised.listeners)",
            endpoint.name, endpoint.address, endpoint.name, endpoint.address.port
        )));
    }
    let host = if endpoint.address.host.is_empty() {
        machine.host_name.clone()
    } else {
        endpoint.address.host.clone()
    };
    Ok(HostPort {
        host,
        port: endpoint.address.port,
    })
}

/// Until there are several brokers the name has no other use than to be right.
fn check_inter_broker(settings: &Settings, bound: &[Endpoint]) -> Result<(), ConfigError> {
    const KEY: &str = "inter.broker.listener.name";
    let Some(name) = text(settings, KEY) else {
        return Ok(());
    };
    if settings
        .explicit("security.inter.broker.protocol")
        .is_some()
    {
        let reason = "only one of it and security.inter.broker.protocol may be set";
        return Err(rule(settings, KEY, reason.to_owned()));
    }
    let name = name.to_uppercase();
    if bound.iter().any(|endpoint| endpoint.name == name) {
        Ok(())
    } else {
        Err(rule(
            settings,
            KEY,
            "it must be one of listeners".to_owned(),
        ))
    }
}
