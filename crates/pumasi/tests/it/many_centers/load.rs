//! Members that give to each other, each by a machine with a key and a link of its own: a word is sent until it is answered.

use center::access::store::{DeviceRow, MemberRow, MemberState, account as devices, insert_member};
use center::db::{Db, StoreError};
use center::ledger::store;
use model::{AccountClass, AccountNo, Code, DeviceId, MemberId, NodeId, Roles, Stamp, TransferId, Ucredit};
use net::{CallLimits, Endpoint, EndpointConfig, SecretKey};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use wire::signed::{Rights, Spend, public_of};
use wire::{Envelope, PeerAddr, Reply, Request, limits};

/// Members with a machine each.
const MEMBERS: u64 = 6;
/// Longest wait for one answer: then another link is made.
const ANSWER: Duration = Duration::from_secs(4);
/// Longest time a word is sent again.
const INSIST: Duration = Duration::from_secs(90);
/// Words between two looks into the wallet.
const LOOK_EVERY: u64 = 5;

#[derive(Clone, Copy)]
pub struct Member {
    secret: [u8; 32],
    device: DeviceId,
    pub account: AccountNo,
}

/// A word that was answered with yes.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    pub id: TransferId,
    pub seq: u64,
    pub debit: AccountNo,
    pub credit: AccountNo,
    pub amount: Ucredit,
    /// It went through the proxy for TCP, over a relay.
    pub by_tcp: bool,
}

fn now() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    Stamp(u64::try_from(since.as_millis()).expect("a time"))
}

/// Members that may owe much, in the rows of the cloud.
pub async fn let_in(db: &Db) -> Vec<Member> {
    let opened = db.write(|tx| {
        let open = |n: u64| {
            let (secret, at) = (blake3::derive_key("pumasi test member", &n.to_le_bytes()), now());
            let (device, name) = (DeviceId(public_of(&secret)), format!("member {n}"));
            let id = MemberId::from_slice(&device.0[..MemberId::LEN]).expect("a key has more than 16 bytes");
            let row = MemberRow {
                id,
                name: name.clone(),
                roles: Roles::BOTH,
                state: MemberState::Active,
                frozen_why: None,
                created_at: at,
                invited_by: None,
            };
            insert_member(tx, &row)?;
            let row = DeviceRow { id: device, member: id, name, added_at: at, removed_at: None };
            devices::set_device(tx, &row, Rights::SPEND.0)?;
            let terms = (model::MemberState::Active, Ucredit::whole(1_000_000));
            let opened = store::account::open(tx, AccountClass::Member, id.as_bytes(), terms, at)?;
            Ok(Member { secret, device, account: opened.account.no })
        };
        (0..MEMBERS).map(open).collect::<Result<Vec<_>, StoreError>>()
    });
    opened.await.expect("members can be let in")
}

/// Members at work.
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<Vec<Given>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    answered: AtomicU64,
    troubles: AtomicU64,
    last: Mutex<String>,
}

impl Shared {
    fn trouble(&self, what: String) {
        self.troubles.fetch_add(1, Relaxed);
        *self.last.lock().expect("no holder of it panics") = what;
    }
}

impl Load {
    /// Members in turn find the center at each of these addresses.
    pub fn start(centers: &[PeerAddr; 2], members: &[Member]) -> Self {
        let (shared, mut tasks) = (Arc::new(Shared::default()), JoinSet::new());
        for n in 0..members.len() {
            let center = centers[n % centers.len()].clone();
            let giver = Giver { n, members: members.to_vec(), center, shared: Arc::clone(&shared) };
            tasks.spawn(giver.run());
        }
        Self { shared, tasks }
    }

    /// Words answered so far.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Relaxed)
    }

    /// How often something was sent again.
    pub fn troubles(&self) -> u64 {
        self.shared.troubles.load(Relaxed)
    }

    pub fn last_trouble(&self) -> String {
        self.shared.last.lock().expect("no holder of it panics").clone()
    }

    /// Lets everybody finish the word at hand; all that was answered.
    pub async fn end(mut self) -> Vec<Given> {
        self.shared.is_over.store(true, Relaxed);
        let mut all = Vec::new();
        while let Some(given) = self.tasks.join_next().await {
            all.extend(given.expect("no member's promise was broken"));
        }
        all
    }
}

struct Giver {
    n: usize,
    members: Vec<Member>,
    center: PeerAddr,
    shared: Arc<Shared>,
}

impl Giver {
    async fn run(self) -> Vec<Given> {
        let me = self.members[self.n];
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let by_tcp = self.center.direct.is_empty();
        let config = EndpointConfig {
            bind: vec![loopback],
            relays: self.center.relays.clone(),
            udp: !by_tcp,
            accept: false,
            ..EndpointConfig::new(SecretKey::from_bytes(me.secret))
        };
        let endpoint = Endpoint::bind(config).await.expect("an endpoint can be bound");
        endpoint.learn(self.center.clone());
        let (mut given, mut spent) = (Vec::new(), 0);
        while !self.shared.is_over.load(Relaxed) {
            let word = self.word(given.len() as u64);
            let request = Request::Spend(word.sign(&me.secret).to_vec());
            let Reply::Spent(answer) = self.insist(&endpoint, request).await else {
                panic!("a word is answered otherwise")
            };
            spent += word.amount.0;
            let (id, debit, credit, amount) = (word.id, word.debit, word.credit, word.amount);
            given.push(Given { id, seq: answer.seq, debit, credit, amount, by_tcp });
            self.shared.answered.fetch_add(1, Relaxed);
            if (given.len() as u64).is_multiple_of(LOOK_EVERY) {
                let Reply::Wallet(wallet) = self.insist(&endpoint, Request::Wallet(None)).await else {
                    panic!("a wallet is shown otherwise")
                };
                assert_eq!(wallet.debits.0, spent, "(A) whichever center shows it");
            }
        }
        endpoint.close().await;
        given
    }

    fn word(&self, n: u64) -> Spend {
        let me = self.members[self.n];
        let others = self.members.len() as u64 - 1;
        let to = (self.n + 1 + usize::try_from(n % others).expect("few members")) % self.members.len();
        let mut random = [0; 10];
        random[..8].copy_from_slice(&n.to_le_bytes());
        random[8] = u8::try_from(self.n).expect("few members");
        Spend {
            cloud: Spend::cloud_of(&model::CloudKey(self.center.id.0)),
            id: TransferId::made(now(), random),
            code: Code::Gift,
            debit: me.account,
            credit: self.members[to].account,
            amount: Ucredit(1 + n % 997),
            expires: None,
            reference: None,
            device: me.device,
        }
    }

    /// Sends the same until it is answered by more than that something is away.
    async fn insist(&self, endpoint: &Endpoint, request: Request) -> Reply {
        let (bytes, begun) = (Envelope::new(request).to_bytes(), Instant::now());
        loop {
            match self.once(endpoint, &bytes).await {
                Ok(reply) => return reply,
                Err(trouble) => {
                    assert!(begun.elapsed() < INSIST, "it is never answered: {trouble}");
                    self.shared.trouble(trouble);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn once(&self, endpoint: &Endpoint, bytes: &[u8]) -> Result<Reply, String> {
        let center: NodeId = self.center.id;
        let link = endpoint.connect(center, ANSWER).await.map_err(|error| format!("no link: {error}"))?;
        let limits = CallLimits { max_reply: limits::REPLY_MAX, timeout: ANSWER };
        let answer = link.call(bytes, limits).await.map_err(|error| {
            link.close(0, "no answer");
            format!("no answer: {error}")
        })?;
        match Reply::from_bytes(&answer) {
            Ok(Reply::Refused(refusal)) => Err(format!("refused: {refusal:?}")),
            Ok(reply) => Ok(reply),
            Err(error) => panic!("an answer is none: {error}"),
        }
    }
}
