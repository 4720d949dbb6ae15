//! Dump of WAL objects: rows, the headers of their batches, control records.

use std::fmt;

use bytes::Bytes;

use super::Dump;
use crate::format::{
    ObjectRef,
    wal::{ControlRecord, RunRow, ScannedBatch, WalObject, decode_wal, verify_wal_object},
};

impl<W: fmt::Write> Dump<'_, W> {
    pub(super) fn wal(&mut self, bytes: &Bytes) -> fmt::Result {
        let object = match decode_wal(bytes) {
            Ok(object) => object,
            Err(error) => return self.problem("", error),
        };
        let footer = &object.footer;
        writeln!(self.out, "  committed slots below {}", footer.committed)?;
        writeln!(self.out, "{} runs", footer.rows.len())?;
        let problems_before = self.first_problem.is_some();
        for row in &footer.rows {
            self.run(&object, row)?;
        }
        let region = &footer.controls;
        writeln!(
            self.out,
            "{} control records at {}, {} bytes{}, CRC {:08x}",
            region.count,
            region.position,
            region.len,
            if region.compressed { " (zstd)" } else { "" },
            region.crc
        )?;
        for control in &object.controls {
            self.control(control)?;
        }
        if self.first_problem.is_none() && !problems_before {
            // What no single line shows: sums, and producer deltas against the batches.
            if let Err(error) = verify_wal_object(bytes) {
                self.problem("", error)?;
            }
        }
        Ok(())
    }

    fn run(&mut self, object: &WalObject, row: &RunRow) -> fmt::Result {
        writeln!(
            self.out,
            "  {} offsets {}..={} records {} max timestamp {} ownership epoch {} leader epoch {}{}",
            row.topic_partition,
            row.offset_first,
            row.offset_last,
            row.record_count,
            row.max_timestamp,
            row.ownership_epoch,
            row.leader_epoch,
            if row.is_internal() { " internal" } else { "" },
        )?;
        writeln!(
            self.out,
            "    at {}, {} bytes, CRC {:08x}, encoding {}",
            row.position, row.len, row.crc, row.encoding
        )?;
        let mut rest = match object.run(row) {
            Ok(run) => run,
            Err(error) => return self.problem(&format!("at {}: ", row.position), error),
        };
        while !rest.is_empty() {
            let at = row.end() - rest.len() as u64;
            match ScannedBatch::take(&mut rest) {
                Ok(batch) => self.batch(at, &batch)?,
                Err(error) => return self.problem(&format!("at {at}: "), error),
            }
        }
        Ok(())
    }

    fn batch(&mut self, at: u64, batch: &ScannedBatch) -> fmt::Result {
        write!(
            self.out,
            "    batch at {at}, {} bytes: offsets {}..={} records {} codec {} timestamps {}..={} \
             leader epoch {}",
            batch.len,
            batch.offset_first,
            batch.offset_last,
            batch.record_count,
            batch.codec(),
            batch.base_timestamp,
            batch.max_timestamp,
            batch.leader_epoch
        )?;
        if batch.producer.0 >= 0 {
            write!(
                self.out,
                " producer {} epoch {} sequence {}",
                batch.producer, batch.producer_epoch, batch.base_sequence
            )?;
        }
        if batch.is_transactional() {
            self.out.write_str(" transactional")?;
        }
        if batch.is_control() {
            self.out.write_str(" control")?;
        }
        self.out.write_char('\n')
    }

    fn control(&mut self, control: &ControlRecord) -> fmt::Result {
        match control {
            ControlRecord::ProducerDelta {
                topic_partition,
                producer,
                batches,
            } => {
                writeln!(self.out, "  producer {producer} in {topic_partition}")?;
                batches.iter().try_for_each(|batch| {
                    writeln!(
                        self.out,
                        "    epoch {} sequences {}..={} offsets {}..={} timestamp {}",
                        batch.epoch,
                        batch.sequence_first,
                        batch.sequence_last,
                        batch.offset_first,
                        batch.offset_last,
                        batch.timestamp
                    )
                })
            }
            ControlRecord::Open { process, previous } => {
                write!(self.out, "  open by process {}", process.0)?;
                if let Some(wal) = previous {
                    let (lane, end) = (wal.lane, wal.end);
                    write!(self.out, ", after lane {lane} of {}", wal.incarnation)?;
                    write!(self.out, " that ended before slot {end}")?;
                }
                self.out.write_char('\n')
            }
            ControlRecord::Close { end } => writeln!(self.out, "  close before slot {end}"),
            ControlRecord::LogStart {
                topic_partition,
                offset,
            } => writeln!(
                self.out,
                "  log start of {topic_partition} moves to {offset}"
            ),
            ControlRecord::ReplaceInputs { inputs, outputs } => {
                writeln!(self.out, "  replace inputs by outputs")?;
                self.references("input", inputs)?;
                self.references("output", outputs)
            }
            ControlRecord::Unknown { kind, payload } => {
                writeln!(self.out, "  unknown kind {kind}, {} bytes", payload.len())
            }
        }
    }

    fn references(&mut self, name: &str, references: &[ObjectRef]) -> fmt::Result {
        for reference in references {
            writeln!(self.out, "    {name} {reference}")?;
        }
        Ok(())
    }
}
