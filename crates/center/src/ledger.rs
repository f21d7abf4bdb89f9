//! The center's keeping of the ledger (`docs/design/ledger.md`): [`rules::ledger`] decides, this stores.
//!
//! Two ways in. [`Ledger::post`] is for postings that are alone: a writer gathers what waits into one transaction and one block.
//! [`store::post_in`] is for groups that stand or fall with a subject's own rows, in the subject's own transaction.
//! Both put one block around what they write and answer each group by itself.
//!
//! (A) No answer before the commit. (B) A refused group writes nothing and spoils nothing beside it. (C) A group twice is applied
//! once, whichever way it comes, also when it is not known whether the first time stands. (D) Rows and blocks are never changed
//! or deleted: the database itself refuses. (E) Several center processes on one PostgreSQL follow one another: places have no
//! gaps, blocks one chain. (F) An invariant that does not hold stops everything that posts, until a check finds the book sound;
//! reading goes on.

pub mod allow;
pub mod api;
pub mod audit;
pub(crate) mod chore;
pub mod commons;
pub mod cosign;
pub(crate) mod daily;
pub mod day;
pub mod days;
pub(crate) mod debts;
pub mod evidence;
pub mod relay;
pub mod seat;
pub mod settle;
pub mod standing;
pub mod store;
mod writer;

pub use store::account::{LimitChange, Opened};
pub use store::day::DayRow;
pub use store::{HeadRow, OWNER_MAX, StoredBlock};
pub use writer::{GATHER_MAX, QUEUE_MAX};

use crate::db::{Db, DbError, StoreError};
use model::{AccountClass, AccountNo, MemberId, MemberState, Stamp, TransferId, Ucredit};
use rules::ledger::chain::Hash;
use rules::ledger::check::Sums;
use rules::ledger::{Group, Hold, Outcome, Refused, Row};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use writer::Writer;

/// Rows one answer may bear.
pub const PAGE_MAX: u32 = 10_000;
/// Members whose accounts are remembered.
const MEMBERS_MAX: usize = 1 << 17;

/// A member's signature over a transfer it started, kept as evidence. Who posts has verified it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Which transfer.
    pub transfer: TransferId,
    /// The public key that signed, Ed25519.
    pub key: [u8; 32],
    /// The signature.
    pub signature: [u8; 64],
}

/// A group to be applied, and the signatures behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// What is asked, all or nothing.
    pub group: Group,
    /// Kept where the group is applied; not where it is refused or was applied before.
    pub intents: Vec<Intent>,
}

impl From<Group> for Posting {
    /// What the cloud itself starts: nobody signs.
    fn from(group: Group) -> Self {
        Self { group, intents: Vec::new() }
    }
}

/// Why a posting was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// A lawful no: which transfer of the group, and why.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store is broken, busy, or the ledger is stopped (F).
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DbError> for PostError {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}

impl From<PostError> for crate::refuse::Refused {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Refused(refused) => refused.no.refusal().into(),
            PostError::Store(error) => error.into(),
        }
    }
}

/// The clock a ledger writes by.
type Clock = Arc<dyn Fn() -> Stamp + Send + Sync>;

/// The kept ledger; clones share its writer.
#[derive(Clone)]
pub struct Ledger {
    db: Db,
    now: Clock,
    writer: Writer,
    /// Accounts of members, whose numbers never change.
    members: Arc<Mutex<HashMap<MemberId, AccountNo>>>,
    /// Members that asked for something since that was written last.
    called: Arc<Mutex<HashSet<MemberId>>>,
    /// How the book stood when somebody asked last: all accounts are read for it.
    shown: Arc<tokio::sync::Mutex<Option<wire::ledger::LedgerState>>>,
    /// The newest day with a root, for whom it is told at each check-in.
    newest: Arc<Mutex<Option<(u32, Hash)>>>,
    /// Who signed that root.
    signing: Arc<Mutex<cosign::Signing>>,
}

impl Ledger {
    /// Opens the system's accounts where they are not open yet, and starts the writer on this runtime; it ends with the last clone.
    ///
    /// # Errors
    /// Of the store.
    pub async fn start(db: Db, now: impl Fn() -> Stamp + Send + Sync + 'static) -> Result<Self, StoreError> {
        let now: Clock = Arc::new(now);
        let at = now();
        // Where nothing is missing nothing is written: a center also starts where its database takes no writes.
        if !db.read(|q| Ok(store::account::has_seats(q)?)).await? {
            db.write(move |tx| store::account::open_seats(tx, at)).await?;
        }
        let writer = Writer::start(db.clone(), Arc::clone(&now));
        let (members, shown, newest, signing) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        let called = Arc::default();
        let ledger = Self { db, now, writer, members, called, shown, newest, signing };
        ledger.look_at_roots().await?;
        Ok(ledger)
    }

    /// Applies a group durably; several that wait share a transaction and a block. `Exists` is a success. Time of its rows is
    /// when the writer took it.
    ///
    /// # Errors
    /// [`PostError::Refused`] where nothing of it was written; [`PostError::Store`]: busy where the queue stayed full, and what
    /// [`store::post_in`] says. After [`DbError::CommitUnknown`] the same posting again tells whether it stands.
    pub async fn post(&self, posting: Posting) -> Result<Outcome, PostError> {
        self.writer.post(posting).await
    }

    /// An account by its number.
    ///
    /// # Errors
    /// Of the store, as for all that reads.
    pub async fn account(&self, no: AccountNo) -> Result<Option<Opened>, StoreError> {
        self.db.read(move |q| Ok(store::account::get(q, no)?)).await
    }

    /// The account of a class and its owner: of a member its id's 16 bytes, of a seat its word ([`seat`]).
    ///
    /// # Errors
    /// Of the store.
    pub async fn account_of(&self, class: AccountClass, owner: &[u8]) -> Result<Option<Opened>, StoreError> {
        let owner = owner.to_vec();
        self.db.read(move |q| Ok(store::account::of(q, class, &owner)?)).await
    }

    /// Opens an account under the next number of its class; where its owner has one already, answers that as it is.
    ///
    /// # Errors
    /// [`model::errors::BAD_VALUE`] where the owner is no bytes or more than [`OWNER_MAX`], or the limit is no balance's.
    pub async fn open(
        &self,
        class: AccountClass,
        owner: &[u8],
        state: MemberState,
        limit: Ucredit,
    ) -> Result<Opened, StoreError> {
        let (owner, now) = (owner.to_vec(), (self.now)());
        self.db.write(move |tx| store::account::open(tx, class, &owner, (state, limit), now)).await
    }

    /// The account of a member; opened with this limit where there is none yet.
    ///
    /// # Errors
    /// Of the store.
    pub async fn member(&self, member: &MemberId, limit: Ucredit) -> Result<AccountNo, StoreError> {
        let known = self.members.lock().unwrap_or_else(PoisonError::into_inner).get(member).copied();
        if let Some(account) = known {
            return Ok(account);
        }
        let (class, owner) = (AccountClass::Member, member.as_bytes());
        let opened = match self.account_of(class, owner).await? {
            Some(opened) => opened,
            None => self.open(class, owner, MemberState::Newcomer, limit).await?,
        };
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if members.len() >= MEMBERS_MAX {
            members.clear();
        }
        members.insert(*member, opened.account.no);
        Ok(opened.account.no)
    }

    /// Holds of an account with something left, those that end first in front, at most `limit` and [`PAGE_MAX`].
    ///
    /// # Errors
    /// Of the store.
    pub async fn holds(&self, account: AccountNo, limit: u32) -> Result<Vec<Hold>, StoreError> {
        self.db.read(move |q| Ok(store::hold::of(q, account, limit)?)).await
    }

    /// A hold, also one that ended.
    ///
    /// # Errors
    /// Of the store.
    pub async fn hold(&self, id: TransferId) -> Result<Option<Hold>, StoreError> {
        self.db.read(move |q| Ok(store::hold::load(q, &[id])?.pop())).await
    }

    /// Rows an account is a side of, after a place, in order, at most `limit` and [`PAGE_MAX`]. A post out of a hold has whose
    /// hold it was and who was paid as sides; the escrow is not.
    ///
    /// # Errors
    /// Of the store.
    pub async fn lines(&self, account: AccountNo, after_seq: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.db.read(move |q| Ok(store::row::lines(q, account, after_seq, limit)?)).await
    }

    /// Rows an account is a side of, before a place, newest first, at most `limit` and [`PAGE_MAX`].
    ///
    /// # Errors
    /// Of the store.
    pub async fn lines_before(&self, account: AccountNo, seq: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.db.read(move |q| Ok(store::row::lines_before(q, account, seq, limit)?)).await
    }

    /// The row that was made under an id.
    ///
    /// # Errors
    /// Of the store.
    pub async fn row(&self, id: TransferId) -> Result<Option<Row>, StoreError> {
        self.db.read(move |q| Ok(store::row::load(q, &[id])?.pop())).await
    }

    /// The member's signature behind a transfer.
    ///
    /// # Errors
    /// Of the store.
    pub async fn intent(&self, id: TransferId) -> Result<Option<Intent>, StoreError> {
        self.db.read(move |q| Ok(store::row::intent(q, id)?)).await
    }

    /// Rows after a place, in order, at most `limit` and [`PAGE_MAX`].
    ///
    /// # Errors
    /// Of the store.
    pub async fn rows(&self, after_seq: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.db.read(move |q| Ok(store::row::after(q, after_seq, limit)?)).await
    }

    /// Blocks after a number, in order, at most `limit` and [`PAGE_MAX`].
    ///
    /// # Errors
    /// Of the store.
    pub async fn blocks(&self, after: u64, limit: u32) -> Result<Vec<StoredBlock>, StoreError> {
        self.db.read(move |q| Ok(store::row::blocks(q, after, limit)?)).await
    }

    /// The block a row stands in.
    ///
    /// # Errors
    /// Of the store.
    pub async fn block_of(&self, seq: u64) -> Result<Option<StoredBlock>, StoreError> {
        self.db.read(move |q| Ok(store::row::block_of(q, seq)?)).await
    }

    /// Roots of days after one, in order, at most `limit` and [`PAGE_MAX`].
    ///
    /// # Errors
    /// Of the store.
    pub async fn day_roots(&self, after_day: Option<u32>, limit: u32) -> Result<Vec<DayRow>, StoreError> {
        self.db.read(move |q| Ok(store::day::after(q, after_day, limit)?)).await
    }

    /// Accounts after a number, in order, at most `limit` and [`PAGE_MAX`].
    ///
    /// # Errors
    /// Of the store.
    pub async fn accounts(&self, after: AccountNo, limit: u32) -> Result<Vec<Opened>, StoreError> {
        self.db.read(move |q| Ok(store::account::after(q, after, limit)?)).await
    }

    /// Sums over all accounts, of one moment. Reads every account: for a public page, not for each request.
    ///
    /// # Errors
    /// Of the store.
    pub async fn sums(&self) -> Result<Sums, StoreError> {
        self.db.read(|q| Ok(store::account::sums(q)?)).await
    }

    /// Where the book stands.
    ///
    /// # Errors
    /// Of the store.
    pub async fn head(&self) -> Result<HeadRow, StoreError> {
        self.db.read(|q| Ok(store::head(q)?)).await
    }

    /// Changes how far an account may owe, and notes why; false where there is none, or it is as asked already.
    ///
    /// # Errors
    /// [`model::errors::BAD_VALUE`] where the limit is no balance's or the reason too long.
    pub async fn set_limit(&self, no: AccountNo, limit: Ucredit, reason: &str) -> Result<bool, StoreError> {
        let (reason, now) = (reason.to_owned(), (self.now)());
        self.db.write(move |tx| store::account::set_limit(tx, no, limit, &reason, now)).await
    }

    /// How the limit of an account came about, newest first, at most `limit` and [`PAGE_MAX`].
    ///
    /// # Errors
    /// Of the store.
    pub async fn limit_changes(&self, no: AccountNo, limit: u32) -> Result<Vec<LimitChange>, StoreError> {
        self.db.read(move |q| Ok(store::account::limit_changes(q, no, limit)?)).await
    }

    /// Changes how a member stands; false where there is no such account.
    ///
    /// # Errors
    /// Of the store.
    pub async fn set_state(&self, no: AccountNo, state: MemberState) -> Result<bool, StoreError> {
        self.db.write(move |tx| Ok(store::account::set_state(tx, no, state)?)).await
    }

    /// Lets an account start nothing, or lets it again; false where there is none.
    ///
    /// # Errors
    /// Of the store.
    pub async fn freeze(&self, no: AccountNo, is_frozen: bool) -> Result<bool, StoreError> {
        self.db.write(move |tx| Ok(store::account::freeze(tx, no, is_frozen)?)).await
    }

    /// A subject argues about a hold, so that time does not end it, or does no more; false where nothing of it is left.
    ///
    /// # Errors
    /// Of the store.
    pub async fn contest(&self, hold: TransferId, is_contested: bool) -> Result<bool, StoreError> {
        self.db.write(move |tx| Ok(store::hold::contest(tx, hold, is_contested)?)).await
    }

    /// Its database, for a subject's own transactions with [`store::post_in`].
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// What the clock it writes by says.
    pub fn now(&self) -> Stamp {
        (self.now)()
    }
}
