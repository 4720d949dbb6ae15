//! DescribeConfigs (key 32), v1–v4.
//!
//! Differs from Kafka: settings without an effect say so in their documentation. The cluster's
//! defaults (broker '') are empty, because configs cannot be altered yet; there are no client metrics
//! subscriptions. Our own `weir.*` keys stand among the broker's.
//! v1 source, synonyms · v3 type, documentation · v4 flexible

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{
            DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
        },
    },
    str::Str,
};

use super::{Api, RequestContext, topic_changes::check_name};
use crate::{
    config::{self, ConfigEntry, ConfigSynonym, config_type},
    error_code::KafkaError,
};

pub const API: Api = Api::new(ApiKey::DescribeConfigs, 1..=4).differs(
    "no client metrics subscriptions; settings without an effect say so in their documentation",
);

/// Kafka's ConfigResource.Type.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;
/// ConfigSource of a logger's level.
const LOGGER_SOURCE: i8 = 6;

pub async fn handle(
    ctx: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let known = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    let mut types = request
        .resources
        .iter()
        .map(|resource| resource.resource_type);
    // As in Kafka, a type that does not exist spoils the whole request.
    let unknown = types.find(|one| !known.contains(one));
    let shown = Shown {
        synonyms: request.include_synonyms,
        documentation: request.include_documentation,
    };
    let results = request.resources.into_iter().map(|resource| {
        let configs = match unknown {
            Some(kind) => Err(invalid(format!("Unexpected resource type {kind}"))),
            None => describe(ctx, &resource, shown),
        };
        result(resource, configs)
    });
    DescribeConfigsResponse {
        results: results.collect(),
        ..Default::default()
    }
}

/// What the client wants to see beside the values.
#[derive(Clone, Copy)]
struct Shown {
    synonyms: bool,
    documentation: bool,
}

fn describe(
    ctx: &RequestContext,
    resource: &DescribeConfigsResource,
    shown: Shown,
) -> Result<Vec<DescribeConfigsResourceResult>, KafkaError> {
    let name = resource.resource_name.as_str();
    let config = &ctx.config;
    let entries = match resource.resource_type {
        TOPIC => topic(ctx, name)?,
        BROKER if name.is_empty() => Vec::new(),
        BROKER => {
            check_broker(ctx, name, " or empty string,")?;
            config::describe_broker(&config.settings)
        }
        BROKER_LOGGER if name.is_empty() => {
            return Err(invalid("Broker id must not be empty"));
        }
        BROKER_LOGGER => {
            check_broker(ctx, name, "")?;
            let mut loggers = loggers(&config.log_level);
            loggers.retain(|logger| is_wanted(resource, &logger.name));
            return Ok(loggers);
        }
        GROUP if name.is_empty() => return Err(invalid("Group name must not be empty")),
        GROUP => config::describe_group(&config.settings),
        CLIENT_METRICS if name.is_empty() => {
            return Err(invalid(
                "Client metrics subscription name must not be empty",
            ));
        }
        _ => return Err(invalid("Unsupported resource type: CLIENT_METRICS")),
    };
    let wanted = entries
        .into_iter()
        .filter(|entry| is_wanted(resource, entry.name));
    Ok(wanted.map(|entry| shown.entry(entry)).collect())
}

fn topic(ctx: &RequestContext, name: &str) -> Result<Vec<ConfigEntry>, KafkaError> {
    check_name(name)?;
    let image = ctx.image();
    // Kafka gives no text here.
    let topic = image
        .topics
        .by_name(name)
        .ok_or_else(|| KafkaError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ""))?;
    let config = &ctx.config;
    Ok(config::describe_topic(
        &topic.configs,
        &config.topic_defaults,
        &config.settings,
    ))
}

fn check_broker(ctx: &RequestContext, name: &str, or: &str) -> Result<(), KafkaError> {
    let message = match name.parse::<i32>() {
        Ok(id) if id == ctx.node_id() => return Ok(()),
        Ok(_) => format!(
            "Unexpected broker id, expected {}{or} but received {name}",
            ctx.node_id()
        ),
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err(invalid(message))
}

/// The levels of weir.log.level, in Kafka's form: the root logger and named parts.
fn loggers(levels: &str) -> Vec<DescribeConfigsResourceResult> {
    let elements = levels.split(',').map(str::trim);
    let levels = elements
        .filter(|element| !element.is_empty())
        .map(|element| element.split_once('=').unwrap_or(("root", element)));
    let logger = |(name, level): (&str, &str)| DescribeConfigsResourceResult {
        name: Str::from_str_copy(name.trim()),
        value: Some(Str::from(level.trim().to_ascii_uppercase())),
        config_source: LOGGER_SOURCE,
        ..Default::default()
    };
    levels.map(logger).collect()
}

/// Without keys, or with none, all are wanted.
fn is_wanted(resource: &DescribeConfigsResource, name: &str) -> bool {
    match &resource.configuration_keys {
        Some(keys) if !keys.is_empty() => keys.iter().any(|key| key.as_str() == name),
        _ => true,
    }
}

impl Shown {
    fn entry(self, entry: ConfigEntry) -> DescribeConfigsResourceResult {
        let synonym = |synonym: ConfigSynonym| DescribeConfigsSynonym {
            name: Str::from_str_copy(synonym.name),
            value: synonym.value.map(Str::from),
            source: synonym.source as i8,
            ..Default::default()
        };
        let synonyms = entry.synonyms.into_iter().map(synonym);
        DescribeConfigsResourceResult {
            name: Str::from_str_copy(entry.name),
            value: entry.value.map(Str::from),
            read_only: entry.read_only,
            config_source: entry.source as i8,
            is_sensitive: entry.sensitive,
            synonyms: if self.synonyms {
                synonyms.collect()
            } else {
                Vec::new()
            },
            config_type: config_type(entry.kind),
            documentation: self.documentation.then(|| Str::from(entry.documentation)),
            ..Default::default()
        }
    }
}

fn invalid(message: impl Into<String>) -> KafkaError {
    KafkaError::new(ErrorCode::INVALID_REQUEST, message)
}

fn result(
    resource: DescribeConfigsResource,
    configs: Result<Vec<DescribeConfigsResourceResult>, KafkaError>,
) -> DescribeConfigsResult {
    let mut result = DescribeConfigsResult {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        ..Default::default()
    };
    match configs {
        Ok(configs) => result.configs = configs,
        Err(error) => {
            result.error_code = error.code.0;
            result.error_message = Some(Str::from(error.message));
        }
    }
    result
}
