use proptest::prelude::*;
use weir_protocol::records::header::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE};
use weir_protocol::records::{
    BatchBuilder, BatchHeader, BatchLimits, BatchView, Codec, Header, TimestampType, ValidateMode,
};
use weir_protocol::types::{ProducerEpoch, ProducerId};

pub const CAP: usize = 16 << 20;
pub const NOW: i64 = 1_700_000_000_000;

/// A record that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    pub timestamp: i64,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

pub fn read_all(batch: &BatchView<'_>) -> Vec<Owned> {
    let header = *batch.header();
    batch
        .with_records(CAP, |records| {
            records
                .map(|record| {
                    let record = record.unwrap();
                    Owned {
                        timestamp: header.timestamp_of(record.timestamp_delta),
                        offset: header.offset_of(record.offset_delta).0,
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                        headers: record
                            .headers
                            .iter()
                            .map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec)))
                            .collect(),
                    }
                })
                .collect()
        })
        .unwrap()
}

pub fn build(codec: Codec, records: &[Owned]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    append_all(&mut builder, records);
    builder.build().unwrap()
}

pub fn append_all(builder: &mut BatchBuilder, records: &[Owned]) {
    for record in records {
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        builder.append_with_headers(
            record.timestamp,
            record.key.as_deref(),
            record.value.as_deref(),
            &headers,
        );
    }
}

/// `n` records with keys, values and times `NOW`, `NOW + 1`, …
pub fn plain(n: usize) -> Vec<Owned> {
    (0..n)
        .map(|i| Owned {
            timestamp: NOW + i as i64,
            offset: i as i64,
            key: Some(format!("key-{i}").into_bytes()),
            value: Some(format!("value-{i}-value-value-value").into_bytes()),
            headers: vec![],
        })
        .collect()
}

pub fn limits() -> BatchLimits {
    BatchLimits {
        max_message_bytes: 1_048_588,
        message_timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        compacted: false,
        now_ms: NOW,
        mode: ValidateMode::Full,
        decompressed_cap_bytes: CAP,
    }
}

/// The batch with a changed header and a CRC that fits it.
pub fn with_header(batch: &[u8], change: impl FnOnce(&mut BatchHeader)) -> Vec<u8> {
    let mut header = BatchHeader::decode(batch).unwrap();
    change(&mut header);
    let mut out = batch.to_vec();
    out[..61].copy_from_slice(&header.encode());
    seal(&mut out);
    out
}

/// The header of `batch` before other payload bytes: length and CRC fit.
pub fn with_payload(batch: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = batch[..61].to_vec();
    out.extend_from_slice(payload);
    let length = (out.len() - 12) as u32;
    out[8..12].copy_from_slice(&length.to_be_bytes());
    seal(&mut out);
    out
}

fn seal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    let bytes = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 100..3000usize).prop_map(|(byte, n)| vec![byte; n]),
    ];
    prop::option::weighted(0.8, bytes)
}

prop_compose! {
    fn record()(
        timestamp in prop_oneof![Just(-1i64), 0..=i64::MAX, NOW - 1000..NOW + 1000],
        key in bytes(),
        value in bytes(),
        headers in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..10), bytes()), 0..4),
    ) -> Owned {
        Owned { timestamp, offset: 0, key, value, headers }
    }
}

pub fn codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(Codec::ALL.to_vec())
}

pub fn records() -> impl Strategy<Value = Vec<Owned>> {
    prop::collection::vec(record(), 1..30).prop_map(|mut records| {
        for (i, record) in records.iter_mut().enumerate() {
            record.offset = i as i64;
        }
        records
    })
}

pub fn producer() -> impl Strategy<Value = (ProducerId, ProducerEpoch, i32)> {
    prop_oneof![
        Just((NO_PRODUCER_ID, NO_PRODUCER_EPOCH, NO_SEQUENCE)),
        (0..=i64::MAX, 0..=i16::MAX, 0..=i32::MAX).prop_map(|(id, epoch, sequence)| (
            ProducerId(id),
            ProducerEpoch(epoch),
            sequence
        )),
    ]
}
