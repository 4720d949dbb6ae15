//! `weir log verify` beside and behind real brokers: a store that is written to, killed, restarted and
//! closed is clean; each kind of damage done by hand is found.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use weir_protocol::{
    Message, Request, frame,
    header::decode_response_header,
    messages::{
        MetadataRequest, ProduceRequest,
        metadata_request::MetadataRequestTopic,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    records::{BatchBuilder, Codec},
    types::{ProducerEpoch, ProducerId},
    wire::{Reader, Records},
};

/// A broker that is killed when the test ends early.
struct Broker {
    child: Child,
    address: String,
}

impl Broker {
    fn start(store: &Path) -> Broker {
        let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["start", "--admin", "127.0.0.1:0"])
            .args(["--listeners", "PLAINTEXT://127.0.0.1:0"])
            .args(["--override", "weir.flush.bytes=1048576", "--store"])
            .arg(store)
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.split(" ready at ").nth(1).expect(&line);
        let address = address.split(' ').next().unwrap().to_owned();
        Broker { child, address }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn call<R: Request>(stream: &mut TcpStream, version: i16, request: &R) -> R::Response {
    let frame = frame::request(version, 1, Some("test".into()), request).unwrap();
    stream.write_all(&frame.concat()).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).unwrap();
    let mut reader = Reader::new(Bytes::from(answer));
    decode_response_header(&mut reader, R::KEY, version).unwrap();
    R::Response::decode(&mut reader, version).unwrap()
}

/// A client of one partition of the topic `orders`, which it creates.
struct Producer {
    stream: TcpStream,
    id: ProducerId,
    sequence: i32,
}

impl Producer {
    fn connect(broker: &Broker, id: i64) -> Producer {
        let mut stream = TcpStream::connect(&broker.address).unwrap();
        let topic = MetadataRequestTopic {
            name: Some("orders".into()),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: true,
            ..Default::default()
        };
        while call(&mut stream, 9, &request).topics[0].error_code != 0 {}
        Producer {
            stream,
            id: ProducerId(id),
            sequence: 0,
        }
    }

    /// One acknowledged batch of two records.
    fn produce(&mut self) -> i64 {
        let mut batch =
            BatchBuilder::new(Codec::None).producer(self.id, ProducerEpoch(0), self.sequence);
        batch.append(1_700_000_000_000, None, Some(b"first"));
        batch.append(1_700_000_000_000, None, Some(b"second"));
        self.sequence += 2;
        let partition = PartitionProduceData {
            index: 0,
            records: Some(Records::from(Bytes::from(batch.build().unwrap()))),
            ..Default::default()
        };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 10_000,
            topic_data: vec![TopicProduceData {
                name: "orders".into(),
                partition_data: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        };
        let answer = call(&mut self.stream, 9, &request);
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, 0);
        answer.base_offset
    }
}

fn verify(store: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["log", "verify", "--store"])
        .arg(store)
        .env_clear()
        .output()
        .unwrap()
}

/// Checks the exit code; returns what was printed.
fn expect(store: &Path, code: i32) -> String {
    let output = verify(store);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}{errors}");
    text + &errors
}

fn wal_objects(store: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![store.join("wal")];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_store_is_clean_beside_a_broker_that_writes_and_after_a_kill_and_a_stop() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let broker = Broker::start(&store);
    expect(&store, 0);
    let stop = AtomicBool::new(false);
    let acknowledged: i64 = std::thread::scope(|scope| {
        let (broker, stop) = (&broker, &stop);
        let writer = scope.spawn(move || {
            let mut producer = Producer::connect(broker, 1);
            let mut next = 0;
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(producer.produce(), next);
                next += 2;
            }
            next
        });
        for _ in 0..8 {
            expect(&store, 0);
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    assert!(acknowledged > 0);
    broker.kill();
    let records = format!(": {acknowledged} records in 1 partitions");
    let text = expect(&store, 0);
    assert!(text.contains(&records), "{text}");

    let broker = Broker::start(&store);
    let mut producer = Producer::connect(&broker, 2);
    assert_eq!(producer.produce(), acknowledged);
    broker.stop();
    let text = expect(&store, 0);
    assert!(
        text.ends_with("0 damaged, 0 not checked, 0 void\n"),
        "{text}"
    );
    let records = format!(": {} records in 1 partitions", acknowledged + 2);
    assert!(text.contains(&records), "{text}");
}

/// A closed store with ten WAL objects, and another cluster's.
fn two_stores(directory: &Path) -> (PathBuf, PathBuf) {
    let stores = (directory.join("a"), directory.join("b"));
    for store in [&stores.0, &stores.1] {
        let broker = Broker::start(store);
        let mut producer = Producer::connect(&broker, 1);
        for _ in 0..10 {
            producer.produce();
        }
        broker.stop();
    }
    stores
}

#[test]
fn each_kind_of_damage_is_found_named_and_comes_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    let (store, other) = two_stores(directory.path());
    expect(&store, 0);
    let objects = wal_objects(&store);
    // The last one is the SEAL.
    assert_eq!(objects.len(), 11);
    let victim = &objects[4];
    let sound = std::fs::read(victim).unwrap();
    let name = victim.strip_prefix(&store).unwrap().to_str().unwrap();
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 0x10;
    let foreign = std::fs::read(&wal_objects(&other)[4]).unwrap();
    let neighbour = std::fs::read(&objects[5]).unwrap();
    for (bytes, part) in [
        (Some(flipped), "checksum mismatch"),
        (Some(sound[..sound.len() / 2].to_vec()), "truncated"),
        (Some(Vec::new()), "truncated"),
        (Some(foreign), "it is another object"),
        (Some(neighbour), "it is another object"),
        (None, "it is missing"),
    ] {
        std::fs::remove_file(victim).unwrap();
        if let Some(bytes) = bytes {
            std::fs::write(victim, bytes).unwrap();
        }
        let text = expect(&store, 1);
        let line = text.lines().next().unwrap();
        assert!(line.starts_with(&format!("damage: {name}: ")), "{text}");
        assert!(line.contains(part) && line.contains("To do: "), "{line}");
        let lost = "damage: partition orders-0: offsets 8 to 9 are missing";
        assert!(text.contains(lost), "{text}");
        std::fs::write(victim, &sound).unwrap();
    }
    expect(&store, 0);
}

#[test]
fn what_cannot_be_read_exits_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "no store").unwrap();
    let nowhere = directory.path().join("nowhere");
    let text = expect(&file, 2) + &expect(&nowhere, 2) + &expect(directory.path(), 2);
    assert_eq!(text.matches("could not check").count(), 3, "{text}");
    assert!(!nowhere.exists());
}
