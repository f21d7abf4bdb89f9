//! The center's own relay as one who serves (`docs/design/ledger.md` §4, §5): it gives leave, keeps what sessions sign for, and settles
//! each window that is over as nodes do, for the operator's account. [`rules::ledger::relay`] says how far a session signs and what counts.
//!
//! (A) The newest receipt of each serial and window is in the database before it is answered. (B) A window is closed before it is read: what
//! it has never changes then, so that whoever hands it in, how often, or beside another center process, hands in the same batch. (C) No
//! leave without cover; who has none goes on, and nothing is counted. (D) The relay is the operator's in its office: everybody pays
//! alike, and for bytes nobody signed for nobody pays.

use super::allow::{Beyond, Wanted};
use super::settle::api::{Intake, hand_in, signed};
use super::settle::{Periods, chore::periods};
use super::store::relay::{self, Kept, WindowRow};
use super::{Ledger, seat};
use crate::access::api::who;
use crate::db::{StoreError, Tx};
use crate::leave::{Leave, Pays};
use crate::refuse::Refused;
use crate::{Caller, Center};
use model::{AccountClass, AccountNo, MemberId, Resource, Span};
use rules::fleet::tier::Trust;
use rules::ledger::allowance;
use rules::ledger::receipt::{BadBatch, WHOLE_MAX};
use rules::ledger::relay::{UNITS_MIN, judge, open_from, units};
use rules::ledger::tariff::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wire::Reply;
use wire::settle::{RelayAsk, SettleBatch, SettleReceipt, SettleTotal};
use wire::signed::{Permit, PermitOp};

/// Pause between two looks …
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// … and where days are short.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// Windows handed in at one look.
const WINDOWS_MAX: u32 = 16;
/// Receipts are kept for so many windows: 30 days.
const KEPT_WINDOWS: u32 = 120;
/// Nobody's own: the relay serves every member as a stranger's machine does. (D)
const OPERATOR: MemberId = MemberId([0; 16]);

impl Intake {
    /// The center's relay: its earnings are the operator's.
    pub fn of_relay(center: &Center) -> Self {
        Self {
            node: center.keys().endpoint_id(),
            owner: seat::only(AccountClass::Operator),
            permit_key: center.keys().permit_key(),
            cloud: center.keys().cloud_key().0[..8].try_into().expect("a key has 32 bytes"),
        }
    }
}

/// Leave to use the relay, paid by the calling member.
pub async fn ask(center: &Center, caller: &Caller, ask: RelayAsk) -> Result<Reply, Refused> {
    let member = who(center, caller).await?.id;
    let pays = center.spends(&member).await?;
    let price = center.price_of(Resource::Relay).await?.filter(|price| price.source != Source::Free);
    let (Some(price), Pays::Member(_, account)) = (price, pays) else { return Ok(Reply::RelayPermit(None)) };
    let beyond = match center.settings().trust() {
        Trust::Circle => Beyond::All,
        Trust::Public => Beyond::Limit,
    };
    let (life, windows) = allowance::life(center.now());
    let mut refused = None;
    // Where there is little credit, the least.
    for units in BTreeSet::from([units(ask.units), UNITS_MIN]).into_iter().rev() {
        let cost = allowance::cost(units, windows, &price);
        let bytes = units.saturating_mul(windows);
        match center.cover(Wanted { account, member, resource: Resource::Relay, cost, bytes, beyond }).await {
            Ok(()) => return Ok(Reply::RelayPermit(Some(leave(center, pays, ask, (units, life))))),
            Err(no) => refused = Some(no),
        }
    }
    Err(refused.unwrap_or_else(|| Refused(crate::refuse::plain(model::errors::BUG))))
}

fn leave(center: &Center, pays: Pays, ask: RelayAsk, (units, life): (u64, Span)) -> Vec<u8> {
    let (session, node) = (ask.session, center.keys().endpoint_id());
    let (target, generation, payer) = ([0; 16], 0, pays.at(&OPERATOR));
    Leave { op: PermitOp::Relay, session, node, target, generation, units, life, payer }.sign(center).to_vec()
}

/// A session hands in what it signed for so far.
pub async fn take(center: &Center, shown: SettleReceipt) -> Result<Reply, Refused> {
    match keep(center.ledger(), Intake::of_relay(center), shown).await? {
        Ok(_) => Ok(Reply::Done),
        Err(bad) => {
            tracing::debug!(?bad, "a receipt for relayed bytes does not count");
            Err(bad.refusal().into())
        }
    }
}

/// Keeps a receipt that counts and is newer than what is there. (A)
///
/// # Errors
/// Of the store; inside, what is wrong with the receipt.
pub async fn keep(ledger: &Ledger, intake: Intake, shown: SettleReceipt) -> Result<Result<Kept, BadBatch>, StoreError> {
    let came = signed(&intake, &shown).and_then(|(signed, at)| {
        judge(&signed.permit, (&signed.receipt, at), intake.node, ledger.now())?;
        Ok(signed.receipt)
    });
    let receipt = match came {
        Ok(receipt) => receipt,
        Err(bad) => return Ok(Err(bad)),
    };
    let (window, serial, units) = (receipt.window, receipt.serial, receipt.units);
    if ledger.db().read(move |q| Ok(relay::units(q, window, &serial)?)).await? >= units {
        return Ok(Ok(Kept::Known));
    }
    let SettleReceipt { permit, receipt } = shown;
    let row = relay::Signed { window, serial, units, permit, receipt };
    Ok(match ledger.db().write(move |tx: &mut Tx<'_>| Ok(relay::keep(tx, &row)?)).await? {
        Kept::Over => Err(BadBatch::WindowClosed(window)),
        kept => Ok(kept),
    })
}

/// Hands in for ever.
pub(crate) async fn run(center: Center) {
    let is_short = center.settings().time_scale.0 > 1;
    let mut tick = tokio::time::interval(if is_short { LOOK_SOON } else { LOOK_EVERY });
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(error) = hand_in_windows(center.ledger(), Intake::of_relay(&center), periods(&center)).await {
            tracing::warn!(%error, "what was relayed in a window was not handed in; the next look is soon");
        }
    }
}

/// Hands in each window that is over; how many. Twice, or by two center processes at once, it does no harm. (B)
///
/// # Errors
/// Of the store; what was done stays done.
pub async fn hand_in_windows(ledger: &Ledger, intake: Intake, periods: Periods) -> Result<u64, StoreError> {
    let before = open_from(ledger.now());
    let (open, mut done) = (ledger.db().read(move |q| Ok(relay::open(q, before, WINDOWS_MAX)?)).await?, 0);
    for window in open {
        ledger.db().write(move |tx: &mut Tx<'_>| Ok(relay::close(tx, window)?)).await?;
        let most = u32::try_from(WHOLE_MAX).unwrap_or(u32::MAX);
        let read = ledger.db().read(move |q| Ok((relay::count(q, window)?, relay::largest(q, window, most)?)));
        let (count, receipts) = read.await?;
        if count > receipts.len() as u64 {
            tracing::warn!(window, count, most, "more receipts than a batch bears; the smallest are not settled");
        }
        let batch = batch(window, receipts);
        let row = if batch.receipts.is_empty() {
            WindowRow { window, is_over: true, batch: None, refused: None }
        } else {
            match hand_in(ledger, intake, batch, periods).await? {
                Ok(settled) => {
                    tracing::info!(window, count, batch = settled.batch, "what was relayed in a window is settled");
                    WindowRow { window, is_over: true, batch: Some(settled.batch), refused: None }
                }
                // Clocks of center processes differ.
                Err(BadBatch::WindowOpen(_)) => continue,
                Err(bad) => {
                    let refused = bad.refusal().to_string();
                    tracing::warn!(window, count, why = %refused, "what was relayed in a window is not settled");
                    WindowRow { window, is_over: true, batch: None, refused: Some(refused) }
                }
            }
        };
        let oldest = before.saturating_sub(KEPT_WINDOWS);
        let over = move |tx: &mut Tx<'_>| {
            relay::set_over(tx, &row)?;
            Ok(relay::forget(tx, oldest)?)
        };
        ledger.db().write(over).await?;
        done += 1;
    }
    Ok(done)
}

/// The batch of a window that takes no more: the same rows make the same one. (B)
pub fn batch(window: u32, mut signed: Vec<relay::Signed>) -> SettleBatch {
    signed.sort_unstable_by_key(|one| one.serial);
    let (mut sums, mut receipts) = (BTreeMap::new(), Vec::with_capacity(signed.len()));
    for one in signed {
        let Ok(permit) = Permit::parse(&one.permit) else { continue };
        let sum = sums.entry(AccountNo(permit.payer)).or_insert(0u64);
        *sum = sum.saturating_add(one.units);
        receipts.push(SettleReceipt { permit: one.permit, receipt: one.receipt });
    }
    let total = |(payer, units)| SettleTotal { payer, resource: Resource::Relay, units };
    SettleBatch { window, totals: sums.into_iter().map(total).collect(), receipts }
}
