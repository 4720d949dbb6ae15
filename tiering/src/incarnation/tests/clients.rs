//! The clients of a history, and what they know: what they sent, what was acknowledged where.
//!
//! Owns: producers that behave as Kafka's do (at most five batches unanswered, retries in order, to
//! one broker at a time), and the judgement on what a log shows. Survives crashes: it is the world.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use weir_protocol::{
    records::{BatchBuilder, BatchView, Codec},
    types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId},
};

use crate::{
    ids::TopicPartition,
    log::{AppendBatch, BATCHES_MAX, Durable, Sequenced},
};

/// Number of a batch, in its records too: each batch of a history has its own.
pub type BatchNumber = u64;
/// Number of a client.
pub type ClientNumber = usize;

/// Batches that an idempotent producer may have without an answer.
const UNANSWERED_MAX: usize = 5;

#[derive(Clone, Debug)]
pub struct Sent {
    pub number: BatchNumber,
    pub partition: TopicPartition,
    pub count: u32,
    /// Producer and first sequence, when idempotent.
    pub sequenced: Option<(ProducerId, i32)>,
    padding: usize,
}

pub struct Client {
    pub partition: TopicPartition,
    producer: Option<ProducerId>,
    sequence_next: i32,
    /// Of an idempotent client, oldest first: without an answer yet.
    unanswered: VecDeque<BatchNumber>,
    /// How many of them the broker that it talks to has got.
    delivered: usize,
    /// The process that it talks to.
    broker: u8,
}

#[derive(Default)]
pub struct Clients {
    pub clients: Vec<Client>,
    sent: BTreeMap<BatchNumber, Sent>,
    acknowledged: BTreeMap<BatchNumber, Offset>,
    /// Per partition what somebody could read: it must stay so.
    shown: BTreeMap<TopicPartition, Vec<(Offset, BatchNumber)>>,
    /// Found by a task that nobody waits for.
    pub violation: Option<String>,
}

impl Client {
    pub fn broker(&self) -> u8 {
        self.broker
    }

    /// Its connection broke: what has no answer is sent once more.
    pub fn reconnect(&mut self) {
        self.delivered = 0;
    }
}

pub type Verdict = Result<(), String>;

impl Clients {
    pub fn add(&mut self, partition: TopicPartition, idempotent: bool) {
        let producer = idempotent.then(|| ProducerId(1_000 + self.clients.len() as i64));
        self.clients.push(Client {
            partition,
            producer,
            sequence_next: 0,
            unanswered: VecDeque::new(),
            delivered: 0,
            broker: 0,
        });
    }

    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// The next batch that `client` sends to `broker`: what that one has not got yet, else a new one.
    /// `None` while too many wait for their answers.
    pub fn next(&mut self, client: ClientNumber, broker: u8, padding: usize) -> Option<Sent> {
        let number = self.sent.len() as BatchNumber;
        let client = &mut self.clients[client];
        if client.broker != broker {
            client.broker = broker;
            client.delivered = 0;
        }
        if let Some(retry) = client.unanswered.get(client.delivered) {
            client.delivered += 1;
            return Some(self.sent[retry].clone());
        }
        if client.unanswered.len() >= UNANSWERED_MAX {
            return None;
        }
        let count = 1 + (number % 3) as u32;
        let sent = Sent {
            number,
            partition: client.partition,
            count,
            sequenced: client.producer.map(|id| (id, client.sequence_next)),
            padding,
        };
        if client.producer.is_some() {
            client.sequence_next += count as i32;
            client.unanswered.push_back(number);
            client.delivered += 1;
        }
        self.sent.insert(number, sent.clone());
        Some(sent)
    }

    /// The broker did not take it: the client sends it, and what follows it, once more.
    pub fn refused(&mut self, client: ClientNumber, number: BatchNumber, broker: u8) {
        let client = &mut self.clients[client];
        if client.broker == broker
            && let Some(at) = client.unanswered.iter().position(|n| *n == number)
        {
            client.delivered = client.delivered.min(at);
        }
    }

    /// An acknowledgement arrived.
    pub fn acknowledge(
        &mut self,
        client: ClientNumber,
        number: BatchNumber,
        offset: Offset,
    ) -> Verdict {
        let client = &mut self.clients[client];
        if let Some(at) = client.unanswered.iter().position(|n| *n == number) {
            client.unanswered.remove(at);
            if at < client.delivered {
                client.delivered -= 1;
            }
        }
        match self.acknowledged.insert(number, offset) {
            Some(before) if before != offset => Err(format!(
                "batch {number} was acknowledged at offset {before}, then at {offset}"
            )),
            _ => Ok(()),
        }
    }

    /// Judges the whole content of a partition, `durable` being the broker's own idea of it.
    pub fn check_log(
        &mut self,
        partition: TopicPartition,
        batches: &[Bytes],
        durable: &Durable,
    ) -> Verdict {
        let mut expected = Durable {
            log_start: Offset(0),
            ..Durable::default()
        };
        let mut content = Vec::new();
        for bytes in batches {
            let number = self.check_batch(partition, bytes, &mut expected)?;
            content.push(number);
        }
        check_unique(&content)?;
        check_state(partition, &expected, durable)?;
        self.check_shown(partition, &content)?;
        self.shown.insert(partition, content);
        self.check_acknowledged(partition)
    }

    /// Judges one batch and adds it to the state that follows from the records alone.
    fn check_batch(
        &self,
        partition: TopicPartition,
        bytes: &Bytes,
        expected: &mut Durable,
    ) -> Result<(Offset, BatchNumber), String> {
        let view = BatchView::parse(bytes).map_err(|error| error.to_string())?;
        let header = *view.header();
        let offset = header.base_offset;
        if offset != expected.high_watermark {
            return Err(format!(
                "{partition}: a batch at {offset}, expected {}",
                expected.high_watermark
            ));
        }
        let number = number_of(&view)?;
        let known = self
            .sent
            .get(&number)
            .filter(|sent| sent.partition == partition && sent.count as i32 == header.record_count);
        let sent =
            known.ok_or_else(|| format!("{partition}: batch {number} was never sent here"))?;
        let sequenced = (header.producer_id != ProducerId(-1))
            .then_some((header.producer_id, header.base_sequence));
        if sequenced != sent.sequenced {
            return Err(format!("batch {number} has sequence {sequenced:?}"));
        }
        expected.high_watermark = header.offset_next();
        expected
            .epochs
            .assign(header.partition_leader_epoch, offset);
        if let Some((producer, sequence_first)) = sequenced {
            let produced = crate::log::ProducedBatch {
                epoch: header.producer_epoch,
                sequence_first,
                sequence_last: header.sequence_last(),
                offset_first: offset,
                offset_last: Offset(header.offset_next().0 - 1),
                timestamp: header.max_timestamp,
                slot: None,
            };
            expected.producers.record(producer, produced, 0);
        }
        Ok((offset, number))
    }

    /// What was shown once is a prefix of what is shown now.
    fn check_shown(&self, partition: TopicPartition, content: &[(Offset, BatchNumber)]) -> Verdict {
        let shown = self
            .shown
            .get(&partition)
            .map(Vec::as_slice)
            .unwrap_or_default();
        match shown
            .iter()
            .zip(content)
            .find(|(before, now)| before != now)
        {
            Some((before, now)) => Err(format!("{partition}: {before:?} was shown, now {now:?}")),
            None if content.len() < shown.len() => Err(format!(
                "{partition}: {} batches were shown, now {}",
                shown.len(),
                content.len()
            )),
            None => Ok(()),
        }
    }

    fn check_acknowledged(&self, partition: TopicPartition) -> Verdict {
        let content: BTreeMap<_, _> = self.shown[&partition]
            .iter()
            .map(|(offset, number)| (*number, *offset))
            .collect();
        for (number, offset) in &self.acknowledged {
            if self.sent[number].partition != partition {
                continue;
            }
            if content.get(number) != Some(offset) {
                return Err(format!(
                    "{partition}: batch {number} was acknowledged at {offset} and is at {:?}",
                    content.get(number)
                ));
            }
        }
        Ok(())
    }

    /// As [`Clients::check_log`], for a broker that may be behind or fenced: what it shows is what
    /// everybody shows, as far as it goes.
    pub fn check_stale(&mut self, partition: TopicPartition, batches: &[Bytes]) -> Verdict {
        let mut expected = Durable::default();
        let mut content = Vec::new();
        for bytes in batches {
            content.push(self.check_batch(partition, bytes, &mut expected)?);
        }
        let shown = self.shown.entry(partition).or_default();
        if let Some((before, now)) = shown.iter().zip(&content).find(|(a, b)| a != b) {
            return Err(format!("{partition}: {before:?} was shown, now {now:?}"));
        }
        if content.len() > shown.len() {
            *shown = content;
        }
        Ok(())
    }

    /// Every idempotent batch has its answer.
    pub fn check_progress(&self) -> Verdict {
        match self
            .clients
            .iter()
            .find(|client| !client.unanswered.is_empty())
        {
            Some(client) => Err(format!("{:?} have no answer", client.unanswered)),
            None => Ok(()),
        }
    }

    /// No partition is forgotten.
    pub fn check_known(&self, open: &[TopicPartition]) -> Verdict {
        match self
            .shown
            .iter()
            .find(|(id, shown)| !shown.is_empty() && !open.contains(id))
        {
            Some((id, shown)) => Err(format!("{id} with {} batches is gone", shown.len())),
            None => Ok(()),
        }
    }
}

fn check_unique(content: &[(Offset, BatchNumber)]) -> Verdict {
    let mut seen = BTreeMap::new();
    for (offset, number) in content {
        if let Some(before) = seen.insert(number, offset) {
            return Err(format!("batch {number} is at {before} and at {offset}"));
        }
    }
    Ok(())
}

/// Page and footers say what the records say.
fn check_state(partition: TopicPartition, expected: &Durable, durable: &Durable) -> Verdict {
    let ends = (expected.high_watermark, &expected.epochs);
    if ends != (durable.high_watermark, &durable.epochs) {
        return Err(format!(
            "{partition}: records say {ends:?}, the broker {durable:?}"
        ));
    }
    let producers = |state: &Durable| -> Vec<_> {
        let entry = |(id, entry): (ProducerId, &crate::log::ProducerEntry)| {
            assert!(entry.batches.len() <= BATCHES_MAX);
            (id, entry.epoch, entry.batches.clone())
        };
        state.producers.iter().map(entry).collect()
    };
    if producers(expected) != producers(durable) {
        return Err(format!(
            "{partition}: producers by the records {:?}, by the broker {:?}",
            producers(expected),
            producers(durable)
        ));
    }
    Ok(())
}

fn number_of(view: &BatchView<'_>) -> Result<BatchNumber, String> {
    let first = view
        .with_records(1 << 20, |mut records| {
            let record = records.next()?.ok()?;
            let bytes = record.value?.get(..8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        })
        .map_err(|error| error.to_string())?;
    first.ok_or_else(|| "a batch without a number".to_owned())
}

impl Sent {
    pub fn append_batch(&self) -> AppendBatch {
        let mut builder = BatchBuilder::new(Codec::None).partition_leader_epoch(LeaderEpoch(-1));
        if let Some((producer, sequence)) = self.sequenced {
            builder = builder.producer(producer, ProducerEpoch(0), sequence);
        }
        let mut value = self.number.to_le_bytes().to_vec();
        value.resize(8 + self.padding, b'x');
        for _ in 0..self.count {
            // A retry is the same bytes, so the time is the batch's own.
            builder.append(self.number as i64, None, Some(&value));
        }
        AppendBatch {
            bytes: builder.build().unwrap().as_slice().into(),
            record_count: self.count,
            offset_count: self.count,
            max_timestamp: self.number as i64,
            sequenced: self.sequenced.map(|(producer, first)| Sequenced {
                producer,
                epoch: ProducerEpoch(0),
                sequence_first: first,
                sequence_last: first + self.count as i32 - 1,
            }),
            permit: None,
        }
    }
}
