//! Price book: what each resource costs its payer and pays its provider (`docs/design/ledger.md` §6).
//!
//! (G) Of every row, what the payer pays is exactly what provider, repair, operator and insurance get; a book of which one row is a
//! µcredit off is refused with row, sources and uses. (O) Consumer prices are derived, not typed: `⌈uses / (1 − f)⌉`. (P) A version takes
//! effect at least 14 days after it was published, at the edge of a settlement window; what was promised under an older one stays. A
//! price is per [`Price::per`] units as [`model::Resource`] counts them.

mod v1;

use super::No;
use super::amount::portion;
use crate::Refusal;
use model::{Check, Class, Resource, Span, Stamp, Ucredit, errors};
use std::fmt;

pub use v1::{FUEL_PER_NCU_H, book_v1};

/// Time between publication and effect.
pub const NOTICE: Span = Span::days(14);
/// Time of a settlement window.
pub const WINDOW: Span = Span::hours(6);
const WHOLE_BPS: u64 = 10_000;
/// A whole, in millionths.
pub const WHOLE_PPM: u64 = 1_000_000;

/// Which of a resource's prices: the scheme of a bucket, the checks of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// The resource has one price.
    Plain,
    /// Storage of a class in a public pool.
    Class(Class),
    /// Storage in a circle, whose members repair for free.
    Circle,
    /// Results checked by lot.
    Checked,
    /// Results all made twice.
    Strict,
}

impl Variant {
    /// Of a job.
    pub const fn of_check(check: Check) -> Self {
        match check {
            Check::Strict => Self::Strict,
            Check::Standard | Check::Fast | Check::Off => Self::Checked,
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain"),
            Self::Class(class) => f.write_str(class.word()),
            Self::Circle => f.write_str("circle"),
            Self::Checked => f.write_str("checked"),
            Self::Strict => f.write_str("strict"),
        }
    }
}

/// Who pays a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The member who uses it, commission on top.
    Payer,
    /// The repair reserve, which storage fills: no commission.
    Reserve,
    /// Nobody: free, and said so.
    Free,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// What is metered.
    pub resource: Resource,
    /// Which of its prices.
    pub variant: Variant,
    /// Who pays it.
    pub source: Source,
    /// What a provider gets for so many physical units.
    pub provider: Ucredit,
    /// Physical units for one the payer uses, in millionths: expansion of a scheme, copies of a result.
    pub copies_ppm: u64,
    /// What a payer pays.
    pub consumer: Ucredit,
    /// Of it: to providers.
    pub provider_part: Ucredit,
    /// Of it: to the repair reserve.
    pub repair: Ucredit,
    /// Of it: to the operator.
    pub operator: Ucredit,
    /// Of it: to the insurance.
    pub insurance: Ucredit,
    /// Units it is for.
    pub per: u64,
}

/// What a row is derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What is metered.
    pub resource: Resource,
    /// Which of its prices.
    pub variant: Variant,
    /// What a provider gets.
    pub provider: Ucredit,
    /// Physical units for one used, in millionths.
    pub copies_ppm: u64,
    /// What repair costs for one used.
    pub repair: Ucredit,
    /// Units it is for.
    pub per: u64,
}

/// Shares of a consumer price in ten thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commission {
    /// To the operator.
    pub operator_bps: u64,
    /// To the insurance.
    pub insurance_bps: u64,
}

impl Commission {
    /// 7 % and 3 %.
    pub const DEFAULT: Self = Self { operator_bps: 700, insurance_bps: 300 };
}

/// `⌈whole × part / of⌉`.
fn portion_up(whole: Ucredit, part: u64, of: u64) -> Option<Ucredit> {
    let wide = u128::from(whole.0).checked_mul(part.into())?;
    let up = wide.checked_add(u128::from(of).checked_sub(1)?)?.checked_div(of.into())?;
    u64::try_from(up).ok().map(Ucredit).filter(|up| *up <= Ucredit::MAX)
}

impl Price {
    /// (O) A row from its terms; nothing where it would not fit.
    pub fn derive(terms: &Terms, commission: Commission) -> Option<Self> {
        let provider_part = portion_up(terms.provider, terms.copies_ppm, WHOLE_PPM)?;
        let uses = provider_part.checked_add(terms.repair)?;
        let share = commission.operator_bps.checked_add(commission.insurance_bps)?;
        let consumer = portion_up(uses, WHOLE_BPS, WHOLE_BPS.checked_sub(share).filter(|rest| *rest > 0)?)?;
        let operator = portion(consumer, commission.operator_bps, WHOLE_BPS);
        let insurance = consumer.checked_sub(uses)?.checked_sub(operator)?;
        Some(Self {
            resource: terms.resource,
            variant: terms.variant,
            source: Source::Payer,
            provider: terms.provider,
            copies_ppm: terms.copies_ppm,
            consumer,
            provider_part,
            repair: terms.repair,
            operator,
            insurance,
            per: terms.per,
        })
    }

    /// A row the repair reserve pays.
    pub const fn from_reserve(resource: Resource, provider: Ucredit, per: u64) -> Self {
        let zero = Ucredit::ZERO;
        Self {
            resource,
            variant: Variant::Plain,
            source: Source::Reserve,
            provider,
            copies_ppm: WHOLE_PPM,
            consumer: provider,
            provider_part: provider,
            repair: zero,
            operator: zero,
            insurance: zero,
            per,
        }
    }

    /// A row that is free.
    pub const fn free(resource: Resource, per: u64) -> Self {
        Self { source: Source::Free, ..Self::from_reserve(resource, Ucredit::ZERO, per) }
    }

    /// What it pays out: provider + repair + operator + insurance.
    fn uses(&self) -> u128 {
        let parts = [self.provider_part, self.repair, self.operator, self.insurance];
        parts.iter().map(|part| u128::from(part.0)).sum()
    }

    /// (G)
    fn judge(&self, commission: Commission) -> Result<(), BadBook> {
        let row = (self.resource, self.variant);
        if self.uses() != u128::from(self.consumer.0) {
            return Err(BadBook::Unbalanced { row, sources: self.consumer, uses: self.uses() });
        }
        // Providers are paid by the physical unit: the part must be what so many of them get.
        let needed = portion_up(self.provider, self.copies_ppm, WHOLE_PPM);
        if needed != Some(self.provider_part) {
            let uses = needed.map_or(u128::MAX, |needed| needed.0.into());
            return Err(BadBook::Unbalanced { row, sources: self.provider_part, uses });
        }
        let bad = |why| Err(BadBook::Row { row, why });
        let zero = Ucredit::ZERO;
        let no_commission = self.operator == zero && self.insurance == zero && self.repair == zero;
        match self.source {
            _ if self.per == 0 => bad("it is per nothing"),
            Source::Free if self.consumer > zero => bad("it says it is free"),
            Source::Payer | Source::Reserve if self.consumer == zero || self.provider == zero => {
                bad("it is free and does not say so")
            }
            Source::Reserve if !no_commission => bad("the reserve pays no commission"),
            Source::Payer if self.insurance < portion(self.consumer, commission.insurance_bps, WHOLE_BPS) => {
                bad("its insurance part is below the minimum")
            }
            _ => Ok(()),
        }
    }
}

/// A version of the prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceBook {
    /// Its number, counting up.
    pub version: u32,
    /// Since when it holds.
    pub valid_from: Stamp,
    /// Shares on top.
    pub commission: Commission,
    /// Its rows.
    pub prices: Vec<Price>,
}

/// Why a book is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadBook {
    /// Sources are not uses: (G).
    Unbalanced {
        /// Which row.
        row: (Resource, Variant),
        /// What comes in.
        sources: Ucredit,
        /// What goes out.
        uses: u128,
    },
    /// A row is wrong in itself.
    Row {
        /// Which row.
        row: (Resource, Variant),
        /// Why.
        why: &'static str,
    },
    /// The book is wrong as a whole.
    Book(&'static str),
}

impl BadBook {
    /// As people read it.
    pub fn refusal(&self) -> Refusal {
        let bad = |value: &dyn fmt::Display, why| {
            Refusal::new(errors::BAD_VALUE).with("field", "price").with("value", value).with("why", why)
        };
        let name = |(resource, variant): (Resource, Variant)| format!("{resource} {variant}");
        match *self {
            Self::Unbalanced { row, sources, uses } => Refusal::new(errors::UNBALANCED_PRICE)
                .with("row", name(row))
                .with("sources", sources)
                .with("uses", Ucredit(u64::try_from(uses).unwrap_or(u64::MAX))),
            Self::Row { row, why } => bad(&name(row), why),
            Self::Book(why) => bad(&"book", why),
        }
    }
}

impl PriceBook {
    /// A row.
    pub fn price(&self, resource: Resource, variant: Variant) -> Option<&Price> {
        self.prices.iter().find(|price| price.resource == resource && price.variant == variant)
    }

    /// (G) Whether every row balances, each stands once, and storage pays what its reserve pays out.
    ///
    /// # Errors
    /// The first row that does not, with sources and uses.
    pub fn judge(&self) -> Result<(), BadBook> {
        for (at, price) in self.prices.iter().enumerate() {
            price.judge(self.commission)?;
            let earlier = self.prices.iter().take(at);
            if earlier.clone().any(|other| (other.resource, other.variant) == (price.resource, price.variant)) {
                return Err(BadBook::Row { row: (price.resource, price.variant), why: "it stands twice" });
            }
        }
        let has = |resource: &Resource| self.prices.iter().any(|price| price.resource == *resource);
        if Resource::ALL.iter().all(has) { Ok(()) } else { Err(BadBook::Book("a resource has no price")) }
    }
}

/// All versions there were and will be, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tariff {
    books: Vec<PriceBook>,
}

impl Tariff {
    /// A cloud's first book; it holds at once.
    ///
    /// # Errors
    /// As [`PriceBook::judge`].
    pub fn begin(book: PriceBook) -> Result<Self, BadBook> {
        book.judge()?;
        Ok(Self { books: vec![book] })
    }

    /// (P) The next version, made known now.
    ///
    /// # Errors
    /// [`BadBook`] where it does not balance, comes too soon or not in order.
    pub fn add(&mut self, book: PriceBook, now: Stamp) -> Result<(), BadBook> {
        book.judge()?;
        let last = self.books.last();
        let follows = last.is_none_or(|last| last.version.checked_add(1) == Some(book.version));
        let is_later = last.is_none_or(|last| last.valid_from < book.valid_from);
        if !follows || !is_later {
            return Err(BadBook::Book("it does not follow the last version"));
        }
        if book.valid_from.since(now) < NOTICE {
            return Err(BadBook::Book("it takes effect sooner than in 14 days"));
        }
        if book.valid_from.as_ms().checked_rem(WINDOW.as_ms()) != Some(0) {
            return Err(BadBook::Book("it takes effect within a settlement window"));
        }
        self.books.push(book);
        Ok(())
    }

    /// (P) The version in force at a moment; the first one before all.
    pub fn at(&self, at: Stamp) -> Option<&PriceBook> {
        let in_force = self.books.iter().rev().find(|book| book.valid_from <= at);
        in_force.or_else(|| self.books.first())
    }

    /// A version by its number.
    pub fn version(&self, version: u32) -> Option<&PriceBook> {
        self.books.iter().find(|book| book.version == version)
    }

    /// A row of a version.
    pub fn price(&self, version: u32, resource: Resource, variant: Variant) -> Option<&Price> {
        self.version(version)?.price(resource, variant)
    }
}

/// Something to be used, for a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// What.
    pub resource: Resource,
    /// Which of its prices.
    pub variant: Variant,
    /// How much.
    pub units: u64,
}

/// What all of it costs by a book, each part rounded up: no bill is larger than its quote.
///
/// # Errors
/// [`No::AmountTooLarge`], [`No::NoPrice`].
pub fn quote(book: &PriceBook, wants: &[Want]) -> Result<Ucredit, No> {
    wants.iter().try_fold(Ucredit::ZERO, |sum, want| {
        let price = book.price(want.resource, want.variant);
        let price = price.ok_or(No::NoPrice { version: book.version, resource: want.resource })?;
        let cost = portion_up(price.consumer, want.units, price.per).ok_or(No::AmountTooLarge)?;
        sum.checked_add(cost).ok_or(No::AmountTooLarge)
    })
}

/// What kept bytes a lender is carried for, of bytes it lends at `used_bps`: `lent × used × (1 − f) / e`.
pub fn kept(lent_bytes: u64, used_bps: u64, storage: &Price, commission: Commission) -> u64 {
    let rest = WHOLE_BPS.saturating_sub(commission.operator_bps).saturating_sub(commission.insurance_bps);
    let used = u128::from(lent_bytes).saturating_mul(used_bps.into()).saturating_mul(rest.into());
    let bytes =
        used.saturating_mul(WHOLE_PPM.into()).checked_div(u128::from(storage.copies_ppm).saturating_mul(100_000_000));
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
}

/// Price control, once a week where the operator opened it: `p × (1 + clamp(0.2 · (u − u*) / u*, ±5 %))`, within half and twice of `base`.
pub fn steer(price: Ucredit, base: Ucredit, used_bps: u64, target_bps: u64) -> Ucredit {
    let off = i128::from(used_bps).saturating_sub(target_bps.into()).saturating_mul(2_000);
    let step = off.checked_div(target_bps.into()).unwrap_or(0).clamp(-500, 500);
    let wide = i128::from(price.0).saturating_mul(step.saturating_add(10_000)).checked_div(10_000).unwrap_or(0);
    let (low, high) = (base.0.checked_div(2).unwrap_or(0), base.0.saturating_mul(2).min(Ucredit::MAX.0));
    Ucredit(u64::try_from(wide).unwrap_or(low).clamp(low, high))
}
