//! `weir start`: from flags to a configuration, then `--check` or a running broker.

use super::{Exit, StartArgs, check, fail, say};
use crate::{
    config::{BrokerConfig, ConfigErrors, File, Layers, Machine, Variable, read_environment},
    telemetry,
};

pub(super) fn run(args: StartArgs) -> Exit {
    let config = match read_config(&args) {
        Ok(config) => config,
        Err(errors) => return fail(Exit::Usage, &errors),
    };
    if args.check {
        for warning in &config.warnings {
            fail(Exit::Clean, &format!("WARN {warning}"));
        }
        say(check::render(&config).trim_end());
        return Exit::Clean;
    }
    if let Err(error) = telemetry::log::init(&config.log_level, config.log_format) {
        return fail(Exit::Failed, &error);
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    crate::node::run(config)
}

/// The configuration of this process.
pub(super) fn read_config(args: &StartArgs) -> Result<BrokerConfig, ConfigErrors> {
    configure(args, read_environment()?, &Machine::probe())
}

/// The configuration that flags, environment and file make together.
pub(super) fn configure(
    args: &StartArgs,
    environment: Vec<Variable>,
    machine: &Machine,
) -> Result<BrokerConfig, ConfigErrors> {
    let flags = [
        ("--store", "weir.store.url", &args.store),
        ("--node-id", "node.id", &args.node_id),
        ("--listeners", "listeners", &args.listeners),
        (
            "--advertised-listeners",
            "advertised.listeners",
            &args.advertised_listeners,
        ),
        ("--admin", "weir.admin.listener", &args.admin),
        ("--cluster-id", "weir.cluster.id", &args.cluster_id),
    ];
    let layers = Layers {
        flags: flags
            .into_iter()
            .filter_map(|(flag, key, value)| Some((flag, key, value.clone()?)))
            .collect(),
        overrides: args.overrides.clone(),
        environment,
        file: args.config.as_deref().map(File::read).transpose()?,
    };
    let mut config = BrokerConfig::load(&layers, machine)?;
    config.take_over = args.take_over;
    Ok(config)
}
