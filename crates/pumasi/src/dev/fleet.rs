//! One socket of a simulated fleet: a real endpoint with a real link, and the nodes that share it. Each node is a few dozen
//! bytes and a place in a queue of due times; what is sent is what an agent sends.

use super::tally::Tally;
use crate::cli::dev::FaultKind;
use crate::clock;
use model::{Alias, Arch, Bytes, DeviceId, Kbps, NodeId, NodeState, Os, PauseReason, Stamp};
use net::{CallLimits, Endpoint, EndpointConfig, Link, Redial, SecretKey};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};
use wire::access::JoinAsk;
use wire::fleet::{Allowed, CheckIn, Free, Goodbye, Held, MachineFacts, Parting};
use wire::limits::{CHECK_IN_REPLY_MAX, REPLY_MAX};
use wire::signed::{Binding, public_of};
use wire::{Envelope, PeerAddr, Reply, Request, Ticket};

/// Calls one socket has open at once; a check-in that is due waits for a place, and its wait counts.
pub const OPEN_CALLS_MAX: usize = 256;
/// Joins one socket has open at once.
const OPEN_JOINS_MAX: usize = 4;
/// As an agent's.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// A join waits for its turn at the database.
const JOIN_TIMEOUT: Duration = Duration::from_secs(60);
/// As an agent's.
const RETRY: Duration = Duration::from_secs(2);
/// Within this time all nodes of a storm are back.
const STORM: Duration = Duration::from_secs(10);
/// Largest error of a clock that plays wrong.
const CLOCK_MAX: u64 = 10 * 365 * 24 * 3_600_000;
/// Beyond this many waiting results a socket's calls wait.
const DONE_QUEUE: usize = 1_024;

/// A node that is nothing but what it says.
struct Node {
    index: u32,
    id: NodeId,
    alias: Option<Alias>,
    boot: u64,
    sequence: u32,
    clock_ms: i64,
}

/// What came of a call.
struct Done {
    node: usize,
    next: Duration,
    known: bool,
}

/// A node's key, its number where its link does not prove it, and the link it speaks over.
#[derive(Clone)]
pub struct Seat {
    /// Secret of its machine.
    pub key: [u8; 32],
    /// The node.
    pub id: NodeId,
    /// For the envelope.
    pub alias: Option<Alias>,
    /// Shared with the other nodes of its socket.
    pub link: Link,
}

/// One socket and its nodes.
pub struct Socket {
    endpoint: Endpoint,
    redial: Redial,
    nodes: Vec<Node>,
    rng: ChaCha8Rng,
    faults: Arc<[FaultKind]>,
    tally: Arc<Tally>,
}

/// The secret key of a simulated node.
fn key_of(seed: u64, index: u32) -> [u8; 32] {
    let mut material = [0; 12];
    material[..8].copy_from_slice(&seed.to_le_bytes());
    material[8..].copy_from_slice(&index.to_le_bytes());
    blake3::derive_key("pumasi v1 simulated node", &material)
}

impl Socket {
    /// An endpoint of its own, with the key of its first node.
    pub async fn bind(
        bind: IpAddr,
        seed: u64,
        first: u32,
        center: &PeerAddr,
        faults: Arc<[FaultKind]>,
        tally: Arc<Tally>,
    ) -> Result<Self, net::NetError> {
        let secret = SecretKey::from_bytes(key_of(seed, first));
        let config = EndpointConfig {
            bind: vec![SocketAddr::new(bind, 0)],
            accept: false,
            port_mapping: false,
            ..EndpointConfig::new(secret)
        };
        let endpoint = Endpoint::bind(config).await?;
        endpoint.learn(center.clone());
        let redial = Redial::start(endpoint.clone(), center.id);
        let rng = ChaCha8Rng::from_seed(key_of(seed, u32::MAX - first));
        Ok(Self { endpoint, redial, nodes: Vec::new(), rng, faults, tally })
    }

    /// Waits until its link is there.
    pub async fn up(&self) {
        self.redial.link().await;
    }

    /// Takes the nodes of `indexes` into the cloud. The words say why one was not taken.
    pub async fn join(
        &mut self,
        seed: u64,
        indexes: impl Iterator<Item = u32>,
        ticket_of: impl Fn(u32) -> Ticket,
    ) -> Result<(), String> {
        let link = self.redial.link().await;
        let places = Arc::new(Semaphore::new(OPEN_JOINS_MAX));
        let mut tasks = tokio::task::JoinSet::new();
        for index in indexes {
            let (link, ticket) = (link.clone(), ticket_of(index));
            let place = Arc::clone(&places).acquire_owned().await.map_err(|e| e.to_string())?;
            tasks.spawn(async move {
                let joined = join_one(&link, seed, index, &ticket).await;
                drop(place);
                joined.map(|node| (index, node))
            });
        }
        let mut joined = Vec::new();
        while let Some(one) = tasks.join_next().await {
            joined.push(one.map_err(|e| e.to_string())??);
        }
        joined.sort_unstable_by_key(|(index, _)| *index);
        let wrong_clocks = self.faults.contains(&FaultKind::Clock);
        self.nodes = joined.into_iter().map(|(_, node)| node).collect();
        // The first node is the one whose key the link proves; it needs no alias.
        if let Some(first) = self.nodes.first_mut() {
            first.alias = None;
        }
        for node in &mut self.nodes {
            node.boot = self.rng.next_u64();
            if wrong_clocks {
                node.clock_ms = (self.rng.next_u64() % (2 * CLOCK_MAX)) as i64 - CLOCK_MAX as i64;
            }
        }
        Ok(())
    }

    /// Its nodes, as who speaks for them beside their check-ins needs them; the first one's key is the link's.
    pub async fn seats(&self, seed: u64) -> Vec<Seat> {
        let link = self.redial.link().await;
        let seat =
            |node: &Node| Seat { key: key_of(seed, node.index), id: node.id, alias: node.alias, link: link.clone() };
        self.nodes.iter().map(seat).collect()
    }

    /// Checks in for ever.
    pub async fn run(mut self, spread: Duration) {
        let begun = Instant::now();
        let mut due: BinaryHeap<Reverse<(Instant, usize)>> = BinaryHeap::with_capacity(self.nodes.len());
        for index in 0..self.nodes.len() {
            due.push(Reverse((begun + self.share(spread), index)));
        }
        let mut storm_at = self.faults.contains(&FaultKind::Storm).then(|| begun + spread + STORM);
        let mut known = vec![false; self.nodes.len()];
        let places = Arc::new(Semaphore::new(OPEN_CALLS_MAX));
        let (send, mut done) = mpsc::channel::<Done>(DONE_QUEUE);
        loop {
            let next = due.peek().map_or(begun + Duration::from_secs(3_600), |Reverse((at, _))| *at);
            tokio::select! {
                biased;
                Some(d) = done.recv() => {
                    known[d.node] = d.known;
                    let at = Instant::now() + d.next;
                    due.push(Reverse((self.flap(d.node, at, d.next).await, d.node)));
                }
                () = sleep_until(next), if !due.is_empty() => {
                    if storm_at.is_some_and(|at| at <= Instant::now()) {
                        storm_at = None;
                        self.storm(&mut due, &mut known);
                        continue;
                    }
                    let Some(Reverse((at, index))) = due.pop() else { continue };
                    self.send(index, at, !known[index], &places, &send).await;
                }
            }
        }
    }

    /// Sends one check-in in a task of its own.
    async fn send(
        &mut self,
        index: usize,
        due: Instant,
        with_addr: bool,
        places: &Arc<Semaphore>,
        send: &mpsc::Sender<Done>,
    ) {
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
        let message = self.message(index, with_addr);
        let twice = self.faults.contains(&FaultKind::Duplicates);
        let (send, tally) = (send.clone(), Arc::clone(&self.tally));
        // A node whose link is gone does not wait in a queue for it: its check-in fails, as an agent's would.
        let link = self.redial.now();
        tokio::spawn(async move {
            if let Some(link) = link.as_ref().filter(|_| twice) {
                let _ = ask(link, &message).await;
            }
            let answer = match &link {
                Some(link) => ask(link, &message).await,
                None => Err(()),
            };
            drop(place);
            let done = match answer {
                Ok(Reply::CheckedIn(reply)) => {
                    tally.answered(due.elapsed());
                    Done { node: index, next: reply.next.to_std(), known: true }
                }
                Ok(_) => {
                    tally.refused();
                    Done { node: index, next: RETRY, known: false }
                }
                Err(()) => {
                    tally.failed();
                    Done { node: index, next: RETRY, known: false }
                }
            };
            let _ = send.send(done).await;
        });
    }

    fn message(&mut self, index: usize, with_addr: bool) -> Vec<u8> {
        let lies = self.faults.contains(&FaultKind::Lies);
        let node = &mut self.nodes[index];
        node.sequence += 1;
        let now = clock::now().as_ms();
        let addr = PeerAddr {
            id: node.id,
            direct: vec![SocketAddr::from(([127, 0, 0, 1], 9))], // the discard port: nobody is there
            relays: Vec::new(),
        };
        let most = |sane: u64| if lies { u64::MAX } else { sane };
        let ask = CheckIn {
            boot: node.boot,
            sequence: if lies { u32::MAX } else { node.sequence },
            now: Stamp(now.saturating_add_signed(node.clock_ms)),
            state: NodeState::Run,
            reason: PauseReason::None,
            free: Free { cores_milli: 2_000, memory_mib: 2_048, disk_mib: most(20 << 10) },
            allowed: Allowed { up: Kbps(10_000), down: Kbps(50_000) },
            transfer_left_mib: None,
            leases: Vec::new(),
            cursors: Vec::new(),
            generation: most(1),
            busy: false,
            addr: with_addr.then_some(addr),
            lent: with_addr.then_some(Bytes(most(20 << 30))),
            held: Held::default(),
        };
        let mut envelope = Envelope::new(Request::CheckIn(Box::new(ask)));
        envelope.alias = node.alias;
        envelope.to_bytes()
    }

    /// When the node comes next: one that flaps says goodbye now and then and comes two periods later.
    async fn flap(&mut self, index: usize, at: Instant, period: Duration) -> Instant {
        if !self.faults.contains(&FaultKind::Flapping) || !self.rng.next_u32().is_multiple_of(10) {
            return at;
        }
        if let Some(link) = self.redial.now() {
            let goodbye = Goodbye { boot: self.nodes[index].boot, why: Parting::Shutdown };
            let mut envelope = Envelope::new(Request::Goodbye(goodbye));
            envelope.alias = self.nodes[index].alias;
            let _ = ask(&link, &envelope.to_bytes()).await;
        }
        self.nodes[index].boot = self.rng.next_u64();
        self.nodes[index].sequence = 0;
        at + period
    }

    /// Every node starts anew within [`STORM`].
    fn storm(&mut self, due: &mut BinaryHeap<Reverse<(Instant, usize)>>, known: &mut [bool]) {
        let waiting: Vec<usize> = due.drain().map(|Reverse((_, index))| index).collect();
        for index in waiting {
            self.nodes[index].boot = self.rng.next_u64();
            self.nodes[index].sequence = 0;
            known[index] = false;
            due.push(Reverse((Instant::now() + self.share(STORM), index)));
        }
    }

    fn share(&mut self, of: Duration) -> Duration {
        of.mul_f64(f64::from(self.rng.next_u32()) / f64::from(u32::MAX))
    }

    /// The endpoint, to be closed in the end.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }
}

async fn ask(link: &Link, message: &[u8]) -> Result<Reply, ()> {
    let limits = CallLimits { max_reply: CHECK_IN_REPLY_MAX, timeout: CALL_TIMEOUT };
    let bytes = link.call(message, limits).await.map_err(|error| tracing::debug!(%error, "a call failed"))?;
    Reply::from_bytes(&bytes).map_err(drop)
}

async fn join_one(link: &Link, seed: u64, index: u32, ticket: &Ticket) -> Result<Node, String> {
    let key = key_of(seed, index);
    let id = NodeId(public_of(&key));
    let name = format!("sim{index}");
    let now = clock::now();
    let binding = Binding { node: id, device: DeviceId::from(id), at: now, name: name.clone() };
    let join = JoinAsk {
        cloud: ticket.cloud,
        secret: ticket.secret,
        facts: facts(index),
        now,
        region: None,
        binding: binding.sign(&key).ok_or("its name is too long")?,
        lends: true,
        name,
    };
    let message = Envelope::new(Request::Join(Box::new(join))).to_bytes();
    let limits = CallLimits { max_reply: REPLY_MAX, timeout: JOIN_TIMEOUT };
    let bytes = link.call(&message, limits).await.map_err(|e| e.to_string())?;
    match Reply::from_bytes(&bytes).map_err(|e| e.to_string())? {
        Reply::Joined(reply) => Ok(Node { index, id, alias: reply.alias, boot: 0, sequence: 0, clock_ms: 0 }),
        Reply::Refused(refusal) => Err(refusal.id.to_string()),
        _ => Err("it answered something else than a join".to_owned()),
    }
}

fn facts(index: u32) -> MachineFacts {
    MachineFacts {
        os: if index % 20 < 17 { Os::Windows } else { Os::Linux },
        arch: Arch::X86_64,
        cores: 4,
        memory_mib: 8_192,
        disk_free: Bytes(100 << 30),
        program: crate::cli::join::program_number(),
        lent: Bytes(20 << 30),
        accepts: u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_node_is_small_and_its_key_comes_from_the_seed() {
        assert!(size_of::<Node>() <= 128, "{}", size_of::<Node>());
        assert_eq!(key_of(7, 3), key_of(7, 3));
        assert_ne!(key_of(7, 3), key_of(8, 3));
        assert_ne!(key_of(7, 3), key_of(7, 4));
    }
}
