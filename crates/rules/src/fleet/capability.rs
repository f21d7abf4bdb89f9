//! What may this node carry, and if not, which one measure says no? (`docs/design/fleet.md` §4)
//!
//! (A) Every duty is a yes, or a no with exactly one measure, its value and the need: the first that fails in the order
//! of the table. (B) A measured need changes the answer only after [`SAMPLES_TO_TURN`] samples in a row; the owner's
//! yes, rank and the age of the session count at once. (C) The first sample counts at once: a new node is judged by
//! what there is. (D) What was not measured is no yes, except a rate, for which the declared ceiling stands in.

use crate::fleet::lend::Accept;
use model::{Bytes, Capability, Kbps, NatKind, Ppm, RegionEvidence, Span, Tier};
use std::fmt;

/// Samples in a row that turn an answer.
pub const SAMPLES_TO_TURN: u8 = 3;
const MBIT: u32 = 1_000;

/// What is known of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measures {
    /// Duties its owner accepts.
    pub accept: Accept,
    /// Space lent.
    pub lent: Bytes,
    /// Scratch space it can spare.
    pub scratch: Bytes,
    /// Upload, 10th percentile, or the median where no more is known.
    pub up: Option<Kbps>,
    /// Download, likewise.
    pub down: Option<Kbps>,
    /// Ceiling that stands in for an unmeasured rate.
    pub declared: Kbps,
    /// NAT kind.
    pub nat: NatKind,
    /// Share of the week it is on.
    pub mean_on: Ppm,
    /// 99th percentile of a write with fsync, in ms.
    pub fsync_p99_ms: Option<u16>,
    /// Rank.
    pub tier: Tier,
    /// Memory for guests in MiB.
    pub memory_mib: u32,
    /// The reference guest gave the right answer; none where this program cannot run it.
    pub reference_passed: Option<bool>,
    /// On without a gap for so long.
    pub session_age: Span,
    /// Jitter of round trips.
    pub jitter_ms: Option<u16>,
    /// Lost packets.
    pub loss: Option<Ppm>,
    /// Clock offset to the center.
    pub clock_offset_ms: Option<i64>,
    /// How its region is known.
    pub region: RegionEvidence,
}

/// The kind of measure that says no. Its word is the end of the key of a sentence, `lack-up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The owner has not said yes.
    Accept,
    /// Space lent.
    Lent,
    /// Scratch space.
    Scratch,
    /// Upload.
    Up,
    /// Download.
    Down,
    /// NAT kind.
    Nat,
    /// Share of the week on.
    MeanOn,
    /// Slow disk.
    Fsync,
    /// Rank.
    Tier,
    /// Memory.
    Memory,
    /// Reference guest.
    Reference,
    /// Age of the session.
    SessionAge,
    /// Jitter.
    Jitter,
    /// Loss.
    Loss,
    /// Clock.
    Clock,
    /// Region by hearsay only.
    Region,
}

impl Measure {
    /// End of the sentence's key.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Lent => "lent",
            Self::Scratch => "scratch",
            Self::Up => "up",
            Self::Down => "down",
            Self::Nat => "nat",
            Self::MeanOn => "mean_on",
            Self::Fsync => "fsync",
            Self::Tier => "tier",
            Self::Memory => "memory",
            Self::Reference => "reference",
            Self::SessionAge => "session_age",
            Self::Jitter => "jitter",
            Self::Loss => "loss",
            Self::Clock => "clock",
            Self::Region => "region",
        }
    }
}

/// The one measure that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// Which.
    pub measure: Measure,
    /// What was measured, with its unit; `–` when nothing was.
    pub have: String,
    /// What is needed, with its unit.
    pub need: String,
}

impl Lack {
    fn new(measure: Measure, have: impl fmt::Display, need: impl fmt::Display) -> Self {
        Self { measure, have: have.to_string(), need: need.to_string() }
    }
    /// Key of the sentence.
    pub fn key(&self) -> String {
        format!("lack-{}", self.measure.word())
    }
    /// Variables of the sentence.
    pub fn args(&self) -> [(&'static str, &str); 2] {
        [("have", &self.have), ("need", &self.need)]
    }
}

type Need = Result<(), Lack>;

fn at_least<T: PartialOrd + fmt::Display>(measure: Measure, have: T, need: T) -> Need {
    if have >= need { Ok(()) } else { Err(Lack::new(measure, have, format!("≥ {need}"))) }
}

fn at_most<T: PartialOrd>(measure: Measure, have: Option<T>, need: T, show: fn(&T) -> String) -> Need {
    match have {
        Some(have) if have <= need => Ok(()),
        have => Err(Lack::new(measure, have.as_ref().map_or("–".to_owned(), show), format!("≤ {}", show(&need)))),
    }
}

fn ms(value: &u16) -> String {
    format!("{value} ms")
}

impl Measures {
    fn up_at_least(&self, need: Kbps) -> Need {
        at_least(Measure::Up, self.up.unwrap_or(self.declared), need)
    }
    fn down_at_least(&self, need: Kbps) -> Need {
        at_least(Measure::Down, self.down.unwrap_or(self.declared), need)
    }
    fn nat_in(&self, fit: &[NatKind], need: &str) -> Need {
        if fit.contains(&self.nat) { Ok(()) } else { Err(Lack::new(Measure::Nat, self.nat, need)) }
    }
    fn loss_low(&self) -> Need {
        at_most(Measure::Loss, self.loss, Ppm::percent(1), Ppm::to_string)
    }
    fn batch(&self) -> Need {
        match self.reference_passed {
            Some(true) => {}
            Some(false) => return Err(Lack::new(Measure::Reference, "failed", "passed")),
            None => return Err(Lack::new(Measure::Reference, "–", "passed")),
        }
        if self.memory_mib < 512 {
            return Err(Lack::new(Measure::Memory, format!("{} MiB", self.memory_mib), "≥ 512 MiB"));
        }
        self.up_at_least(Kbps(256))?;
        self.down_at_least(Kbps(256))
    }

    /// Needs that are measured. (B)
    fn measured(&self, capability: Capability) -> Need {
        use NatKind::{Easy, Hard, Open};
        match capability {
            Capability::Store => {
                at_least(Measure::Lent, self.lent, Bytes::gib(1))?;
                self.up_at_least(Kbps(256))?;
                at_least(Measure::MeanOn, self.mean_on, Ppm::percent(17))?;
                at_most(Measure::Fsync, self.fsync_p99_ms, 2_000, ms)
            }
            Capability::Steward => {
                self.up_at_least(Kbps(5 * MBIT))?;
                self.nat_in(&[Open, Easy, Hard], "hard")?;
                at_least(Measure::Scratch, self.scratch, Bytes::gib(1))
            }
            Capability::Relay => {
                self.nat_in(&[Open], "open")?;
                self.up_at_least(Kbps(20 * MBIT))?;
                at_least(Measure::MeanOn, self.mean_on, Ppm::percent(95))
            }
            Capability::Batch | Capability::Long => self.batch(),
            Capability::Shuffle => {
                self.batch()?;
                self.up_at_least(Kbps(5 * MBIT))?;
                self.nat_in(&[Open, Easy], "easy")
            }
            Capability::Service => {
                self.batch()?;
                self.nat_in(&[Open, Easy], "easy")?;
                at_most(Measure::Jitter, self.jitter_ms, 30, ms)?;
                self.loss_low()
            }
            Capability::Load => {
                let offset = self.clock_offset_ms.map(i64::unsigned_abs);
                at_most(Measure::Clock, offset, 50, |ms| format!("± {ms} ms"))?;
                self.loss_low()?;
                self.up_at_least(Kbps(2 * MBIT))
            }
        }
    }

    /// Needs that count at once. (B)
    fn immediate(&self, capability: Capability) -> Need {
        if !self.accept.allows(capability) {
            return Err(Lack::new(Measure::Accept, "no", "yes"));
        }
        let session = match capability {
            Capability::Long | Capability::Shuffle => Span::hours(1),
            Capability::Service => Span::hours(8),
            _ => Span::ZERO,
        };
        at_least(Measure::SessionAge, self.session_age, session)?;
        if capability == Capability::Steward && self.tier < Tier::T3 {
            return Err(Lack::new(Measure::Tier, self.tier, Tier::T3));
        }
        let hearsay = matches!(self.region, RegionEvidence::Unknown | RegionEvidence::GeoIp);
        if capability == Capability::Load && hearsay {
            return Err(Lack::new(Measure::Region, self.region, RegionEvidence::Declared));
        }
        Ok(())
    }
}

/// One duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub capability: Capability,
    /// Nothing, or the one measure that says no.
    pub lack: Option<Lack>,
}

impl Verdict {
    /// The node may carry it.
    pub fn is_yes(&self) -> bool {
        self.lack.is_none()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Turn {
    lack: Option<Lack>,
    against: u8,
}

/// Answers with memory, one per node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    turns: Option<[Turn; Capability::ALL.len()]>,
}

impl Capabilities {
    /// Takes a sample in and answers for every duty, in the order of [`Capability::ALL`].
    pub fn observe(&mut self, measures: &Measures) -> Vec<Verdict> {
        let fresh = |i: usize| Turn { lack: measures.measured(Capability::ALL[i]).err(), against: 0 };
        let turns = self.turns.get_or_insert_with(|| std::array::from_fn(fresh));
        let answers = turns.iter_mut().zip(Capability::ALL).map(|(turn, capability)| {
            turn.observe(measures.measured(*capability).err());
            let lack = measures.immediate(*capability).err().or_else(|| turn.lack.clone());
            Verdict { capability: *capability, lack }
        });
        answers.collect()
    }
}

impl Turn {
    fn observe(&mut self, lack: Option<Lack>) {
        if lack.is_some() == self.lack.is_some() {
            (self.lack, self.against) = (lack, 0);
            return;
        }
        self.against += 1;
        if self.against >= SAMPLES_TO_TURN {
            (self.lack, self.against) = (lack, 0);
        }
    }
}

/// Yes or no without memory: the first sample of a node.
pub fn decide(measures: &Measures) -> Vec<Verdict> {
    Capabilities::default().observe(measures)
}

/// The yeses as bits by number, as rows and lists keep them.
pub fn bits(verdicts: &[Verdict]) -> u32 {
    verdicts.iter().filter(|v| v.is_yes()).fold(0, |bits, v| bits | 1 << v.capability.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn best() -> Measures {
        Measures {
            accept: Accept { storage: true, batch: true, service: true, load: true, relay: true },
            lent: Bytes::gib(10),
            scratch: Bytes::gib(2),
            up: Some(Kbps(50_000)),
            down: Some(Kbps(50_000)),
            declared: Kbps(0),
            nat: NatKind::Open,
            mean_on: Ppm::percent(99),
            fsync_p99_ms: Some(20),
            tier: Tier::T3,
            memory_mib: 4_096,
            reference_passed: Some(true),
            session_age: Span::hours(9),
            jitter_ms: Some(5),
            loss: Some(Ppm(0)),
            clock_offset_ms: Some(-10),
            region: RegionEvidence::Declared,
        }
    }

    #[test]
    fn the_best_node_may_carry_everything() {
        let verdicts = decide(&best());
        assert!(verdicts.iter().all(Verdict::is_yes), "{verdicts:?}");
        assert_eq!(bits(&verdicts), 0xff);
    }

    #[test]
    fn every_need_of_the_table_names_its_measure() {
        use Capability::*;
        type Row = (fn(&mut Measures), Measure, &'static [Capability]);
        let rows: [Row; 18] = [
            (|m| m.accept = Accept::NONE, Measure::Accept, Capability::ALL),
            (|m| m.lent = Bytes::mib(1_023), Measure::Lent, &[Store]),
            (|m| m.up = Some(Kbps(255)), Measure::Up, &[Store, Steward, Relay, Batch, Long, Shuffle, Service, Load]),
            (|m| m.up = Some(Kbps(1_999)), Measure::Up, &[Steward, Relay, Shuffle, Load]),
            (|m| m.up = Some(Kbps(19_999)), Measure::Up, &[Relay]),
            (|m| m.down = Some(Kbps(255)), Measure::Down, &[Batch, Long, Shuffle, Service]),
            (|m| m.mean_on = Ppm::percent(16), Measure::MeanOn, &[Store, Relay]),
            (|m| m.fsync_p99_ms = Some(2_001), Measure::Fsync, &[Store]),
            (|m| m.tier = Tier::T2, Measure::Tier, &[Steward]),
            (|m| m.scratch = Bytes::mib(1_023), Measure::Scratch, &[Steward]),
            (|m| m.nat = NatKind::Hard, Measure::Nat, &[Relay, Shuffle, Service]),
            (|m| m.nat = NatKind::RelayOnly, Measure::Nat, &[Steward, Relay, Shuffle, Service]),
            (|m| m.memory_mib = 511, Measure::Memory, &[Batch, Long, Shuffle, Service]),
            (|m| m.reference_passed = None, Measure::Reference, &[Batch, Long, Shuffle, Service]),
            (|m| m.session_age = Span::mins(59), Measure::SessionAge, &[Long, Shuffle, Service]),
            (|m| m.jitter_ms = Some(31), Measure::Jitter, &[Service]),
            (|m| m.clock_offset_ms = Some(-51), Measure::Clock, &[Load]),
            (|m| m.region = RegionEvidence::GeoIp, Measure::Region, &[Load]),
        ];
        for (spoil, measure, lost) in rows {
            let mut measures = best();
            spoil(&mut measures);
            for verdict in decide(&measures) {
                let lack = verdict.lack.as_ref().map(|l| l.measure);
                let expected = lost.contains(&verdict.capability).then_some(measure);
                assert_eq!(lack, expected, "(A) {} for {measure:?}", verdict.capability);
            }
        }
    }

    #[test]
    fn a_no_reads_as_key_and_figures() {
        let no = decide(&Measures { fsync_p99_ms: None, ..best() }).remove(0).lack.unwrap();
        assert_eq!((no.key().as_str(), no.args()), ("lack-fsync", [("have", "–"), ("need", "≤ 2000 ms")]), "(D)");
        let first = Measures { up: None, down: None, declared: Kbps(1_000), ..best() };
        assert!(decide(&first)[0].is_yes(), "(D) the first node has nobody to measure against");
    }

    #[test]
    fn three_samples_turn_a_measured_answer_and_one_a_session() {
        let mut memory = Capabilities::default();
        let slow = Measures { up: Some(Kbps(100)), ..best() };
        let mut store = |m: &Measures| memory.observe(m)[0].is_yes();
        assert!(store(&best()), "(C)");
        assert!(store(&slow) && store(&slow) && store(&best()), "(B)");
        assert!(store(&slow) && store(&slow) && !store(&slow), "(B)");
        assert!(!store(&best()) && !store(&best()) && store(&best()), "(B)");
        let mut memory = Capabilities::default();
        memory.observe(&best());
        let young = Measures { session_age: Span::ZERO, ..best() };
        assert!(!memory.observe(&young)[Capability::Long.code() as usize].is_yes(), "(B)");
        assert!(memory.observe(&best())[Capability::Long.code() as usize].is_yes(), "(B)");
    }

    proptest! {
        #[test]
        fn answers_turn_never_before_three_in_a_row(samples in proptest::collection::vec(any::<bool>(), 1..60)) {
            let mut memory = Capabilities::default();
            let mut expected = samples[0];
            for (i, good) in samples.iter().enumerate() {
                let window = &samples[i.saturating_sub(2)..=i];
                if window.len() == 3 && window.iter().all(|g| g == good) {
                    expected = *good;
                }
                let m = Measures { lent: if *good { Bytes::gib(1) } else { Bytes(0) }, ..best() };
                prop_assert_eq!(memory.observe(&m)[0].is_yes(), expected, "(B)");
            }
        }
    }
}
