//! What members ask of the book: their account, its lines, gifts; what anybody may check, and what the operator takes out.
//!
//! (A) A member's credits move by a word one of its machines signed, which its account's device log lets spend; the word is kept beside
//! the rows. (B) A member sees its own account; the operator sees all. (C) What is shown as of one row of the book was read in one
//! snapshot.

use super::store::{self, account, hold, row, standing as kept, statement};
use super::{Intent, Posting, daily};
use crate::access::api::{operator, speaker, who};
use crate::access::store::{self as members, MemberRow, Speaker};
use crate::db::{Reader, StoreError};
use crate::refuse::{Refused, bad_value, not_allowed};
use crate::{Caller, Center};
use model::{AccountClass, AccountNo, Credits, DeviceId, MemberId, Roles, Stamp, errors};
use rules::fleet::tier::Trust;
use rules::ledger::limit::live;
use rules::ledger::replay::state_hash;
use rules::ledger::{Act, Ask, Group, No, Outcome, Row, Starter};
use std::collections::BTreeMap;
use wire::ledger::{
    BlockLine, DayLine, HoldLine, LedgerPage, LedgerState, LimitLine, LimitPage, Payee, PriceLine, Prices, Spent,
    StatementAsk, StatementLine, StatementPage, Wallet,
};
use wire::limits::{HOLDS_SHOWN, LEDGER_DAYS, LEDGER_ROWS, LIMIT_CHANGES_SHOWN, STATEMENT_LINES};
use wire::signed::{Rights, Spend};
use wire::{RefusalMsg, Reply};

/// For so long the same is shown of the whole book: all accounts are read for it.
const SHOWN_FOR: model::Span = model::Span::secs(1);

/// Why a new member's limit is what it is.
fn first_reason(is_private: bool) -> &'static str {
    if is_private { "private" } else { "opening" }
}

/// (B) The account that is asked about.
pub(super) async fn asked(center: &Center, caller: &Caller, no: Option<AccountNo>) -> Result<AccountNo, Refused> {
    let me = who(center, caller).await?;
    let own = center.account_of(&me.id).await?;
    match no {
        None => Ok(own),
        Some(no) if no == own => Ok(own),
        Some(no) if me.roles.has(Roles::OPERATOR) => Ok(no),
        Some(no) => Err(not_allowed(&me.name, "read", &no.to_string()).into()),
    }
}

/// The name of whoever has an account.
fn name_of(q: &mut Reader<'_>, opened: &account::Opened) -> Result<String, StoreError> {
    let is_member = opened.account.no.class() == Some(AccountClass::Member);
    let id = <[u8; 16]>::try_from(opened.owner.as_slice()).ok().filter(|_| is_member).map(MemberId);
    let member = id.map(|id| members::member(q, &id)).transpose()?.flatten();
    let seat = || String::from_utf8_lossy(&opened.owner).into_owned();
    Ok(member.map_or_else(seat, |member| member.name))
}

/// An account as its owner sees it.
pub async fn wallet(center: &Center, caller: &Caller, no: Option<AccountNo>) -> Result<Reply, Refused> {
    let no = asked(center, caller, no).await?;
    let is_private = center.settings().trust() == Trust::Circle;
    let found = center.db().read(move |q| {
        let Some(opened) = account::get(q, no)? else { return Ok(None) };
        let shown = u32::try_from(HOLDS_SHOWN).unwrap_or(u32::MAX);
        let holds = hold::of(q, no, shown)?;
        let holds_count = statement::open_holds(q, no)?;
        let why = account::limit_changes(q, no, 1)?.pop().map(|change| change.reason);
        let (head, name) = (store::head(q)?, name_of(q, &opened)?);
        let first = if opened.account.no.is_of_people() { first_reason(is_private) } else { "common" };
        let (owned, line) = (opened.account, |hold: rules::ledger::Hold| HoldLine {
            id: hold.id,
            code: hold.code,
            amount: hold.amount,
            remaining: hold.remaining(),
            expires: hold.expires,
        });
        Ok(Some(Wallet {
            account: no,
            name,
            state: live(owned.state, owned.available(), owned.limit),
            is_frozen: owned.is_frozen,
            credits: owned.credits,
            debits: owned.debits,
            held: owned.held_debit,
            limit: owned.limit,
            limit_why: why.unwrap_or_else(|| first.to_owned()),
            holds: holds.into_iter().map(line).collect(),
            holds_count,
            opened: opened.opened_at,
            head: (head.seq, head.at),
        }))
    });
    let unknown = || Refused::from(RefusalMsg::new(errors::ACCOUNT_UNKNOWN, [("id", no.to_string())]));
    Ok(Reply::Wallet(Box::new(found.await?.ok_or_else(unknown)?)))
}

/// How far an account may owe, why, how it stands and how that came about.
pub async fn limit(center: &Center, caller: &Caller, no: Option<AccountNo>) -> Result<Reply, Refused> {
    let no = asked(center, caller, no).await?;
    let terms = daily::terms(center);
    let found = center.db().read(move |q| {
        let Some(opened) = account::get(q, no)?.filter(|opened| opened.account.no.is_of_people()) else {
            return Ok(None);
        };
        let (owned, name) = (opened.account, name_of(q, &opened)?);
        let old = kept::get(q, no)?;
        let shown = u32::try_from(LIMIT_CHANGES_SHOWN).unwrap_or(u32::MAX);
        let line = |change: account::LimitChange| LimitLine {
            at: change.at,
            old: change.old,
            new: change.new,
            why: change.reason,
        };
        let changes: Vec<LimitLine> = account::limit_changes(q, no, shown)?.into_iter().map(line).collect();
        let first = first_reason(terms.is_private).to_owned();
        Ok(Some(LimitPage {
            account: no,
            name,
            state: live(owned.state, owned.available(), owned.limit),
            since: old.map_or(opened.opened_at, |old| old.since),
            limit: owned.limit,
            why: changes.first().map_or(first, |change| change.why.clone()),
            balance: owned.balance(),
            available: owned.available(),
            is_private: terms.is_private,
            mean: old.map(|old| old.mean).unwrap_or_default(),
            daily_use: old.map(|old| old.daily_use).unwrap_or_default(),
            audits_bps: old.map_or(10_000, |old| old.audits_bps),
            served: old.map(|old| old.served).unwrap_or_default(),
            proven: old.map(|old| old.proven).unwrap_or_default(),
            written_off: old.map(|old| old.written_off).unwrap_or_default(),
            notices: old.map_or((0, None), |old| (old.notices, old.noticed)),
            changes,
            worked_out: old.map(|old| terms.days.begin(old.day.saturating_add(1))),
        }))
    });
    let unknown = || Refused::from(RefusalMsg::new(errors::ACCOUNT_UNKNOWN, [("id", no.to_string())]));
    Ok(Reply::Limit(Box::new(found.await?.ok_or_else(unknown)?)))
}

/// The account of a member by a name only one bears, or by its whole id: names are no list to leaf through.
pub async fn payee(center: &Center, caller: &Caller, text: String) -> Result<Reply, Refused> {
    who(center, caller).await?;
    let (id, name) = (text.parse::<MemberId>().ok(), text.clone());
    let found: Vec<MemberRow> = center
        .db()
        .read(move |q| match id {
            Some(id) => Ok(members::member(q, &id)?.into_iter().collect()),
            None => Ok(members::members_named(q, &name)?),
        })
        .await?;
    let why = if found.is_empty() { "nobody is called so" } else { "several are called so: give an id" };
    let [member] = <[MemberRow; 1]>::try_from(found).map_err(|_| bad_value("member", &text, why))?;
    let account = center.account_of(&member.id).await?;
    Ok(Reply::Payee(Payee { account, member: member.id, name: member.name }))
}

/// (A) Moves or sets aside credits of the caller's.
pub async fn spend(center: &Center, caller: &Caller, word: Vec<u8>) -> Result<Reply, Refused> {
    let me = speaker(center, caller).await?;
    let cloud = Spend::cloud_of(&center.keys().cloud_key());
    let bad = |why: &str| {
        let args = [("thing", "spend".to_owned()), ("why", why.to_owned())];
        Refused::from(RefusalMsg::new(errors::BAD_SIGNATURE, args))
    };
    let spend = Spend::check(&word, &cloud).map_err(|fault| bad(&fault.to_string()))?;
    let own = center.account_of(&me.member.id).await?;
    if spend.debit != own {
        return Err(not_allowed(&me.member.name, "spend", &spend.debit.to_string()).into());
    }
    let signer = match spend.device == DeviceId::from(caller.id) {
        true => Some(me.clone()),
        false => center.speakers().of(spend.device).await?,
    };
    let may = |signer: &Speaker| signer.member.id == me.member.id && Rights(signer.rights).has(Rights::SPEND);
    if !signer.is_some_and(|signer| signer.removed_at.is_none() && may(&signer)) {
        return Err(bad("the machine that signed may not spend for this member"));
    }
    let (_, signature) = word.split_last_chunk().ok_or_else(|| bad("spend_malformed"))?;
    let act = match spend.expires {
        None => Act::Move { debit: spend.debit, credit: spend.credit, amount: spend.amount },
        Some(expires) => Act::Hold { debit: spend.debit, escrow: spend.credit, amount: spend.amount, expires },
    };
    let ask = Ask { id: spend.id, act, code: spend.code, reference: spend.reference };
    let starter = Starter::Member { account: own, with_bridge: false };
    let intent = Intent { transfer: spend.id, key: *spend.device.as_bytes(), signature: *signature };
    let posting = Posting { group: Group { starter, asks: vec![ask] }, intents: vec![intent] };
    let ledger = center.ledger();
    Ok(Reply::Spent(match ledger.post(posting).await? {
        Outcome::Applied(applied) => {
            let first = applied.rows.first();
            Spent { seq: first.map_or(0, |row| row.seq), is_again: false, at: first.map_or(Stamp(0), |row| row.at) }
        }
        Outcome::Exists { seq } => {
            let at = ledger.row(spend.id).await?.map_or(Stamp(0), |row| row.at);
            Spent { seq, is_again: true, at }
        }
    }))
}

/// A row as a line of an account; names are looked up once.
pub(super) fn shown(
    q: &mut Reader<'_>,
    row: &Row,
    no: AccountNo,
    names: &mut BTreeMap<AccountNo, String>,
) -> Result<StatementLine, StoreError> {
    let other = if row.debit == no { row.credit } else { row.debit };
    if let std::collections::btree_map::Entry::Vacant(entry) = names.entry(other) {
        let opened = account::get(q, other)?.filter(|opened| opened.account.no.is_of_people());
        entry.insert(opened.map(|opened| name_of(q, &opened)).transpose()?.unwrap_or_default());
    }
    let (balance, held) = row.effect(no);
    Ok(StatementLine {
        seq: row.seq,
        at: row.at,
        id: row.id,
        kind: row.kind,
        code: row.code,
        other,
        other_name: names.get(&other).cloned().unwrap_or_default(),
        balance,
        held,
        hold: row.hold,
        reference: row.reference,
        row: row.bytes().to_vec(),
    })
}

/// (C) Lines of an account.
pub async fn statement(center: &Center, caller: &Caller, ask: StatementAsk) -> Result<Reply, Refused> {
    let no = asked(center, caller, ask.account).await?;
    let now = center.now();
    let page = center.db().read(move |q| {
        let after = match ask.after {
            0 => row::block_before(q, ask.from)?.map_or(0, |found| found.block.last_seq),
            after => after,
        };
        let limit = ask.limit.clamp(1, u32::try_from(STATEMENT_LINES).unwrap_or(u32::MAX));
        let mut rows = row::lines(q, no, after, limit)?;
        let is_full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let all = rows.len();
        rows.retain(|row| row.at < ask.until);
        let next = rows.last().map(|row| row.seq).filter(|_| is_full && rows.len() == all);
        let opening = match ask.opening.filter(|_| ask.after > 0) {
            Some(told) => told,
            None => statement::balance(q, no, after)?,
        };
        let mut names: BTreeMap<AccountNo, String> = BTreeMap::new();
        let (mut closing, mut lines) = (opening.0, Vec::with_capacity(rows.len()));
        for row in &rows {
            let line = shown(q, row, no, &mut names)?;
            closing = closing.saturating_add(line.balance.0);
            lines.push(line);
        }
        Ok(StatementPage { account: no, opening, lines, closing: Credits(closing), next, at: now })
    });
    Ok(Reply::Statement(Box::new(page.await?)))
}

/// Lets a frozen account go on, when the operator has looked at it.
pub async fn thaw(center: &Center, caller: &Caller, no: AccountNo) -> Result<Reply, Refused> {
    let by = operator(center, caller, "change", "the ledger").await?;
    if !center.ledger().freeze(no, false).await? {
        return Err(No::UnknownAccount(no).refusal().into());
    }
    tracing::info!(account = %no, by = %by.id.short(), "an account goes on");
    Ok(Reply::Done)
}

/// Rows of the whole book, for the operator, with the blocks that end among them.
pub async fn rows(center: &Center, caller: &Caller, after: u64) -> Result<Reply, Refused> {
    operator(center, caller, "read", "the ledger").await?;
    let page = center.db().read(move |q| {
        let limit = u32::try_from(LEDGER_ROWS).unwrap_or(u32::MAX);
        let rows = row::after(q, after, limit)?;
        let last = rows.last().map_or(after, |row| row.seq);
        let mut blocks = Vec::new();
        let mut next = row::block_of(q, after + 1)?;
        while let Some(found) = next.take().filter(|found| found.block.last_seq <= last) {
            let at = found.block.last_seq;
            blocks.push(line(&found.block));
            next = row::block_of(q, at + 1)?;
        }
        let head = store::head(q)?.seq;
        let bytes = rows.iter().flat_map(Row::bytes).collect();
        Ok(LedgerPage { rows: bytes, blocks, head })
    });
    Ok(Reply::LedgerRows(page.await?))
}

fn line(block: &rules::ledger::chain::Block) -> BlockLine {
    BlockLine {
        no: block.no,
        first: block.first_seq,
        last: block.last_seq,
        root: block.rows_root,
        prev: block.prev,
        hash: block.hash,
    }
}

/// Prices in force: for every member.
pub async fn prices(center: &Center, caller: &Caller) -> Result<Reply, Refused> {
    who(center, caller).await?;
    let now = center.now();
    let tariff = super::settle::tariff(center.db(), now).await?;
    let book = tariff.at(now).ok_or_else(|| Refused(crate::refuse::plain(errors::BUG)))?;
    let line = |price: &rules::ledger::tariff::Price| PriceLine {
        resource: price.resource,
        variant: price.variant.to_string(),
        consumer: price.consumer,
        provider: price.provider,
        per: price.per,
    };
    let is_circle = center.settings().trust() == Trust::Circle;
    let lines = book.prices.iter().map(line).collect();
    Ok(Reply::Prices(Box::new(Prices { version: book.version, valid_from: book.valid_from, is_circle, lines })))
}

/// How the book stands: for every member.
pub async fn state(center: &Center, caller: &Caller) -> Result<Reply, Refused> {
    who(center, caller).await?;
    let now = center.now();
    let mut shown = center.ledger().shown.lock().await;
    if let Some(state) = shown.as_ref().filter(|state| now.since(state.at) < SHOWN_FOR) {
        return Ok(Reply::LedgerState(Box::new(state.clone())));
    }
    let state = center.db().read(move |q| {
        let (head, accounts) = (store::head(q)?, account::all(q)?);
        let holds = hold::all(q, true)?;
        let mut classes: BTreeMap<u8, (u64, i64)> = BTreeMap::new();
        let mut sums = [0_u128; 4];
        for account in &accounts {
            let counters = [account.debits, account.credits, account.held_debit, account.held_credit];
            sums.iter_mut().zip(counters).for_each(|(sum, counter)| *sum += u128::from(counter.0));
            let class = classes.entry(account.no.class().map_or(0, AccountClass::number)).or_default();
            *class = (class.0 + 1, class.1.saturating_add(account.balance().0));
        }
        Ok(LedgerState {
            rows: head.seq,
            blocks: (head.block, head.hash),
            sums,
            classes: classes.into_iter().map(|(class, (count, sum))| (class, count, Credits(sum))).collect(),
            state: state_hash(accounts.iter(), holds.iter()),
            at: now,
            fault: head.fault,
        })
    });
    let state = state.await?;
    *shown = Some(state.clone());
    Ok(Reply::LedgerState(Box::new(state)))
}

/// Days of the book that have a root: for members and nodes, who hold a center to what it said before.
pub async fn days(center: &Center, caller: &Caller, after: Option<u32>) -> Result<Reply, Refused> {
    let is_node = center.fleet().alias_of(&caller.id).is_some();
    if !is_node {
        who(center, caller).await?;
    }
    let limit = u32::try_from(LEDGER_DAYS).unwrap_or(u32::MAX);
    let days = center.db().read(move |q| {
        let days = store::day::after(q, after, limit)?;
        let (first, last) = (days.first().map_or(0, |row| row.day.day), days.last().map_or(0, |row| row.day.day));
        Ok((days, store::cosign::between(q, first, last)?))
    });
    let (days, mut words) = days.await?;
    let mut line = |row: super::DayRow| {
        let rules::ledger::chain::Day { day, rows_root, accounts_root, debits, credits, rows } = row.day;
        let cosigned = words.remove(&day).unwrap_or_default();
        DayLine { day, rows_root, accounts_root, debits, credits, rows, root: row.root, cosigned }
    };
    Ok(Reply::LedgerDays(days.into_iter().map(&mut line).collect()))
}
