//! Dump of metadata entries and snapshots: one line per command, and per record of the state.

use std::fmt;

use bytes::Bytes;

use super::Dump;
use crate::{
    format::ObjectIdentity,
    ids::Slot,
    metadata::{Image, entry::Entry, proto::RecordKind, snapshot},
};

impl<W: fmt::Write> Dump<'_, W> {
    pub(super) fn metadata_entry(
        &mut self,
        bytes: &Bytes,
        identity: &ObjectIdentity,
    ) -> fmt::Result {
        let entry = match Entry::decode(bytes, identity.cluster, Slot(identity.number)) {
            Ok(entry) => entry,
            Err(error) => return self.problem("", error),
        };
        writeln!(
            self.out,
            "term {} of process {}",
            entry.term, entry.process.0
        )?;
        writeln!(self.out, "  entry before   {}", entry.previous)?;
        writeln!(self.out, "  state before   {}", entry.state)?;
        writeln!(self.out, "{} commands", entry.commands.len())?;
        for command in &entry.commands {
            writeln!(self.out, "  {command:?}")?;
        }
        Ok(())
    }

    pub(super) fn metadata_snapshot(
        &mut self,
        bytes: &Bytes,
        identity: &ObjectIdentity,
    ) -> fmt::Result {
        match snapshot::decode(bytes, identity.cluster, Slot(identity.number)) {
            Ok(tail) => {
                writeln!(self.out, "the state after entry {}", identity.number)?;
                writeln!(self.out, "  entry          {}", tail.last)?;
                writeln!(self.out, "  state          {}", tail.image.state_hash())?;
                self.image(&tail.image)
            }
            Err(error) => self.problem("", error),
        }
    }

    fn image(&mut self, image: &Image) -> fmt::Result {
        writeln!(self.out, "term {}", image.term)?;
        if let Some(controller) = &image.controller {
            let process = controller.process.0;
            writeln!(
                self.out,
                "controller {}, process {process}",
                controller.incarnation
            )?;
        }
        writeln!(self.out, "next producer id {}", image.producer_ids.next)?;
        writeln!(self.out, "{:?}", image.features)?;
        for topic in image.topics.sorted() {
            writeln!(self.out, "{topic:?}")?;
        }
        for record in image.records() {
            if let Some(RecordKind::Config(record)) = record.kind
                && let Ok((resource, values)) = record.into_domain()
            {
                writeln!(self.out, "configs of {resource:?}: {values:?}")?;
            }
        }
        for record in image.incarnations.iter() {
            writeln!(self.out, "{record:?}")?;
        }
        for (pg, record) in image.ownership.iter() {
            writeln!(self.out, "PG {pg} {record:?}")?;
        }
        Ok(())
    }
}
