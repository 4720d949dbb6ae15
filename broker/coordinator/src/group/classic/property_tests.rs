//! Random clients against one shard: whatever they do, and whenever the broker fails over, the
//! invariants of groups hold (design §11: G1–G3, R2).
//!
//! The clients behave like real ones: they keep the ids and generations that they were told, also
//! when those are no longer true. The model knows only the answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use weir_protocol::types::PartitionIndex;

use crate::api::{Answer, Request, Token};
use crate::group::classic::heartbeat::Heartbeat;
use crate::group::classic::join::{JoinGroup, Joined};
use crate::group::classic::leave::{LeaveGroup, LeavingMember};
use crate::group::classic::sync::SyncGroup;
use crate::group::delete::DeleteGroups;
use crate::ids::{GroupId, InstanceId, MemberId};
use crate::testing::*;
use crate::{GroupError, OffsetCommit};

const GROUPS: [&str; 2] = ["g0", "g1"];
const CLIENTS: usize = 6;
const PARTITIONS: u8 = 4;

#[derive(Clone, Debug)]
enum Op {
    Join {
        client: usize,
        offer: usize,
    },
    Sync {
        client: usize,
    },
    Heartbeat {
        client: usize,
    },
    Leave {
        client: usize,
    },
    /// By instance id, or of whoever the client believes to be.
    Remove {
        client: usize,
    },
    /// The process starts anew and has forgotten its id.
    Restart {
        client: usize,
    },
    Commit {
        client: usize,
        partition: i32,
    },
    CommitOutside {
        group: usize,
        partition: i32,
    },
    Sleep {
        ms: u64,
    },
    FailOver,
    DeleteGroup {
        group: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let client = 0..CLIENTS;
    let group = 0..GROUPS.len();
    let partition = 0..i32::from(PARTITIONS);
    prop_oneof![
        8 => (client.clone(), 0..3usize).prop_map(|(client, offer)| Op::Join { client, offer }),
        8 => client.clone().prop_map(|client| Op::Sync { client }),
        3 => client.clone().prop_map(|client| Op::Heartbeat { client }),
        1 => client.clone().prop_map(|client| Op::Leave { client }),
        1 => client.clone().prop_map(|client| Op::Remove { client }),
        1 => client.clone().prop_map(|client| Op::Restart { client }),
        3 => (client, partition.clone())
            .prop_map(|(client, partition)| Op::Commit { client, partition }),
        1 => (group.clone(), partition)
            .prop_map(|(group, partition)| Op::CommitOutside { group, partition }),
        4 => prop_oneof![Just(0), Just(10), 1..12_000u64].prop_map(|ms| Op::Sleep { ms }),
        1 => Just(Op::FailOver),
        1 => group.prop_map(|group| Op::DeleteGroup { group }),
    ]
}

/// What is broken on purpose, to see that it is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sabotage {
    Nothing,
    /// The leader gives one partition to two members.
    TwoOwners,
    /// A write is lost although its answer was sent.
    LostRecord,
    /// A commit is refused although it was stored.
    WrongAnswer,
}

struct Client {
    group: usize,
    instance: Option<InstanceId>,
    version: i16,
    member: MemberId,
    generation: i32,
    joined: Option<Joined>,
    join: Option<Token>,
    sync: Option<Token>,
}

impl Client {
    fn new(n: usize) -> Client {
        Client {
            group: n % GROUPS.len(),
            instance: (n >= CLIENTS / 2).then(|| InstanceId::new(&format!("instance{n}"))),
            version: [3, 9, 5][n % 3],
            member: MemberId::default(),
            generation: -1,
            joined: None,
            join: None,
            sync: None,
        }
    }

    fn group_id(&self) -> GroupId {
        GROUPS[self.group].into()
    }

    fn join_request(&self, offer: usize) -> JoinGroup {
        let offers: [&[&str]; 3] = [&["range"], &["range", "sticky"], &["sticky", "range"]];
        JoinGroup {
            instance: self.instance.clone(),
            ..join()
                .group(GROUPS[self.group])
                .member(&self.member)
                .offering(offers[offer])
                .session_ms(8000)
                .version(self.version)
        }
    }

    fn forget(&mut self) {
        self.member = MemberId::default();
        self.generation = -1;
        self.joined = None;
    }
}

struct World {
    t: GroupTest,
    clients: Vec<Client>,
    sabotage: Sabotage,
    /// (group, life of the group, generation, partition) and who was given it.
    owners: BTreeMap<(usize, u32, i32, u8), String>,
    /// (group, fail-overs so far, life, generation) and who was made leader.
    leaders: BTreeMap<(usize, u32, u32, i32), String>,
    /// The last accepted commits.
    offsets: BTreeMap<(usize, i32), i64>,
    generations: [i32; GROUPS.len()],
    /// How often a group was deleted.
    lives: [u32; GROUPS.len()],
    fail_overs: u32,
    commits: i64,
}

impl World {
    fn new(sabotage: Sabotage) -> World {
        World {
            t: GroupTest::new().topic("foo", 1, i32::from(PARTITIONS)),
            clients: (0..CLIENTS).map(Client::new).collect(),
            sabotage,
            owners: BTreeMap::new(),
            leaders: BTreeMap::new(),
            offsets: BTreeMap::new(),
            generations: [0; GROUPS.len()],
            lives: [0; GROUPS.len()],
            fail_overs: 0,
            commits: 0,
        }
    }

    fn step(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Join { client, offer } => {
                let request = self.clients[client].join_request(offer);
                let token = self.t.join(request);
                self.poll()?;
                self.clients[client].join = Some(token);
            }
            Op::Sync { client } => self.sync(client)?,
            Op::Heartbeat { client } => {
                let c = &self.clients[client];
                self.t.send(Request::Heartbeat(Heartbeat {
                    group: c.group_id(),
                    generation: c.generation,
                    member: c.member.clone(),
                    instance: c.instance.clone(),
                }));
            }
            Op::Leave { client } => {
                let member = self.clients[client].member.clone();
                self.leave(client, member);
            }
            Op::Remove { client } => self.leave(client, MemberId::default()),
            Op::Restart { client } => self.clients[client].forget(),
            Op::Commit { client, partition } => {
                let c = &self.clients[client];
                let request =
                    commit(GROUPS[c.group], "foo", &[(partition, 0)]).by(&c.member, c.generation);
                self.commit(c.group, partition, request);
            }
            Op::CommitOutside { group, partition } => {
                let request = commit(GROUPS[group], "foo", &[(partition, 0)]);
                self.commit(group, partition, request);
            }
            Op::Sleep { ms } => self.t.sleep_ms(ms),
            Op::FailOver => self.fail_over(),
            Op::DeleteGroup { group } => {
                let groups = vec![GROUPS[group].into()];
                let delete = Request::DeleteGroups(DeleteGroups { groups });
                let token = self.t.send(delete);
                if let Answer::DeleteGroups(deleted) = self.t.answer(token)
                    && deleted[0].error.is_none()
                {
                    self.offsets.retain(|(g, _), _| *g != group);
                }
            }
        }
        self.poll()?;
        self.check()
    }

    fn sync(&mut self, client: usize) -> Result<(), TestCaseError> {
        let Some(joined) = self.clients[client].joined.clone() else {
            return Ok(());
        };
        // Round robin over the members that the leader was told.
        let mut parts: Vec<(MemberId, Vec<u8>)> = joined
            .members
            .iter()
            .map(|m| (m.member.clone(), Vec::new()))
            .collect();
        let count = parts.len();
        if count > 0 && !joined.skip_assignment {
            for partition in 0..PARTITIONS {
                let owner = usize::from(partition) % count;
                parts[owner].1.push(partition);
            }
            if self.sabotage == Sabotage::TwoOwners {
                parts[count - 1].1 = vec![0];
            }
        }
        let token = self.t.send(Request::SyncGroup(SyncGroup {
            group: self.clients[client].group_id(),
            instance: self.clients[client].instance.clone(),
            assignments: parts
                .into_iter()
                .map(|(m, p)| (m, Bytes::from(p)))
                .collect(),
            ..sync_request(&joined)
        }));
        self.poll()?;
        self.clients[client].sync = Some(token);
        Ok(())
    }

    fn leave(&mut self, client: usize, member: MemberId) {
        let c = &self.clients[client];
        self.t.send(Request::LeaveGroup(LeaveGroup {
            group: c.group_id(),
            members: vec![LeavingMember {
                member,
                instance: c.instance.clone(),
            }],
        }));
    }

    fn commit(&mut self, group: usize, partition: i32, mut request: OffsetCommit) {
        self.commits += 1;
        request.topics[0].partitions[0].offset.0 = self.commits;
        let accepted = self.t.commit(request) == [None];
        if accepted && self.sabotage != Sabotage::WrongAnswer {
            self.offsets.insert((group, partition), self.commits);
        }
    }

    fn fail_over(&mut self) {
        if self.sabotage == Sabotage::LostRecord {
            self.t.log.pop();
        }
        self.t.fail_over();
        self.fail_overs += 1;
        for client in &mut self.clients {
            // Their connections broke; they will ask again.
            client.join = None;
            client.sync = None;
        }
        for (group, seen) in self.generations.iter_mut().enumerate() {
            // A generation that was not assigned is forgotten.
            let stored = self.t.shard.groups.get(GROUPS[group]);
            *seen = stored.map_or(0, |g| g.generation);
        }
    }

    /// Lets the clients read their answers.
    fn poll(&mut self) -> Result<(), TestCaseError> {
        for i in 0..self.clients.len() {
            if let Some(token) = self.clients[i].join.filter(|t| !self.t.is_parked(*t)) {
                self.clients[i].join = None;
                let Answer::JoinGroup(result) = self.t.answer(token).clone() else {
                    return Err(TestCaseError::fail("not the answer to a join"));
                };
                match result {
                    Ok(joined) => self.on_joined(i, joined)?,
                    Err(refused) if refused.error == GroupError::MemberIdRequired => {
                        self.clients[i].member = refused.member;
                    }
                    Err(refused) if refused.error == GroupError::RebalanceInProgress => {}
                    Err(_) => self.clients[i].forget(),
                }
            }
            if let Some(token) = self.clients[i].sync.filter(|t| !self.t.is_parked(*t)) {
                self.clients[i].sync = None;
                if let Ok(synced) = self.t.synced(token) {
                    self.on_assigned(i, &synced.assignment)?;
                }
            }
        }
        Ok(())
    }

    fn name(&self, client: usize) -> String {
        let c = &self.clients[client];
        match &c.instance {
            Some(instance) => instance.to_string(),
            None => c.member.to_string(),
        }
    }

    fn on_joined(&mut self, client: usize, joined: Joined) -> Result<(), TestCaseError> {
        let c = &mut self.clients[client];
        c.member = joined.member.clone();
        c.generation = joined.generation;
        let group = c.group;
        let is_leader = joined.leader == joined.member;
        prop_assert_eq!(is_leader, !joined.members.is_empty());
        c.joined = Some(joined.clone());
        if is_leader {
            let name = self.name(client);
            let at = (group, self.fail_overs, self.lives[group], joined.generation);
            let leader = self.leaders.entry(at).or_insert(name.clone());
            prop_assert_eq!(&*leader, &name, "two leaders in {:?}", at);
        }
        Ok(())
    }

    /// G1: in a generation, a partition has one owner.
    fn on_assigned(&mut self, client: usize, partitions: &[u8]) -> Result<(), TestCaseError> {
        let name = self.name(client);
        let c = &self.clients[client];
        for partition in partitions {
            let at = (c.group, self.lives[c.group], c.generation, *partition);
            let owner = self.owners.entry(at).or_insert(name.clone());
            prop_assert_eq!(&*owner, &name, "two owners of {:?}", at);
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for (i, id) in GROUPS.iter().enumerate() {
            match self.t.shard.groups.get(*id) {
                None => {
                    self.lives[i] += 1;
                    self.generations[i] = 0;
                }
                Some(group) => {
                    prop_assert!(group.generation >= self.generations[i], "went back");
                    self.generations[i] = group.generation;
                }
            }
        }
        // G2, and after a fail-over G3.
        for (group, id) in GROUPS.iter().enumerate() {
            for partition in 0..i32::from(PARTITIONS) {
                let expected = self.offsets.get(&(group, partition)).copied();
                let stored = self.t.shard.stored.group_offsets(&(*id).into());
                let stored = stored
                    .and_then(|topics| topics.get("foo"))
                    .and_then(|offsets| offsets.get(&PartitionIndex(partition)))
                    .map(|o| o.offset.0);
                prop_assert_eq!(stored, expected, "{} {}", id, partition);
            }
        }
        self.t.check_reload();
        Ok(())
    }

    /// R2: when nobody does anything any more, nothing stays parked and nobody stays a member.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        self.t.sleep_ms(3_600_000);
        self.poll()?;
        for client in &self.clients {
            prop_assert_eq!(client.join, None, "a join is parked for ever");
            prop_assert_eq!(client.sync, None, "a sync is parked for ever");
        }
        for group in self.t.shard.groups.values() {
            prop_assert_eq!(group.members().len(), 0);
        }
        Ok(())
    }
}

fn check_random_histories(sabotage: Sabotage, cases: u32) -> Result<(), String> {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: if sabotage == Sabotage::Nothing {
            2000
        } else {
            0
        },
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let histories = prop::collection::vec(op(), 1..120);
    let result = runner.run(&histories, |ops| {
        let mut world = World::new(sabotage);
        for op in &ops {
            world.step(op)?;
        }
        world.finish()
    });
    result.map_err(|error| error.to_string())
}

#[test]
fn the_invariants_hold_in_random_histories() {
    if let Err(error) = check_random_histories(Sabotage::Nothing, 256) {
        panic!("{error}");
    }
}

#[test]
fn canary_a_leader_that_assigns_twice_is_found() {
    let error = check_random_histories(Sabotage::TwoOwners, 256).unwrap_err();
    assert!(error.contains("two owners"), "{error}");
}

#[test]
fn canary_a_lost_record_is_found() {
    assert!(check_random_histories(Sabotage::LostRecord, 256).is_err());
}

#[test]
fn canary_a_stored_commit_that_was_refused_is_found() {
    assert!(check_random_histories(Sabotage::WrongAnswer, 256).is_err());
}
