//! Measures the local directory: `cargo run --release -p weir-tiering --example store_speed [DIR]`.
//!
//! Writes about 2 GB into a new folder below DIR (default: the working directory) and removes it.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use weir_tiering::{
    env::Env,
    ids::PutId,
    store::{
        Body, Key, PutIdentity, PutOutcome, Store,
        local::{LocalStore, OpenMode},
    },
};

struct Bench {
    env: Env,
    store: Arc<dyn Store>,
}

impl Bench {
    /// Puts `count` objects of `len` bytes, `at_once` of them in flight.
    async fn puts(&self, folder: &str, count: u64, len: usize, at_once: usize) {
        let mut chunk = vec![0; len];
        self.env.rand.fill(&mut chunk);
        let chunk = Bytes::from(chunk);
        let started = self.env.clock.boot();
        let mut latencies: Vec<Duration> = stream::iter(0..count)
            .map(|n| {
                let body = Body::from(chunk.clone());
                async move {
                    let key = Key::new(format!("{folder}/{:012}/{n:020}", n / 4096));
                    let identity = PutIdentity {
                        put_id: PutId([0; 16]),
                        footer_crc: 0,
                    };
                    let began = self.env.clock.boot();
                    let put = self.store.put_if_absent(&key, &body, identity).await;
                    assert_eq!(put.expect("a put in an empty folder"), PutOutcome::Created);
                    self.env.clock.boot() - began
                }
            })
            .buffer_unordered(at_once)
            .collect()
            .await;
        let took = (self.env.clock.boot() - started).as_secs_f64();
        latencies.sort();
        let at = |part: f64| latencies[((count - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        let (rate, megabytes) = (count as f64 / took, count as f64 * len as f64 / took / 1e6);
        println!(
            "put {len:>8} B, {at_once:>2} at once: {rate:>7.0}/s {megabytes:>6.0} MB/s, \
             p50 {:.2} ms, p99 {:.2} ms",
            at(0.5),
            at(0.99)
        );
    }

    async fn suffixes(&self, folder: &str, count: u64, len: u64) {
        let names = (0..count).map(|n| Key::new(format!("{folder}/{:012}/{n:020}", n / 4096)));
        let keys: Vec<Key> = names.collect();
        let started = self.env.clock.boot();
        let single = stream::iter(&keys).map(|key| self.store.get_suffix(key, len));
        let single: Vec<_> = single.buffer_unordered(64).collect().await;
        let single_ms = self.since_ms(started);
        assert!(single.iter().all(Result::is_ok));
        let started = self.env.clock.boot();
        for batch in keys.chunks(1024) {
            let answers = self.store.get_suffix_many(batch, len).await;
            assert!(answers.iter().all(Result::is_ok));
        }
        let batched_ms = self.since_ms(started);
        let started = self.env.clock.boot();
        let mut listed = Vec::new();
        while let Ok(page) = self
            .store
            .list(&format!("{folder}/"), listed.last(), 1000)
            .await
        {
            let done = page.len() < 1000;
            listed.extend(page.into_iter().map(|meta| meta.key));
            if done {
                break;
            }
        }
        let list_ms = self.since_ms(started);
        assert_eq!(listed.len() as u64, count);
        println!(
            "{count} suffixes of {len} B: {single_ms:.0} ms one by one (64 at once), \
             {batched_ms:.0} ms in batches of 1024; list by 1000: {list_ms:.0} ms"
        );
    }

    fn since_ms(&self, started: Duration) -> f64 {
        (self.env.clock.boot() - started).as_secs_f64() * 1e3
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let env = Env::system();
    let root = Path::new(&parent).join(format!("store-speed-{:016x}", env.random_u64()));
    let root = std::path::absolute(root).expect("a working directory");
    let store = LocalStore::open_dir(&root, OpenMode::Create, env.new_process_id());
    let store = Arc::new(store.expect("a directory that can be a store"));
    let bench = Bench { env, store };
    bench.puts("a", 2000, 4096, 1).await;
    bench.puts("b", 6000, 4096, 16).await;
    bench.puts("c", 64, 8 << 20, 1).await;
    bench.puts("d", 128, 8 << 20, 4).await;
    bench.puts("e", 20_000, 8 << 10, 16).await;
    bench.suffixes("e", 20_000, 4096).await;
    bench.suffixes("e", 20_000, 64 << 10).await;
    std::fs::remove_dir_all(&root).expect("the folder is ours");
}
