//! The contract of [`super::Store`] as a suite that every implementation runs.
//!
//! A broken promise is returned, not panicked, so that a canary can check that it is found.

use bytes::Bytes;
use futures::future::join_all;

use super::{
    Body, DynStore, Key, PutIdentity, PutOutcome, StoreError, StoreErrorKind, Verb,
    faulty::{Fault, FaultyStore},
    put::{Patience, put_if_absent_until_clear},
};
use crate::{
    env::Env,
    format::envelope::{ObjectIdentity, ObjectKind, SealedObject, seal_object},
    ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation},
};

/// A promise that a store did not keep.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{promise}: {detail}")]
pub struct Violation {
    pub promise: &'static str,
    pub detail: String,
}

type Check = Result<(), Violation>;

fn holds(promise: &'static str, holds: bool, detail: impl FnOnce() -> String) -> Check {
    if holds {
        return Ok(());
    }
    let detail = detail();
    Err(Violation { promise, detail })
}

fn kept<T>(promise: &'static str, result: Result<T, StoreError>) -> Result<T, Violation> {
    result.map_err(|error| Violation {
        promise,
        detail: error.to_string(),
    })
}

fn fails<T: std::fmt::Debug>(
    promise: &'static str,
    result: Result<T, StoreError>,
    kind: StoreErrorKind,
) -> Check {
    let as_promised = matches!(&result, Err(error) if error.kind == kind);
    holds(promise, as_promised, || {
        format!("expected {kind:?}, got {result:?}")
    })
}

/// Runs every promise against `store`, which must be empty and own its place alone.
pub async fn check_contract(env: &Env, store: DynStore) -> Check {
    let suite = Suite { env, store };
    suite.empty_place().await?;
    suite.create_once().await?;
    suite.one_winner().await?;
    suite.bodies().await?;
    suite.reads().await?;
    suite.lists().await?;
    suite.large_puts().await?;
    suite.deletes().await?;
    suite.own_success().await
}

struct Suite<'a> {
    env: &'a Env,
    store: DynStore,
}

impl Suite<'_> {
    fn object(&self, content: &str) -> SealedObject {
        let identity = ObjectIdentity {
            kind: ObjectKind::Probe,
            cluster: ClusterId(self.env.new_uuid()),
            writer: Incarnation {
                broker: BrokerId(1),
                epoch: BrokerEpoch(1),
            },
            lane: 0,
            number: 0,
            put_id: self.env.new_put_id(),
        };
        seal_object(
            &identity,
            [Bytes::copy_from_slice(content.as_bytes())],
            Bytes::new(),
        )
    }

    async fn put(&self, name: &str, object: &SealedObject) -> Result<PutOutcome, StoreError> {
        let key = Key::new(name);
        self.store
            .put_if_absent(&key, &object.body, object.put)
            .await
    }

    async fn put_bytes(&self, name: &str, bytes: &[u8]) -> Result<Key, Violation> {
        let key = Key::new(name);
        let body = Body::from(Bytes::copy_from_slice(bytes));
        let put = self.store.put_if_absent(&key, &body, no_identity()).await;
        let outcome = kept("a put of a free name succeeds", put)?;
        holds(
            "a free name is created",
            outcome == PutOutcome::Created,
            || name.to_owned(),
        )?;
        Ok(key)
    }

    async fn empty_place(&self) -> Check {
        let promise = "an empty place is empty";
        let foreign = kept(promise, self.store.first_foreign_name().await)?;
        holds(promise, foreign.is_none(), || format!("{foreign:?}"))?;
        let listed = kept(promise, self.store.list("", None, 10).await)?;
        holds(promise, listed.is_empty(), || format!("{listed:?}"))?;
        let from = Key::new("wal/00/0");
        kept(
            "a log never begun is settled",
            self.store.sync_log_dirs("wal/00/", &from).await,
        )?;
        self.put_bytes("probe/x/1", b"scratch").await?;
        let foreign = kept(promise, self.store.first_foreign_name().await)?;
        holds("scratch is not foreign", foreign.is_none(), || {
            format!("{foreign:?}")
        })
    }

    async fn create_once(&self) -> Check {
        let promise = "the second create of a name answers Exists and changes nothing";
        let (first, second) = (self.object("first"), self.object("second, longer"));
        let outcome = kept(promise, self.put("c/once", &first).await)?;
        holds(
            "a free name is created",
            outcome == PutOutcome::Created,
            || "c/once".into(),
        )?;
        for again in [&second, &first] {
            let outcome = kept(promise, self.put("c/once", again).await)?;
            holds(promise, outcome == PutOutcome::Exists, || {
                format!("{outcome:?}")
            })?;
        }
        let read = kept(promise, self.store.get(&Key::new("c/once")).await)?;
        holds(promise, read == first.body.to_bytes(), || {
            format!("{} bytes", read.len())
        })?;
        let foreign = kept(promise, self.store.first_foreign_name().await)?;
        holds(
            "an object is foreign to an empty place",
            foreign.is_some(),
            || "none".into(),
        )
    }

    async fn one_winner(&self) -> Check {
        let promise = "of sixteen racing creates one wins, and its body is read";
        for round in 0..8 {
            let name = format!("c/race/{round}");
            let objects: Vec<_> = (0..16)
                .map(|i| self.object(&format!("racer {i}")))
                .collect();
            let puts = objects.iter().map(|object| self.put(&name, object));
            let outcomes = join_all(puts).await;
            let mut winners = Vec::new();
            for (outcome, object) in outcomes.into_iter().zip(&objects) {
                if kept(promise, outcome)? == PutOutcome::Created {
                    winners.push(object);
                }
            }
            holds(promise, winners.len() == 1, || {
                format!("{} winners", winners.len())
            })?;
            let read = kept(promise, self.store.get(&Key::new(name)).await)?;
            let body = winners[0].body.to_bytes();
            holds(promise, read == body, || "another body is read".into())?;
        }
        Ok(())
    }

    async fn bodies(&self) -> Check {
        let promise = "what is read is what was put";
        let empty = self.put_bytes("b/empty", b"").await?;
        let read = kept(promise, self.store.get(&empty).await)?;
        holds(promise, read.is_empty(), || format!("{read:?}"))?;
        let suffix = kept(promise, self.store.get_suffix(&empty, 5).await)?;
        holds(promise, suffix == (Bytes::new(), 0), || {
            format!("{suffix:?}")
        })?;
        // More pieces than one vectored write takes.
        let mut body = Body::default();
        for piece in 0..3000u32 {
            body.push(Bytes::copy_from_slice(&piece.to_le_bytes()));
        }
        body.push(Bytes::from(vec![7; 3 << 20]));
        for piece in 0..3000u32 {
            body.push(Bytes::copy_from_slice(&[piece as u8]));
        }
        let key = Key::new("b/pieces");
        kept(
            promise,
            self.store.put_if_absent(&key, &body, no_identity()).await,
        )?;
        let read = kept(promise, self.store.get(&key).await)?;
        holds(promise, read == body.to_bytes(), || {
            format!("{} bytes", read.len())
        })
    }

    async fn reads(&self) -> Check {
        let key = self.put_bytes("r/ten", b"0123456789").await?;
        let promise = "a range is exactly its bytes";
        for (range, expected) in [
            (0..10, "0123456789"),
            (0..1, "0"),
            (3..7, "3456"),
            (9..10, "9"),
        ] {
            let read = kept(promise, self.store.get_range(&key, range).await)?;
            holds(promise, read == expected, || {
                format!("{read:?}, not {expected:?}")
            })?;
        }
        let promise = "a range beyond the end is an error";
        for range in [0..11, 9..11, 10..11, 50..60] {
            fails(
                promise,
                self.store.get_range(&key, range).await,
                StoreErrorKind::Corrupt,
            )?;
        }
        let promise = "a suffix is the last bytes and tells the length";
        for (len, expected) in [
            (1, "9"),
            (4, "6789"),
            (10, "0123456789"),
            (99, "0123456789"),
        ] {
            let read = kept(promise, self.store.get_suffix(&key, len).await)?;
            holds(promise, read == (Bytes::from(expected), 10), || {
                format!("{read:?}")
            })?;
        }
        let meta = kept("head tells the length", self.store.head(&key).await)?;
        holds(
            "head tells the length",
            meta.len == 10 && meta.key == key,
            || format!("{meta:?}"),
        )?;
        self.missing(&Key::new("r/none")).await?;
        // A folder is no object, and an object no folder.
        self.missing(&Key::new("r")).await?;
        self.missing(&Key::new("r/ten/x")).await?;
        self.many_suffixes(&key).await
    }

    async fn missing(&self, key: &Key) -> Check {
        let (promise, kind) = ("a missing object is NotFound", StoreErrorKind::NotFound);
        fails(promise, self.store.get(key).await, kind)?;
        fails(promise, self.store.get_range(key, 0..1).await, kind)?;
        fails(promise, self.store.get_suffix(key, 1).await, kind)?;
        fails(promise, self.store.head(key).await, kind)
    }

    async fn many_suffixes(&self, ten: &Key) -> Check {
        let promise = "suffixes of many come in the order of the keys";
        let mut keys = Vec::new();
        for i in 0..200 {
            keys.push(if i % 7 == 3 {
                Key::new(format!("r/none/{i}"))
            } else {
                ten.clone()
            });
        }
        let answers = self.store.get_suffix_many(&keys, 2).await;
        holds(promise, answers.len() == keys.len(), || {
            format!("{} answers", answers.len())
        })?;
        for (i, answer) in answers.into_iter().enumerate() {
            if i % 7 == 3 {
                fails(promise, answer, StoreErrorKind::NotFound)?;
            } else {
                let answer = kept(promise, answer)?;
                holds(promise, answer == (Bytes::from("89"), 10), || {
                    format!("{answer:?}")
                })?;
            }
        }
        let none = self.store.get_suffix_many(&[], 2).await;
        holds(promise, none.is_empty(), || format!("{none:?}"))
    }

    async fn lists(&self) -> Check {
        // Names whose order as paths is not their order as directories.
        let mut names: Vec<String> = [
            "l/a-b/x", "l/a.x/y", "l/a/x", "l/a/y/z", "l/a0", "l/b", "l/a/y.1", "l/A/x", "l/_/x",
        ]
        .map(str::to_owned)
        .to_vec();
        names.extend((0..30).map(|n| format!("l/n/{n:020}")));
        for name in names.iter().rev() {
            self.put_bytes(name, name.as_bytes()).await?;
        }
        names.sort();
        for limit in [1, 2, 7, 1000] {
            self.pages("l/", &names, limit).await?;
        }
        let below = |prefix: &str| {
            let names = names.iter().filter(|name| name.starts_with(prefix));
            names.cloned().collect::<Vec<_>>()
        };
        for prefix in ["l/a/", "l/n/", "l/a-b/", "l/none/"] {
            self.pages(prefix, &below(prefix), 4).await?;
        }
        let promise = "a list begins after any given name, whether it exists or not";
        for after in [
            "a",
            "l/a",
            "l/a/y",
            "l/a/y/",
            "l/a.",
            "l/n/000",
            "l/n/00000000000000000004",
            "m",
        ] {
            let expected = names.iter().filter(|name| name.as_str() > after).cloned();
            let expected: Vec<_> = expected.collect();
            let after = Key::parse(after).unwrap_or(Key::new(format!("{after}0")));
            let expected: Vec<_> = expected
                .into_iter()
                .filter(|name| name.as_str() > after.as_str())
                .collect();
            let listed = kept(promise, self.store.list("l/", Some(&after), 1000).await)?;
            let listed: Vec<_> = listed
                .into_iter()
                .map(|meta| meta.key.to_string())
                .collect();
            holds(promise, listed == expected, || {
                format!("after {after}: {listed:?}")
            })?;
        }
        Ok(())
    }

    async fn pages(&self, prefix: &str, expected: &[String], limit: usize) -> Check {
        let promise = "pages of a list give every name once, sorted, with its length";
        let mut listed = Vec::new();
        let mut after: Option<Key> = None;
        loop {
            let page = kept(
                promise,
                self.store.list(prefix, after.as_ref(), limit).await,
            )?;
            holds("a list keeps its limit", page.len() <= limit, || {
                format!("{}", page.len())
            })?;
            let last = page.len() < limit;
            for meta in page {
                let name = meta.key.to_string();
                holds(promise, meta.len == name.len() as u64, || {
                    format!("{meta:?}")
                })?;
                after = Some(meta.key);
                listed.push(name);
            }
            if last || listed.len() > expected.len() {
                break;
            }
        }
        holds(promise, listed == expected, || {
            format!("{prefix} by {limit}: {listed:?}")
        })
    }

    async fn large_puts(&self) -> Check {
        let promise = "a large put overwrites";
        let key = Key::new("g/large");
        for content in [vec![1; 100_000], vec![2; 50]] {
            let body = Body::from(Bytes::from(content));
            kept(promise, self.store.put_large(&key, &body).await)?;
            let read = kept(promise, self.store.get(&key).await)?;
            holds(promise, read == body.to_bytes(), || {
                format!("{} bytes", read.len())
            })?;
        }
        Ok(())
    }

    async fn deletes(&self) -> Check {
        let promise = "a deleted object is gone, and its name is free";
        let gone = self.put_bytes("d/1", b"x").await?;
        let stays = self.put_bytes("d/2", b"y").await?;
        let never = Key::new("d/none/3");
        for _ in 0..2 {
            kept(
                promise,
                self.store.delete_many(&[never.clone(), gone.clone()]).await,
            )?;
        }
        self.missing(&gone).await?;
        let listed = kept(promise, self.store.list("d/", None, 9).await)?;
        let only = listed.len() == 1 && listed[0].key == stays;
        holds(promise, only, || format!("{listed:?}"))?;
        self.put_bytes("d/1", b"z").await?;
        Ok(())
    }

    async fn own_success(&self) -> Check {
        let promise = "our own success is recognised behind a lost reply";
        let late = std::time::Duration::from_millis(5);
        let retry = Fault::Fail(StoreErrorKind::Retry);
        let faults = [Fault::LoseReply, Fault::LandLate(late), retry];
        for (i, fault) in faults.into_iter().enumerate() {
            let faulty = FaultyStore::new(self.store.clone(), self.env.clone());
            faulty.script(Verb::Put, fault);
            let key = Key::new(format!("o/{i}"));
            let (ours, theirs) = (self.object("ours"), self.object("theirs"));
            for (object, expected) in [
                (&ours, PutOutcome::Created),
                (&ours, PutOutcome::Created),
                (&theirs, PutOutcome::Exists),
            ] {
                let put = put_if_absent_until_clear(
                    self.env,
                    &*faulty,
                    &key,
                    &object.body,
                    object.put,
                    Patience::Forever,
                );
                let outcome = kept(promise, put.await)?;
                holds(promise, outcome == expected, || {
                    format!("{fault:?}: {outcome:?}")
                })?;
            }
            let read = kept(promise, self.store.get(&key).await)?;
            holds(promise, read == ours.body.to_bytes(), || {
                "another body".into()
            })?;
        }
        Ok(())
    }
}

/// For bodies that nobody recognises.
fn no_identity() -> PutIdentity {
    PutIdentity {
        put_id: Default::default(),
        footer_crc: 0,
    }
}
