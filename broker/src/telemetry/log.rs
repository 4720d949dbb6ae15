//! The log: structured lines on stderr, quiet unless something needs a human.
//!
//! ERROR means that a human must look; WARN that one should read it some time. stdout carries the
//! ready line and nothing else.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::LogFormat;

/// Understands `weir.log.level`: a level, or a list of levels and `part=level`. A part is the path of
/// a module (`weir::net`) and covers everything below it.
///
/// Stricter than tracing's own syntax, where a mistyped level silently names a part.
pub fn parse_level(text: &str) -> Result<Targets, String> {
    let mut targets = Targets::new().with_default(LevelFilter::WARN);
    for element in text
        .split(',')
        .map(str::trim)
        .filter(|element| !element.is_empty())
    {
        targets = match element.split_once('=') {
            None => targets.with_default(level(element)?),
            Some((part, name)) => targets.with_target(part.trim(), level(name.trim())?),
        };
    }
    Ok(targets)
}

fn level(name: &str) -> Result<LevelFilter, String> {
    match name.to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(format!(
            "'{name}' is not a level; levels are off, error, warn, info, debug, trace"
        )),
    }
}

/// Sends the log of this process to stderr. Once per process.
pub fn init(level: &str, format: LogFormat) -> Result<(), String> {
    let registry = tracing_subscriber::registry().with(parse_level(level)?);
    let initialised = match format {
        LogFormat::Json => registry
            .with(fmt::layer().json().with_writer(std::io::stderr))
            .try_init(),
        LogFormat::Text => registry
            .with(
                fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(std::io::stderr().is_terminal()),
            )
            .try_init(),
    };
    initialised.map_err(|error| format!("cannot start the log: {error}"))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_differ_by_part_and_mistyped_ones_are_refused() {
        let targets = parse_level("warn, weir::net=debug").unwrap();
        assert!(targets.would_enable("weir::net::frame", &Level::DEBUG));
        assert!(!targets.would_enable("weir::group", &Level::INFO));
        assert!(targets.would_enable("weir::group", &Level::WARN));
        for bad in ["warning", "weir=loud", "info,x"] {
            assert!(parse_level(bad).is_err(), "{bad}");
        }
    }
}
