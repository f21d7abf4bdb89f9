//! The ledger's messages: what a member sees of its account, spends, and is charged for; what whoever checks the book reads
//! (`docs/design/ledger.md` §3, §11, §15).
//!
//! Amounts are µcredit. A member asks about its own account; the operator also about others.

use model::{
    AccountNo, Code, Credits, DeviceId, JobId, MemberId, MemberState, NodeId, Resource, Span, Stamp, TransferId,
    TransferKind, Ucredit,
};
use serde::{Deserialize, Serialize};

/// An account as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// Which.
    pub account: AccountNo,
    /// Its member's name; the class's word where it is nobody's.
    pub name: String,
    /// How its member stands.
    pub state: MemberState,
    /// The operator stopped it.
    pub is_frozen: bool,
    /// All it was given.
    pub credits: Ucredit,
    /// All it gave.
    pub debits: Ucredit,
    /// Set aside now.
    pub held: Ucredit,
    /// How far it may owe.
    pub limit: Ucredit,
    /// Why so far.
    pub limit_why: String,
    /// What is set aside, the oldest first, at most [`crate::limits::HOLDS_SHOWN`].
    pub holds: Vec<HoldLine>,
    /// Holds in all.
    pub holds_count: u64,
    /// Since when.
    pub opened: Stamp,
    /// As of this row of the book, and this time.
    pub head: (u64, Stamp),
}

impl Wallet {
    /// Credits less debits.
    pub fn balance(&self) -> Credits {
        Credits(signed(self.credits) - signed(self.debits))
    }
    /// What may be spent: balance and limit, less what is held.
    pub fn available(&self) -> Credits {
        Credits(self.balance().0.saturating_add(signed(self.limit)).saturating_sub(signed(self.held)))
    }
}

/// No counter is larger than the largest balance.
fn signed(amount: Ucredit) -> i64 {
    i64::try_from(amount.0).unwrap_or(i64::MAX)
}

/// Prices in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// Version of the price book.
    pub version: u32,
    /// Since when it holds.
    pub valid_from: Stamp,
    /// Members repair for each other: storage has the circle's price.
    pub is_circle: bool,
    /// Its rows.
    pub lines: Vec<PriceLine>,
}

/// A row of the price book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceLine {
    /// What is metered.
    pub resource: Resource,
    /// Which of its prices, as a word: a class, `circle`, `checked`, `strict`; `plain` where it has one.
    pub variant: String,
    /// What a payer pays for so many units.
    pub consumer: Ucredit,
    /// What a provider gets for so many.
    pub provider: Ucredit,
    /// So many.
    pub per: u64,
}

impl PriceLine {
    /// What so many units cost, rounded up: no bill is larger.
    pub fn cost(&self, units: u64) -> Ucredit {
        let wide = u128::from(units) * u128::from(self.consumer.0) + u128::from(self.per.saturating_sub(1));
        let cost = wide / u128::from(self.per.max(1));
        Ucredit(u64::try_from(cost).unwrap_or(u64::MAX).min(Ucredit::MAX.0))
    }
}

/// How far a member may owe, why, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitPage {
    /// Which account.
    pub account: AccountNo,
    /// Its member's name; the class's word where it is nobody's.
    pub name: String,
    /// How it stands.
    pub state: MemberState,
    /// Since when, as worked out once a day.
    pub since: Stamp,
    /// How far it may owe.
    pub limit: Ucredit,
    /// Why so far.
    pub why: String,
    /// Credits less debits.
    pub balance: Credits,
    /// What may be spent.
    pub available: Credits,
    /// A private cloud: everybody's limit is the same, and work at the limit is only last.
    pub is_private: bool,
    /// Mean of its daily verified earnings.
    pub mean: Ucredit,
    /// Mean of what it pays a day.
    pub daily_use: Ucredit,
    /// Honesty of its nodes, in ten thousandths.
    pub audits_bps: u64,
    /// Time of verified service.
    pub served: Span,
    /// Of it: with audits passed.
    pub proven: Span,
    /// Of what was written off it has not paid so much back.
    pub written_off: Ucredit,
    /// Notices that its data will be let go of, and when it got the last.
    pub notices: (u8, Option<Stamp>),
    /// How the limit came about, newest first, at most [`crate::limits::LIMIT_CHANGES_SHOWN`].
    pub changes: Vec<LimitLine>,
    /// End of the day that was worked out last; none before the first.
    pub worked_out: Option<Stamp>,
}

/// A change of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitLine {
    /// When.
    pub at: Stamp,
    /// Before.
    pub old: Ucredit,
    /// Since.
    pub new: Ucredit,
    /// Why.
    pub why: String,
}

/// What is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldLine {
    /// Which.
    pub id: TransferId,
    /// What for.
    pub code: Code,
    /// Set aside at first.
    pub amount: Ucredit,
    /// Left of it.
    pub remaining: Ucredit,
    /// Until when.
    pub expires: Stamp,
}

/// A member who can be given credits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payee {
    /// Its account.
    pub account: AccountNo,
    /// Who.
    pub member: MemberId,
    /// As they are called.
    pub name: String,
}

/// What came of a word to spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Its place in the book.
    pub seq: u64,
    /// It stood there before.
    pub is_again: bool,
    /// When it was made.
    pub at: Stamp,
}

/// Which lines of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementAsk {
    /// Whose; none: the caller's.
    pub account: Option<AccountNo>,
    /// Not before.
    pub from: Stamp,
    /// Before.
    pub until: Stamp,
    /// Behind this place in the book.
    pub after: u64,
    /// The balance there, as the page before told it: it is not added up again.
    pub opening: Option<Credits>,
    /// At most so many, and at most [`crate::limits::STATEMENT_LINES`].
    pub limit: u32,
}

/// Lines of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementPage {
    /// Whose.
    pub account: AccountNo,
    /// Balance before the first of these lines.
    pub opening: Credits,
    /// In the order of the book.
    pub lines: Vec<StatementLine>,
    /// Balance behind the last of them.
    pub closing: Credits,
    /// There are more, behind this place.
    pub next: Option<u64>,
    /// As of this time.
    pub at: Stamp,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementLine {
    /// Its place in the book.
    pub seq: u64,
    /// When.
    pub at: Stamp,
    /// Its id.
    pub id: TransferId,
    /// What it does.
    pub kind: TransferKind,
    /// What for.
    pub code: Code,
    /// The other side.
    pub other: AccountNo,
    /// Its member's name, where it is one's.
    pub other_name: String,
    /// By how much the balance changed.
    pub balance: Credits,
    /// By how much what is held changed.
    pub held: Credits,
    /// Of which hold.
    pub hold: Option<TransferId>,
    /// Of what in the subject's own rows.
    pub reference: Option<[u8; 16]>,
    /// Bytes of the row, 104.
    pub row: Vec<u8>,
}

/// A page of the whole book, for who checks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPage {
    /// Bytes of rows, 104 each, one behind another, in the order of the book.
    pub rows: Vec<u8>,
    /// Blocks that end among these rows.
    pub blocks: Vec<BlockLine>,
    /// Where the book stands.
    pub head: u64,
}

/// A block: the rows that became durable together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockLine {
    /// Its number.
    pub no: u64,
    /// Its first row.
    pub first: u64,
    /// Its last row.
    pub last: u64,
    /// Root over its rows.
    pub root: [u8; 32],
    /// Hash of the block before.
    pub prev: [u8; 32],
    /// Its hash.
    pub hash: [u8; 32],
}

/// What anybody may know of the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerState {
    /// Rows so far.
    pub rows: u64,
    /// Blocks so far, and the last one's hash.
    pub blocks: (u64, [u8; 32]),
    /// Σ debits, Σ credits, Σ held debits, Σ held credits.
    pub sums: [u128; 4],
    /// Accounts by class: how many, and Σ credits − Σ debits.
    pub classes: Vec<(u8, u64, Credits)>,
    /// Hash over all accounts.
    pub state: [u8; 32],
    /// When looked at.
    pub at: Stamp,
    /// What did not hold when all was checked last, where anything.
    pub fault: Option<String>,
}

/// A day of the book: what its root is made of, over the root of the day before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayLine {
    /// Day since the epoch.
    pub day: u32,
    /// Root over its rows.
    pub rows_root: [u8; 32],
    /// Root over the states of all accounts at its end.
    pub accounts_root: [u8; 32],
    /// Σ debits.
    pub debits: u128,
    /// Σ credits.
    pub credits: u128,
    /// Rows so far, of all days.
    pub rows: u64,
    /// Its root.
    pub root: [u8; 32],
    /// Words of nodes that saw it, signed ([`crate::signed::Cosign`]).
    pub cosigned: Vec<Vec<u8>>,
}

/// A line, and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineDetail {
    /// The line.
    pub line: StatementLine,
    /// Its block's number and hash.
    pub block: (u64, [u8; 32]),
    /// The machine that signed it, where a member started it.
    pub signer: Option<DeviceId>,
    /// Where it is of a settlement: what it settled.
    pub settled: Option<SettledOf>,
}

/// What a line of a settlement is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledOf {
    /// End of the period.
    pub period: Stamp,
    /// Of what.
    pub resource: Resource,
    /// The account served it; else it used it.
    pub is_served: bool,
    /// Units by price. Amounts are whole µcredits: what is left over is carried to the next period.
    pub readings: Vec<Reading>,
    /// The same units by who served whom, or by job, as far as that is kept.
    pub parts: Vec<PartLine>,
    /// What there was for all who served it, and what they had earned: each got as much of its own.
    pub factor: Option<(Ucredit, Ucredit)>,
}

/// Units of one price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Which of the resource's prices.
    pub variant: String,
    /// Version of the price book.
    pub version: u32,
    /// How many units.
    pub units: u64,
    /// How good they were, in ten thousandths.
    pub quality_bps: u64,
    /// Price …
    pub price: Ucredit,
    /// … of so many units.
    pub per: u64,
    /// What they come to.
    pub amount: Ucredit,
}

/// Units of one machine, job or member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartLine {
    /// Of what.
    pub resource: Resource,
    /// The account served it; else it used it.
    pub is_served: bool,
    /// By whom, for what.
    pub of: PartOf,
    /// How many.
    pub units: u64,
}

/// Whose part it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartOf {
    /// The machine that served.
    Node(NodeId),
    /// The job that used.
    Job(JobId),
    /// Who used.
    Account(AccountNo),
}

/// Which parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartsAsk {
    /// Whose; none: the caller's.
    pub account: Option<AccountNo>,
    /// Of periods that ended from here …
    pub from: Stamp,
    /// … to here.
    pub until: Stamp,
}

/// Of which lines the center's word is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealAsk {
    /// Whose; none: the caller's.
    pub account: Option<AccountNo>,
    /// Not before.
    pub from: Stamp,
    /// Before.
    pub until: Stamp,
}
