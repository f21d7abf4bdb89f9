//! What is asked and what stands: a transfer before and after it has a place in the book (`docs/design/ledger.md` §3).
//!
//! (A) A row's bytes are fixed and read back to the same row: 104 bytes, little-endian: seq u64 · id 16 · kind u8 · flags u8 (1 hold, 2 ref,
//! 4 expires) · code u16 · debit u64 · credit u64 · amount u64 · hold 16 · ref 16 · expires ms u64 · day u32 · at ms u64. (B) What is absent
//! is zero; any other bytes are refused.

use model::{AccountNo, Code, Credits, Stamp, TransferId, TransferKind, Ucredit};

/// What a transfer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// From one balance to another.
    Move {
        /// Whose balance falls.
        debit: AccountNo,
        /// Whose balance rises.
        credit: AccountNo,
        /// By how much.
        amount: Ucredit,
    },
    /// Sets aside; the hold bears the transfer's id.
    Hold {
        /// Whose credits.
        debit: AccountNo,
        /// Under which escrow account.
        escrow: AccountNo,
        /// How much.
        amount: Ucredit,
        /// Until when.
        expires: Stamp,
    },
    /// Pays out of a hold.
    Post {
        /// Which.
        hold: TransferId,
        /// To whom.
        credit: AccountNo,
        /// How much.
        amount: Ucredit,
    },
    /// Gives back out of a hold.
    Void {
        /// Which.
        hold: TransferId,
        /// How much; all that is left where nothing is said.
        amount: Option<Ucredit>,
    },
    /// Gives back all of a hold whose time is over.
    Expire {
        /// Which.
        hold: TransferId,
    },
}

impl Act {
    /// Its kind.
    pub const fn kind(&self) -> TransferKind {
        match self {
            Self::Move { .. } => TransferKind::Move,
            Self::Hold { .. } => TransferKind::Hold,
            Self::Post { .. } => TransferKind::Post,
            Self::Void { .. } => TransferKind::Void,
            Self::Expire { .. } => TransferKind::Expire,
        }
    }
}

/// A transfer as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Made by who asks, and saved before it is sent.
    pub id: TransferId,
    /// What it does.
    pub act: Act,
    /// What for.
    pub code: Code,
    /// Of what in the subject's own rows.
    pub reference: Option<[u8; 16]>,
}

/// A transfer as it stands in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its place, without gaps, from 1.
    pub seq: u64,
    /// Its id.
    pub id: TransferId,
    /// What it did.
    pub kind: TransferKind,
    /// Whose balance fell; of a void or expiry, whose hold it was.
    pub debit: AccountNo,
    /// Whose balance rose; of a hold, void or expiry, the escrow account.
    pub credit: AccountNo,
    /// How much.
    pub amount: Ucredit,
    /// What for.
    pub code: Code,
    /// Which hold a post, void or expiry was of.
    pub hold: Option<TransferId>,
    /// Of what in the subject's own rows.
    pub reference: Option<[u8; 16]>,
    /// Until when a hold lasts.
    pub expires: Option<Stamp>,
    /// Day since the epoch, UTC.
    pub day: u32,
    /// When it was made.
    pub at: Stamp,
}

const FLAG_HOLD: u8 = 1;
const FLAG_REF: u8 = 2;
const FLAG_EXPIRES: u8 = 4;

/// Day since the epoch, UTC.
pub fn day_of(at: Stamp) -> u32 {
    u32::try_from(at.hour().checked_div(24).unwrap_or(0)).unwrap_or(u32::MAX)
}

impl Row {
    /// By how much it changed an account's balance, and what is held of it: nothing where the account is no side of it.
    pub fn effect(&self, no: AccountNo) -> (Credits, Credits) {
        use TransferKind::{Expire, Hold, Move, Post, Void};
        let plus = i64::try_from(self.amount.0).unwrap_or(i64::MAX);
        let minus = plus.saturating_neg();
        let (balance, held) = match (self.kind, self.debit == no, self.credit == no) {
            (_, false, false) => (0, 0),
            (Move, true, _) => (minus, 0),
            (Move | Post, false, _) => (plus, 0),
            (Post, true, _) => (minus, minus),
            (Hold, ..) => (0, plus),
            (Void | Expire, ..) => (0, minus),
        };
        (Credits(balance), Credits(held))
    }

    /// Length of its bytes.
    pub const LEN: usize = 104;

    /// The bytes that are hashed.
    pub fn bytes(&self) -> [u8; Self::LEN] {
        let flags = if self.hold.is_some() { FLAG_HOLD } else { 0 }
            | if self.reference.is_some() { FLAG_REF } else { 0 }
            | if self.expires.is_some() { FLAG_EXPIRES } else { 0 };
        let mut out = [0; Self::LEN];
        let parts: [&[u8]; 13] = [
            &self.seq.to_le_bytes(),
            &self.id.0,
            &[self.kind.number()],
            &[flags],
            &self.code.number().to_le_bytes(),
            &self.debit.0.to_le_bytes(),
            &self.credit.0.to_le_bytes(),
            &self.amount.0.to_le_bytes(),
            &self.hold.map_or([0; 16], |hold| hold.0),
            &self.reference.unwrap_or([0; 16]),
            &self.expires.unwrap_or(Stamp(0)).as_ms().to_le_bytes(),
            &self.day.to_le_bytes(),
            &self.at.as_ms().to_le_bytes(),
        ];
        let all = parts.into_iter().flatten();
        out.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
        out
    }

    /// Reads what [`Self::bytes`] gave; nothing else.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let mut rest = Take(bytes);
        let (seq, id) = (rest.u64()?, TransferId(rest.take()?));
        let [kind, flags] = rest.take()?;
        let code = Code::from_number(u16::from_le_bytes(rest.take()?))?;
        let (debit, credit) = (AccountNo(rest.u64()?), AccountNo(rest.u64()?));
        let amount = Ucredit(rest.u64()?);
        let (hold, reference, expires) = (rest.take()?, rest.take()?, rest.u64()?);
        let (day, at) = (u32::from_le_bytes(rest.take()?), Stamp(rest.u64()?));
        let has = |flag: u8| flags & flag != 0;
        let row = Self {
            seq,
            id,
            kind: TransferKind::from_number(kind)?,
            debit,
            credit,
            amount,
            code,
            hold: has(FLAG_HOLD).then_some(TransferId(hold)),
            reference: has(FLAG_REF).then_some(reference),
            expires: has(FLAG_EXPIRES).then_some(Stamp(expires)),
            day,
            at,
        };
        // (B): an unknown flag or bytes of what is absent would not come back.
        (row.bytes() == *bytes).then_some(row)
    }

    /// The first field in which an ask with this row's id differs from it; nothing where it is the same transfer.
    pub fn differs(&self, ask: &Ask) -> Option<&'static str> {
        let (hold, debit, credit, amount, expires) = match ask.act {
            Act::Move { debit, credit, amount } => (None, Some(debit), Some(credit), Some(amount), None),
            Act::Hold { debit, escrow, amount, expires } => {
                (None, Some(debit), Some(escrow), Some(amount), Some(expires))
            }
            Act::Post { hold, credit, amount } => (Some(hold), None, Some(credit), Some(amount), None),
            Act::Void { hold, amount } => (Some(hold), None, None, amount, None),
            Act::Expire { hold } => (Some(hold), None, None, None, None),
        };
        let fields = [
            (self.kind == ask.act.kind(), "kind"),
            (debit.is_none_or(|debit| debit == self.debit), "debit"),
            (credit.is_none_or(|credit| credit == self.credit), "credit"),
            (amount.is_none_or(|amount| amount == self.amount), "amount"),
            (self.code == ask.code, "code"),
            (self.hold == hold, "hold_id"),
            (self.reference == ask.reference, "ref"),
            (self.expires == expires, "expires_ms"),
        ];
        fields.into_iter().find(|(same, _)| !same).map(|(_, field)| field)
    }
}

/// Takes fixed parts off the front of bytes.
struct Take<'a>(&'a [u8]);

impl Take<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }
    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
