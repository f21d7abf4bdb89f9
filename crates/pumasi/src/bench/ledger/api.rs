//! Through the api of a whole center in this process: messages with words that members' machines signed. Only links are left out.

use super::{MEMBERS, id, sides};
use crate::cli::center::center_fault;
use crate::clock::now;
use crate::fault::Fault;
use crate::secret::random;
use center::access::store::{DeviceRow, MemberRow, MemberState, account as devices, insert_member};
use center::db::{Db, DbUrl, StoreError};
use center::ledger::store;
use center::{Caller, Center, Founder, Settings};
use console::text::Lang;
use model::{AccountClass, AccountNo, Code, DeviceId, MemberId, NodeId, Roles, Ucredit};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wire::signed::{Rights, Spend, public_of};
use wire::{Envelope, Reply, Request};

/// Words signed ahead for each second of time; those beyond are signed when they are due.
const AHEAD_PER_S: u64 = 10_000;
/// Words signed ahead at most.
const AHEAD_MAX: u64 = 250_000;
/// How far each member may owe.
const LIMIT: Ucredit = Ucredit::whole(2_000);

/// A member with one machine.
#[derive(Clone, Copy)]
struct Member {
    secret: [u8; 32],
    device: DeviceId,
    account: AccountNo,
}

impl Member {
    fn secret(n: u64) -> [u8; 32] {
        blake3::derive_key("pumasi bench member", &n.to_le_bytes())
    }
}

/// A running center with members, and messages that were signed.
#[derive(Clone)]
pub struct Api {
    center: Center,
    cloud: [u8; 8],
    members: Arc<Vec<Member>>,
    ahead: Arc<Vec<(NodeId, Vec<u8>)>>,
}

impl Api {
    /// Founds a cloud in a folder below `dir`, lets members in, and starts its center; refuses a database that holds a cloud.
    pub async fn open((dir, url): (&Path, &DbUrl), lang: Lang, time: Duration) -> Result<Self, Fault> {
        let dir = dir.join(if matches!(url, DbUrl::Postgres(_)) { "center-postgres" } else { "center-sqlite" });
        crate::home::create_private_dir(&dir)?;
        let text = match url {
            DbUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DbUrl::Postgres(text) => text.clone(),
        };
        let text = format!(
            "dev = true\n[db]\nurl = {text:?}\n[net]\nbind = \"127.0.0.1\"\nport = 0\nrelay_port = 0\nport_mapping = false\n\
             [http]\nlisten = \"127.0.0.1:0\"\n"
        );
        crate::home::write_atomic(&dir.join(Settings::FILE), text.as_bytes(), 0o600)?;
        let founder = Founder { device: DeviceId(public_of(&random())), name: "bench".to_owned(), member: None };
        center::found(&dir, "bench", &founder, now(), &mut |bytes| *bytes = random()).await.map_err(center_fault)?;
        let members = Arc::new(let_in(url).await?);
        let settings = Settings::load(&dir).map_err(|(_, why)| Fault::bug(why))?;
        let center = Center::start(&dir, settings, now, lang).await.map_err(center_fault)?;
        let cloud = Spend::cloud_of(&center.card(0).cloud);
        let mut api = Self { center, cloud, members, ahead: Arc::default() };
        let signing = api.clone();
        // The flood and the paced part each take their time.
        let count = (time.as_secs().max(1) * 2 * AHEAD_PER_S).min(AHEAD_MAX);
        let signed = tokio::task::spawn_blocking(move || (0..count).map(|n| signing.word(n)).collect());
        api.ahead = Arc::new(signed.await.map_err(Fault::bug)?);
        Ok(api)
    }

    /// The `n`th gift as a message, and whose machine sends it.
    fn word(&self, n: u64) -> (NodeId, Vec<u8>) {
        let (debit, credit) = sides(n);
        let (from, to) = (self.members[debit], self.members[credit]);
        let spend = Spend {
            cloud: self.cloud,
            id: id(n),
            code: Code::Gift,
            debit: from.account,
            credit: to.account,
            amount: Ucredit(1 + n % 1_000),
            expires: None,
            reference: None,
            device: from.device,
        };
        let request = Request::Spend(spend.sign(&from.secret).to_vec());
        (NodeId(from.device.0), Envelope::new(request).to_bytes())
    }

    /// Sends the `n`th gift; true where it was made now.
    pub async fn give(&self, n: u64) -> Result<bool, Fault> {
        let made;
        let ahead = usize::try_from(n).ok().and_then(|n| self.ahead.get(n));
        let (id, bytes) = match ahead {
            Some(word) => word,
            None => {
                made = self.word(n);
                &made
            }
        };
        let caller = Caller { id: *id, addr: None, alias: None };
        match self.center.call(caller, bytes).await {
            Reply::Spent(spent) => Ok(!spent.is_again),
            Reply::Refused(refusal) => Err(Fault::bug(format!("a gift was refused: {refusal:?}"))),
            other => Err(Fault::bug(format!("a gift was answered by {other:?}"))),
        }
    }

    /// Sees that the book is sound, and ends the center; how many rows the book has.
    pub async fn end(self) -> Result<u64, Fault> {
        let sound = self.center.ledger().audit().await.map_err(Fault::bug)?;
        self.center.stop().await;
        Ok(sound.rows)
    }
}

/// Members, each with a machine that may spend and an account.
async fn let_in(url: &DbUrl) -> Result<Vec<Member>, Fault> {
    let db = Db::open(url).map_err(Fault::bug)?;
    let opened = db.write(|tx| {
        let open = |n: u64| {
            let (secret, at) = (Member::secret(n), now());
            let (device, name) = (DeviceId(public_of(&secret)), format!("member {n}"));
            let id = MemberId::from_slice(&device.0[..MemberId::LEN]).expect("a key has more than 16 bytes");
            let (roles, state) = (Roles::BOTH, MemberState::Active);
            let row =
                MemberRow { id, name: name.clone(), roles, state, frozen_why: None, created_at: at, invited_by: None };
            insert_member(tx, &row)?;
            let row = DeviceRow { id: device, member: id, name, added_at: at, removed_at: None };
            devices::set_device(tx, &row, Rights::SPEND.0)?;
            let terms = (model::MemberState::Active, LIMIT);
            let opened = store::account::open(tx, AccountClass::Member, id.as_bytes(), terms, at)?;
            Ok(Member { secret, device, account: opened.account.no })
        };
        (0..MEMBERS).map(open).collect::<Result<Vec<_>, StoreError>>()
    });
    let members = opened.await.map_err(Fault::bug)?;
    db.close().await;
    Ok(members)
}
