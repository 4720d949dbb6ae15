//! docs/generated: pages made from declarations, so that they cannot be wrong.

use std::{fmt::Write, path::Path};

use crate::{
    api,
    config::{self, Class, Key},
    telemetry::metrics::{self, MetricKind},
};

/// All generated pages: (file name, text).
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("apis.md", apis()),
        ("configs.md", configs()),
        ("metrics.md", metrics_page()),
    ]
}

/// Writes all pages into `directory`.
pub fn write(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for (name, text) in pages() {
        std::fs::write(directory.join(name), text)?;
    }
    Ok(())
}

const GENERATED: &str = "<!-- Made by `weir docs docs/generated` from the declarations in broker/src. Do not edit. -->\n";

/// The APIs that are served, from the list that serves them.
fn apis() -> String {
    let mut out = format!("{GENERATED}# Supported Kafka APIs\n\n");
    out.push_str(
        "What ApiVersions tells clients, which take the highest version that both sides know. An API \
         that is missing here is not served: its requests close the connection, as in Kafka.\n\n\
         | API | key | versions | differs from Kafka 4.3.1 |\n|---|---|---|---|\n",
    );
    let mut apis: Vec<api::Api> = api::all().into_iter().map(|entry| entry.api).collect();
    apis.sort_by_key(|api| api.key as i16);
    for api in apis {
        let (min, max) = (api.versions.start(), api.versions.end());
        let advertised = if api.advertised_min == *min {
            String::new()
        } else {
            format!(" (advertised from {})", api.advertised_min)
        };
        let _ = writeln!(
            out,
            "| {} | {} | {min}–{max}{advertised} | {} |",
            api.key.name(),
            api.key as i16,
            api.differs
        );
    }
    out
}

fn configs() -> String {
    let mut out = format!("{GENERATED}# Configuration\n\n");
    out.push_str(
        "A value is taken from the first of these that has it: flag, `--override`, environment \
         (`WEIR_` + the key in capitals, `.` as `_`), the file given with `--config` (in the format \
         of Kafka's `server.properties`), default. `weir start --check` shows the result.\n\n\
         Durations are in milliseconds and sizes in bytes unless the name says otherwise.\n",
    );
    let ours: Vec<&Key> = config::all_keys().filter(|key| key.is_weir()).collect();
    section(&mut out, "Weir's own keys", &ours);
    let of_kafka = |wanted: fn(&Class) -> bool| -> Vec<&Key> {
        let keys = config::all_keys();
        keys.filter(|key| !key.is_weir() && wanted(&key.class))
            .collect()
    };
    section(
        &mut out,
        "Kafka's keys that do what they say",
        &of_kafka(|class| *class == Class::Honoured),
    );
    out.push_str("\n## Kafka's keys that are refused\n\n");
    out.push_str(
        "Each belongs to security that this version does not implement; a broker that ignored it \
         would be open: `listener.name.*`, `super.users`, `allow.everyone.if.no.acl.found`, \
         `authorizer.*`, `ssl.*`, `sasl.*`, and",
    );
    for key in of_kafka(|class| *class == Class::Unsafe) {
        let covered = ["ssl.", "sasl.", "authorizer."];
        if !covered.iter().any(|prefix| key.name.starts_with(prefix)) {
            let _ = write!(out, " `{}`", key.name);
        }
    }
    out.push_str(". So is a listener whose security protocol is not PLAINTEXT.\n");
    accepted(
        &mut out,
        &of_kafka(|class| matches!(class, Class::Accepted(_))),
    );
    topics(&mut out);
    out
}

fn section(out: &mut String, title: &str, keys: &[&Key]) {
    let _ = writeln!(
        out,
        "\n## {title}\n\n| key | type | default | |\n|---|---|---|---|"
    );
    for key in keys {
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            key.name,
            key.kind.name().to_lowercase(),
            shown_default(key),
            key.documentation().replace('|', "\\|")
        );
    }
}

fn shown_default(key: &Key) -> String {
    match key.default {
        None => "unset".to_owned(),
        Some("") => "empty".to_owned(),
        Some(text) => format!("`{text}`"),
    }
}

/// Keys without an effect, gathered by the reason.
fn accepted(out: &mut String, keys: &[&Key]) {
    out.push_str("\n## Kafka's keys without an effect\n\n");
    out.push_str(
        "Accepted so that a file for Kafka works; those that are set are listed in a WARN.\n\n",
    );
    let mut by_reason: std::collections::BTreeMap<_, Vec<&str>> = Default::default();
    for key in keys {
        if let Class::Accepted(reason) = key.class {
            by_reason.entry(reason).or_default().push(key.name);
        }
    }
    for (reason, names) in by_reason {
        let _ = writeln!(
            out,
            "- {} `{}`",
            sentence(reason.text()),
            names.join("`, `")
        );
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn topics(out: &mut String) {
    let _ = writeln!(
        out,
        "\n## Topic settings\n\n| setting | type | default | broker's key | |\n|---|---|---|---|---|"
    );
    for topic_key in config::all_topic_keys().filter(|topic_key| !topic_key.key.internal) {
        let synonyms = topic_key
            .synonyms
            .iter()
            .map(|synonym| format!("`{}`", synonym.name));
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            topic_key.key.name,
            topic_key.key.kind.name().to_lowercase(),
            shown_default(&topic_key.key),
            synonyms.collect::<Vec<_>>().join(", "),
            topic_key.key.documentation().replace('|', "\\|")
        );
    }
}

fn metrics_page() -> String {
    let mut out = format!("{GENERATED}# Metrics\n\n");
    out.push_str("Served as Prometheus text at `/metrics` of `weir.admin.listener`.\n\n");
    out.push_str("| metric | kind | labels | |\n|---|---|---|---|\n");
    for metric in metrics::ALL {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram(_) => "histogram",
        };
        let labels = metric.labels.join(", ");
        let _ = writeln!(
            out,
            "| `{}` | {kind} | {labels} | {} |",
            metric.name, metric.help
        );
    }
    out
}
