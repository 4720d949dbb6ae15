//! After many small writes and kill -9: from the start of the process to the first record, read from
//! the oldest offset.
//!
//! One record per request and one request at a time makes one WAL object each. The state is made once
//! and restored before every start: Weir's objects never change, so hard links are copies of them;
//! Kafka's files are copied.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use weir_compat_tests::harness::{
    files,
    kafka::Kafka,
    ports::free_port,
    time,
    weir::{Weir, WeirOptions},
};

use super::{
    lab::{Lab, Which},
    raw,
    report::{Metric, Row, Target},
    start::first_answer,
    wire::{RawClient, fetch_request, produce_request},
};

const TOPIC: &str = "objects";

pub fn measure(lab: &mut Lab) -> Result<Row, String> {
    let title = format!(
        "after {} one-record writes and kill -9: start to the first fetched record, from the oldest offset",
        lab.plan.objects
    );
    println!("\n{title}");
    let kafka = State::of_kafka(lab)?;
    let weir = State::of_weir(lab)?;
    println!("  {} WAL objects", weir.objects);
    let mut start = Metric::new("s", Target::AtMost(1.0));
    for round in 1..=lab.plan.rounds {
        for which in Which::BOTH {
            let took = match which {
                Which::Kafka => kafka.start_kafka(lab)?,
                Which::Weir => weir.start_weir(lab)?,
            };
            println!("  round {round} {which:?}: {took:.3} s");
            start.series(which).push(took);
        }
    }
    let notes = vec![format!(
        "Weir's directory had {} WAL objects; files were in the page cache.",
        weir.objects
    )];
    Ok(Row {
        title,
        is_target: true,
        metrics: vec![start],
        notes,
    })
}

/// A directory as kill -9 left it.
struct State {
    dir: TempDir,
    port: u16,
    options: Option<WeirOptions>,
    objects: usize,
}

impl State {
    fn of_kafka(lab: &Lab) -> Result<State, String> {
        let (dir, port) = (lab.folder()?, free_port());
        let live = dir.path().join("live");
        fs::create_dir(&live).map_err(text)?;
        let mut kafka = Kafka::start_on(&lab.java, &live, port)?;
        write_singly(lab, &kafka.address(), lab.plan.objects)?;
        kafka.process.kill();
        fs::rename(&live, dir.path().join("state")).map_err(text)?;
        Ok(State {
            dir,
            port,
            options: None,
            objects: 0,
        })
    }

    fn of_weir(lab: &Lab) -> Result<State, String> {
        let dir = lab.folder()?;
        let live = dir.path().join("live");
        let options = lab.weir_options(&live);
        let mut weir = Weir::start(options.clone(), dir.path())?;
        write_singly(lab, &options.address(), lab.plan.objects)?;
        weir.kill();
        let objects = files::count(&live.join("wal")).map_err(text)?;
        if objects < lab.plan.objects {
            return Err(format!(
                "{} writes made only {objects} WAL objects",
                lab.plan.objects
            ));
        }
        fs::rename(&live, dir.path().join("state")).map_err(text)?;
        Ok(State {
            dir,
            port: options.port,
            options: Some(options),
            objects,
        })
    }

    fn start_kafka(&self, lab: &Lab) -> Result<f64, String> {
        let live = self.restore(files::copy)?;
        rustix::fs::sync();
        let started = time::now();
        let mut process = Kafka::launch(&lab.java, &live)?;
        first_answer(
            &mut process,
            &format!("127.0.0.1:{}", self.port),
            started,
            first_record,
        )
    }

    fn start_weir(&self, _: &Lab) -> Result<f64, String> {
        let live = self.restore(|from, to| fs::hard_link(from, to))?;
        let options = self.options.as_ref().expect("made by a Weir");
        rustix::fs::sync();
        let started = time::now();
        let mut process = Weir::launch(options, live.parent().unwrap_or(&live))?;
        first_answer(&mut process, &options.address(), started, first_record)
    }

    /// Makes `live` what `state` is.
    fn restore(&self, copy: impl Fn(&Path, &Path) -> io::Result<()>) -> Result<PathBuf, String> {
        let live = self.dir.path().join("live");
        if live.exists() {
            fs::remove_dir_all(&live).map_err(text)?;
        }
        files::copy_tree(&self.dir.path().join("state"), &live, &copy).map_err(text)?;
        Ok(live)
    }
}

/// The oldest record, if it is there already.
fn first_record(client: &mut RawClient) -> bool {
    let fetched = client.fetch(&fetch_request(TOPIC, 0));
    fetched.is_ok_and(|fetched| fetched.records > 0)
}

fn write_singly(lab: &Lab, address: &str, count: usize) -> Result<(), String> {
    raw::create_topic(address, TOPIC)?;
    let mut client = RawClient::connect(address).map_err(text)?;
    let began = time::now();
    for n in 0..count {
        let request = produce_request(TOPIC, &lab.payload, n, 1, time::wall_ms());
        let offset = client.produce(&request).map_err(text)?;
        if offset != n as i64 {
            return Err(format!("record {n} was stored at {offset}"));
        }
    }
    println!("  {count} writes took {:.0?}", began.elapsed());
    Ok(())
}

fn text(error: io::Error) -> String {
    error.to_string()
}
