//! Dump of checkpoint objects: their pages, partition by partition.

use std::fmt;

use bytes::Bytes;

use super::Dump;
use crate::format::{
    checkpoint::decode_checkpoint,
    page::{Page, PartitionRoot},
};

impl<W: fmt::Write> Dump<'_, W> {
    pub(super) fn checkpoint(&mut self, bytes: &Bytes) -> fmt::Result {
        let checkpoint = match decode_checkpoint(bytes) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return self.problem("", error),
        };
        writeln!(
            self.out,
            "{} pages as of the slots below {} of lane {}",
            checkpoint.pages.len(),
            checkpoint.as_of,
            checkpoint.lane
        )?;
        for entry in &checkpoint.pages {
            writeln!(
                self.out,
                "  PG {} ownership epoch {} at {}, {} bytes, CRC {:08x}",
                entry.pg,
                entry.ownership_epoch,
                entry.page.position,
                entry.page.len,
                entry.page.crc
            )?;
            match checkpoint.page(entry) {
                Ok(page) => self.page(&page)?,
                Err(error) => self.problem(&format!("PG {}: ", entry.pg), error)?,
            }
        }
        Ok(())
    }

    fn page(&mut self, page: &Page) -> fmt::Result {
        for range in &page.live_wal {
            writeln!(
                self.out,
                "    WAL of {} lane {}: slots {}..{}",
                range.incarnation, range.lane, range.from, range.to
            )?;
        }
        for object in &page.merged {
            writeln!(self.out, "    merged {object}")?;
        }
        if let Some(base) = &page.producers_base {
            writeln!(
                self.out,
                "    producers are a delta on the page at {} of {}",
                base.position, base.object
            )?;
        }
        page.partitions.iter().try_for_each(|root| self.root(root))
    }

    fn root(&mut self, root: &PartitionRoot) -> fmt::Result {
        writeln!(
            self.out,
            "    {} log start {} high watermark {} log end {}",
            root.topic_partition, root.log_start, root.high_watermark, root.log_end
        )?;
        for epoch in &root.leader_epochs {
            writeln!(
                self.out,
                "      leader epoch {} from {}",
                epoch.leader_epoch, epoch.start_offset
            )?;
        }
        for open in &root.open_transactions {
            writeln!(self.out, "      {open:?}")?;
        }
        for child in &root.child_pages {
            writeln!(self.out, "      {child:?}")?;
        }
        for entry in &root.producers {
            write!(
                self.out,
                "      producer {} epoch {} last timestamp {}:",
                entry.producer, entry.producer_epoch, entry.last_timestamp
            )?;
            for batch in &entry.batches {
                let (first, last) = (batch.sequence_first, batch.sequence_last);
                write!(self.out, " sequences {first}..={last}")?;
                write!(
                    self.out,
                    " at {}..={}",
                    batch.offset_first, batch.offset_last
                )?;
            }
            self.out.write_char('\n')?;
        }
        for producer in &root.producers_removed {
            writeln!(self.out, "      producer {producer} removed")?;
        }
        Ok(())
    }
}
