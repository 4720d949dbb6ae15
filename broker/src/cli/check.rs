//! `weir start --check`: the effective configuration with the source of each value.

use std::fmt::Write;

use crate::config::{BrokerConfig, Class, Setting, all_keys};

/// One line per key that has an effect or was set: `key = value`, then its source. What was left to
/// Weir (sizes from the machine, addresses) is shown as it was chosen.
pub(super) fn render(config: &BrokerConfig) -> String {
    let lines: Vec<(String, String)> = all_keys()
        .filter(|key| key.class == Class::Honoured || config.settings.explicit(key.name).is_some())
        .map(|key| {
            let setting = config.settings.effective(key);
            let mut source = setting.source.to_string();
            if let Class::Accepted(reason) = key.class {
                let _ = write!(source, "; no effect: {}", reason.text());
            }
            let value = match key.is_sensitive() {
                true => "(hidden)".to_owned(),
                false => shown(config, key.name, &setting),
            };
            (format!("{} = {value}", key.name), source)
        })
        .collect();
    let widths = lines.iter().map(|(line, _)| line.chars().count());
    let width = widths.filter(|&width| width <= 60).max().unwrap_or(0);
    lines.iter().fold(String::new(), |mut out, (line, source)| {
        let _ = writeln!(out, "{line:width$}  # {source}");
        out
    })
}

fn shown(config: &BrokerConfig, name: &str, setting: &Setting) -> String {
    match name {
        "weir.memory.bytes" => config.memory_bytes.to_string(),
        "weir.store.url" => config.store_url.to_string(),
        "node.id" => config.node_id.to_string(),
        "advertised.listeners" => {
            let listeners = config.listeners.bind.iter();
            let addresses = listeners.map(|l| format!("{}://{}", l.name, l.advertised));
            addresses.collect::<Vec<_>>().join(",")
        }
        _ => setting.value.text().unwrap_or_else(|| "(unset)".to_owned()),
    }
}
