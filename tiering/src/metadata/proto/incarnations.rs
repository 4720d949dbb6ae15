//! Stored form of broker incarnations.

use super::*;
use crate::{
    ids::{ProcessId, Slot},
    metadata::image::incarnations as domain,
};

#[derive(Clone, PartialEq, prost::Message)]
pub struct Endpoint {
    #[prost(string, tag = "1")]
    pub listener: String,
    #[prost(string, tag = "2")]
    pub protocol: String,
    #[prost(string, tag = "3")]
    pub host: String,
    #[prost(uint32, tag = "4")]
    pub port: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Registration {
    #[prost(uint32, tag = "1")]
    pub broker: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub process_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub host: String,
    #[prost(message, repeated, tag = "4")]
    pub endpoints: Vec<Endpoint>,
    #[prost(string, tag = "5")]
    pub host_boot_id: String,
    #[prost(string, tag = "6")]
    pub network_namespace: String,
    #[prost(string, optional, tag = "7")]
    pub rack: Option<String>,
    #[prost(int64, tag = "8")]
    pub start_ms: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RegisterBroker {
    #[prost(message, optional, tag = "1")]
    pub registration: Option<Registration>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct FenceIncarnation {
    #[prost(message, optional, tag = "1")]
    pub incarnation: Option<Incarnation>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SealIncarnation {
    #[prost(message, optional, tag = "1")]
    pub incarnation: Option<Incarnation>,
    #[prost(uint64, tag = "2")]
    pub end: u64,
    #[prost(bool, tag = "3")]
    pub clean: bool,
    #[prost(message, repeated, tag = "4")]
    pub assignments: Vec<Assignment>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct IncarnationRecord {
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    #[prost(message, optional, tag = "2")]
    pub registration: Option<Registration>,
    #[prost(uint32, tag = "3")]
    pub state: u32,
    #[prost(uint64, tag = "4")]
    pub end: u64,
    #[prost(uint64, tag = "5")]
    pub checkpointed: u64,
    #[prost(uint64, tag = "6")]
    pub data_floor: u64,
    #[prost(uint64, tag = "7")]
    pub wal_floor: u64,
}

impl From<&domain::Registration> for Registration {
    fn from(from: &domain::Registration) -> Self {
        let endpoints = from.endpoints.iter().map(|e| Endpoint {
            listener: e.listener.clone(),
            protocol: e.protocol.clone(),
            host: e.host.clone(),
            port: e.port.into(),
        });
        Registration {
            broker: from.broker.0,
            process_id: from.process_id.0.0.to_vec(),
            host: from.host.clone(),
            endpoints: endpoints.collect(),
            host_boot_id: from.host_boot_id.clone(),
            network_namespace: from.network_namespace.clone(),
            rack: from.rack.clone(),
            start_ms: from.start_ms,
        }
    }
}

impl TryFrom<Registration> for domain::Registration {
    type Error = FormatError;

    fn try_from(from: Registration) -> Result<Self, FormatError> {
        let endpoints = from.endpoints.into_iter().map(|e| {
            Ok(domain::Endpoint {
                listener: e.listener,
                protocol: e.protocol,
                host: e.host,
                port: u16::try_from(e.port)
                    .map_err(|_| invalid("port", format!("{} is above 65535", e.port)))?,
            })
        });
        Ok(domain::Registration {
            broker: BrokerId(from.broker),
            process_id: ProcessId(uuid("process id", &from.process_id)?),
            host: from.host,
            endpoints: endpoints.collect::<Result<_, FormatError>>()?,
            host_boot_id: from.host_boot_id,
            network_namespace: from.network_namespace,
            rack: from.rack,
            start_ms: from.start_ms,
        })
    }
}

impl From<&domain::RegisterBroker> for RegisterBroker {
    fn from(from: &domain::RegisterBroker) -> Self {
        RegisterBroker {
            registration: Some((&from.registration).into()),
        }
    }
}

impl TryFrom<RegisterBroker> for domain::RegisterBroker {
    type Error = FormatError;

    fn try_from(from: RegisterBroker) -> Result<Self, FormatError> {
        Ok(domain::RegisterBroker {
            registration: required("registration", from.registration)?.try_into()?,
        })
    }
}

impl From<&domain::FenceIncarnation> for FenceIncarnation {
    fn from(from: &domain::FenceIncarnation) -> Self {
        FenceIncarnation {
            incarnation: Some(from.incarnation.into()),
        }
    }
}

impl TryFrom<FenceIncarnation> for domain::FenceIncarnation {
    type Error = FormatError;

    fn try_from(from: FenceIncarnation) -> Result<Self, FormatError> {
        Ok(domain::FenceIncarnation {
            incarnation: required("incarnation", from.incarnation)?.into(),
        })
    }
}

impl From<&domain::SealIncarnation> for SealIncarnation {
    fn from(from: &domain::SealIncarnation) -> Self {
        SealIncarnation {
            incarnation: Some(from.incarnation.into()),
            end: from.end.0,
            clean: from.clean,
            assignments: from.assignments.iter().map(Assignment::from).collect(),
        }
    }
}

impl TryFrom<SealIncarnation> for domain::SealIncarnation {
    type Error = FormatError;

    fn try_from(from: SealIncarnation) -> Result<Self, FormatError> {
        Ok(domain::SealIncarnation {
            incarnation: required("incarnation", from.incarnation)?.into(),
            end: Slot(from.end),
            clean: from.clean,
            assignments: assignments(from.assignments)?,
        })
    }
}

impl From<&domain::IncarnationRecord> for IncarnationRecord {
    fn from(from: &domain::IncarnationRecord) -> Self {
        use domain::IncarnationState::*;
        let (state, end) = match from.state {
            Active => (0, Slot(0)),
            Fenced => (1, Slot(0)),
            Sealed { end } => (2, end),
            Closed { end } => (3, end),
        };
        IncarnationRecord {
            epoch: from.incarnation.epoch.0,
            registration: Some((&from.registration).into()),
            state,
            end: end.0,
            checkpointed: from.checkpointed.0,
            data_floor: from.data_floor,
            wal_floor: from.wal_floor.0,
        }
    }
}

impl TryFrom<IncarnationRecord> for domain::IncarnationRecord {
    type Error = FormatError;

    fn try_from(from: IncarnationRecord) -> Result<Self, FormatError> {
        use domain::IncarnationState::*;
        let end = Slot(from.end);
        let state = match from.state {
            0 => Active,
            1 => Fenced,
            2 => Sealed { end },
            3 => Closed { end },
            other => {
                return Err(FormatError::Unknown {
                    what: "incarnation state",
                    value: other.into(),
                });
            }
        };
        let registration: domain::Registration =
            required("registration", from.registration)?.try_into()?;
        Ok(domain::IncarnationRecord {
            incarnation: ids::Incarnation {
                broker: registration.broker,
                epoch: BrokerEpoch(from.epoch),
            },
            registration,
            state,
            checkpointed: Slot(from.checkpointed),
            data_floor: from.data_floor,
            wal_floor: Slot(from.wal_floor),
        })
    }
}
