//! Where does a gateway write, and which slots get the first pieces (`docs/design/storage.md` §5, §6)?
//!
//! (A) A writer gets only groups where `accept` pieces can be placed now, that lie wholly inside its region rule and have room.
//! (B) The first pieces go to slots that are on, each to another machine, where ranks count to vetted nodes only, in public
//! pools to distinct owners and networks; always-on ones first. (C) A stalled slot is replaced by one that was not used before; nothing is sent
//! twice. (D) Same facts, same answer.

use super::group::{Domain, GroupState, RegionRule, Site, SlotState};
use super::scheme::{PoolKind, Ranks};
use crate::Refusal;
use model::{Alias, Bytes, Class, PgId, Ppm, Region, Scheme, Span, Tier, errors};
use std::collections::BTreeSet;

/// Groups a writer holds leases of at once, per class.
pub const GROUPS_MAX: usize = 4;
/// Life of a lease.
pub const LEASE: Span = Span::hours(24);
/// Life of a permit to read.
pub const READ_PERMIT: Span = Span::hours(24);
/// Life of a permit to write or drop, renewed while the lease lives.
pub const WRITE_PERMIT: Span = Span::hours(1);
/// For so long a group's slots should stay on.
pub const STAYS_FOR: Span = Span::hours(48);
/// A slot without progress for so long has stalled, at the least.
pub const STALL_MIN: Span = Span::secs(3);
/// For so long a writer waits for holders to come on before it tries another group.
pub const HOLDERS_WAIT: Span = Span::secs(30);
/// Life of a steward's lease to expand or repair.
pub const EXPAND_LEASE: Span = Span::hours(6);
/// A round trip that counts as far: beyond it distance makes no difference (**assumed**).
const FAR_MS: u32 = 400;

/// A slot as a writer sees it.
#[derive(Debug, Clone, Copy)]
pub struct SlotFacts<'a> {
    /// Slot and piece index.
    pub index: u16,
    /// Its holder.
    pub node: Alias,
    /// What the holder fails with.
    pub site: Site,
    /// The region that evidence holds for promises.
    pub region: Option<&'a Region>,
    /// Its rank.
    pub tier: Tier,
    /// What the slot does.
    pub state: SlotState,
    /// Its holder is on.
    pub on: bool,
    /// On at least 95 % of the time, or the bootstrap's word for it.
    pub is_always_on: bool,
    /// Its holder has room and takes writes.
    pub takes: bool,
    /// Chance to stay on for [`STAYS_FOR`] ([`crate::fleet::profile::SessionScale::survives`]).
    pub stays: Ppm,
    /// Round trip from the writer in ms, estimated or measured.
    pub rtt_ms: Option<u16>,
}

/// A group as a writer sees it.
#[derive(Debug, Clone, Copy)]
pub struct WriteGroup<'a> {
    /// Its number.
    pub pg: PgId,
    /// Its plan's number.
    pub generation: u32,
    /// What it does.
    pub state: GroupState,
    /// Its class.
    pub class: Class,
    /// Its scheme.
    pub scheme: Scheme,
    /// Sealed bytes it can still take, leased ones taken off.
    pub room: Bytes,
    /// Its slots.
    pub slots: &'a [SlotFacts<'a>],
}

/// What a writer asks for.
#[derive(Debug, Clone, Copy)]
pub struct WriterAsk<'a> {
    /// Kind of pool.
    pub kind: PoolKind,
    /// Whether ranks count in it.
    pub ranks: Ranks,
    /// Class of the bucket.
    pub class: Class,
    /// Its region rule.
    pub region: &'a RegionRule,
    /// Sealed bytes it wants to write.
    pub bytes: Bytes,
}

/// A group the writer may have a lease of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Which group.
    pub pg: PgId,
    /// Its plan's number.
    pub generation: u32,
    /// Bytes of the lease.
    pub bytes_max: Bytes,
    /// Slots that can take a piece now.
    pub ready: u16,
    /// What it was ranked by, in thousandths: share of slots ready, share likely to stay, nearness.
    pub score: [u32; 3],
}

/// The groups this writer gets, best first, at most [`GROUPS_MAX`]. Ranked by the sum of the share of slots that are ready, half
/// the share of those likely to stay on, and half the nearness of the `accept` nearest (weights **assumed**).
///
/// E0306 when in no group of the class `accept` pieces can be placed now. An empty list of open groups is answered the same:
/// the caller then opens one.
pub fn choose_groups(groups: &[WriteGroup<'_>], ask: &WriterAsk<'_>) -> Result<Vec<Offer>, Refusal> {
    let fits = |g: &&WriteGroup<'_>| {
        let named = g.class == ask.class && g.state == GroupState::Open;
        named && g.room > Bytes(0) && lies_inside(g.slots, ask.region)
    };
    let fitting: Vec<&WriteGroup<'_>> = groups.iter().filter(fits).collect();
    let mut best = (0, 0, 1);
    let mut offers: Vec<Offer> = Vec::new();
    for group in fitting {
        let ready = ready(group.slots, ask.kind, ask.ranks);
        let (on, need) = (group.slots.iter().filter(|s| s.on).count(), usize::from(group.scheme.accept));
        if ready.len() >= need {
            offers.push(offer(group, ask, &ready));
        }
        best = best.max((ready.len(), on, need));
    }
    if offers.is_empty() {
        let (fit, live, need) = best;
        let refusal = Refusal::new(errors::TOO_FEW_NODES).with("class", ask.class).with("need", need);
        return Err(refusal.with("live", live).with("fit", fit));
    }
    let value = |o: &Offer| o.score[0] + o.score[1] / 2 + o.score[2] / 2;
    offers.sort_by_key(|o| (std::cmp::Reverse(value(o)), o.pg));
    offers.truncate(GROUPS_MAX);
    Ok(offers)
}

fn offer(group: &WriteGroup<'_>, ask: &WriterAsk<'_>, ready: &[&SlotFacts<'_>]) -> Offer {
    let all = u64::from(group.scheme.o.max(1));
    let milli = |part: u64| u32::try_from(part.min(1_000)).expect("at most 1,000");
    let stays: u64 = ready.iter().map(|s| if s.is_always_on { 1_000_000 } else { u64::from(s.stays.0) }).sum();
    let mut far: Vec<u32> = ready.iter().map(|s| rtt(s)).collect();
    far.sort_unstable();
    far.truncate(usize::from(group.scheme.accept));
    let mean_ms: u64 = far.iter().map(|ms| u64::from(*ms)).sum::<u64>() / far.len().max(1) as u64;
    Offer {
        pg: group.pg,
        generation: group.generation,
        bytes_max: ask.bytes.min(group.room),
        ready: u16::try_from(ready.len()).unwrap_or(u16::MAX),
        score: [
            milli(ready.len() as u64 * 1_000 / all),
            milli(stays / 1_000 / all),
            milli(1_000 - mean_ms.min(FAR_MS.into()) * 1_000 / u64::from(FAR_MS)),
        ],
    }
}

/// An unknown distance counts as far.
fn rtt(slot: &SlotFacts<'_>) -> u32 {
    slot.rtt_ms.map_or(FAR_MS, |ms| u32::from(ms).min(FAR_MS))
}

/// (A) Whether every slot that is somebody's lies inside the rule, in enough countries.
fn lies_inside(slots: &[SlotFacts<'_>], rule: &RegionRule) -> bool {
    let held = || slots.iter().filter(|s| s.state != SlotState::Free);
    let countries: BTreeSet<[u8; 2]> = held().filter_map(|s| Site::country_of(s.region)).collect();
    held().all(|s| rule.admits(s.region)) && (rule.regions_min <= 1 || countries.len() >= rule.regions_min.into())
}

/// (B) The slots that may get a first piece, in the order they are asked.
fn ready<'s>(slots: &'s [SlotFacts<'s>], kind: PoolKind, ranks: Ranks) -> Vec<&'s SlotFacts<'s>> {
    let vetted = |s: &SlotFacts<'_>| ranks.vetted(s.tier);
    let mut able: Vec<&SlotFacts<'_>> =
        slots.iter().filter(|s| s.on && s.takes && s.state.stands() && vetted(s)).collect();
    able.sort_by_key(|s| {
        // Where tiers are waived, a node that lost pieces still comes last.
        (s.tier < Tier::T2, !s.is_always_on, std::cmp::Reverse(s.stays), rtt(s), s.index)
    });
    let mut nodes: BTreeSet<Alias> = BTreeSet::new();
    let mut taken: BTreeSet<Domain> = BTreeSet::new();
    able.retain(|s| {
        let capped = || s.site.domains().filter(|d| kind.has_hard_caps() && d.is_hard());
        let is_free = !nodes.contains(&s.node) && capped().all(|d| !taken.contains(&d));
        if is_free {
            nodes.insert(s.node);
            taken.extend(capped());
        }
        is_free
    });
    able
}

/// Where the first pieces of a segment go, and who stands in for a slot that stalls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstPieces {
    /// `accept` indexes to send to at once, best first.
    pub send: Vec<u16>,
    /// Indexes that replace stalled ones, best first.
    pub spare: Vec<u16>,
}

/// Chooses them. E0306 when fewer than `accept` slots can take a piece now.
pub fn first_pieces(
    slots: &[SlotFacts<'_>],
    scheme: &Scheme,
    class: Class,
    kind: PoolKind,
    ranks: Ranks,
) -> Result<FirstPieces, Refusal> {
    let ready = ready(slots, kind, ranks);
    let accept = usize::from(scheme.accept);
    if ready.len() < accept {
        let live = slots.iter().filter(|s| s.on).count();
        let refusal = Refusal::new(errors::TOO_FEW_NODES).with("class", class).with("need", accept);
        return Err(refusal.with("live", live).with("fit", ready.len()));
    }
    let mut send: Vec<u16> = ready.iter().map(|s| s.index).collect();
    let spare = send.split_off(accept);
    Ok(FirstPieces { send, spare })
}

impl FirstPieces {
    /// (C) Who gets a piece instead of `stalled`; `None` when nobody is left. A slot given up may still deliver; its receipt
    /// counts if it comes.
    pub fn replace(&mut self, stalled: u16) -> Option<u16> {
        let at = self.send.iter().position(|index| *index == stalled)?;
        if self.spare.is_empty() {
            return None;
        }
        self.send[at] = self.spare.remove(0);
        Some(self.send[at])
    }
}

/// Time without progress after which a slot has stalled: twice the median time of a piece, [`STALL_MIN`] at least.
pub fn stall_after(median_piece: Option<Span>) -> Span {
    median_piece.map_or(STALL_MIN, |median| STALL_MIN.max(Span(median.as_ms().saturating_mul(2))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::tier::Trust;
    use crate::storage::group::NetPrefix;
    use crate::storage::scheme::{circle, public};
    use model::{MemberId, Os};
    use proptest::prelude::*;

    fn slot(i: u16) -> SlotFacts<'static> {
        let mut owner = [0; 16];
        owner[..2].copy_from_slice(&i.to_be_bytes());
        let prefix = Some(NetPrefix::V4([10, (i >> 8) as u8, i as u8]));
        let site =
            Site { owner: MemberId(owner), lan: None, prefix, network: None, os: Os::Linux, version: 1, country: None };
        SlotFacts {
            index: i,
            node: Alias(i.into()),
            site,
            region: None,
            tier: Tier::T2,
            state: SlotState::Held,
            on: true,
            is_always_on: false,
            takes: true,
            stays: Ppm::percent(50),
            rtt_ms: Some(20),
        }
    }

    fn group<'a>(pg: u32, slots: &'a [SlotFacts<'a>]) -> WriteGroup<'a> {
        let scheme = public(Class::Standard);
        let (state, class, room) = (GroupState::Open, Class::Standard, Bytes::gib(1));
        WriteGroup { pg: PgId(pg), generation: 7, state, class, scheme, room, slots }
    }

    fn offers(groups: &[WriteGroup<'_>], rule: &RegionRule) -> Result<Vec<u32>, Refusal> {
        let ask = WriterAsk {
            kind: PoolKind::Public,
            ranks: Ranks::Count,
            class: Class::Standard,
            region: rule,
            bytes: Bytes::gib(5),
        };
        choose_groups(groups, &ask).map(|offers| offers.iter().map(|o| o.pg.0).collect())
    }

    fn slots(change: impl Fn(&mut SlotFacts<'static>)) -> Vec<SlotFacts<'static>> {
        let mut slots: Vec<SlotFacts<'_>> = (0..104).map(slot).collect();
        slots.iter_mut().for_each(change);
        slots
    }

    #[test]
    fn groups_with_many_on_that_stay_and_are_near_come_first() {
        let (plain, far) = (slots(|_| ()), slots(|s| s.rtt_ms = Some(300)));
        let (few, lasting) = (slots(|s| s.on = s.index < 60), slots(|s| s.is_always_on = true));
        let none = slots(|s| s.on = s.index < 43);
        let groups =
            [group(1, &far), group(2, &few), group(3, &plain), group(4, &lasting), group(5, &none), group(6, &far)];
        let rule = RegionRule::default();
        assert_eq!(offers(&groups, &rule), Ok(vec![4, 3, 1, 6]), "(A) 43 of 44 are too few; four at most");
        assert_eq!(offers(&groups[..3], &rule), Ok(vec![3, 1, 2]), "more on come before nearer");
        let refusal = offers(&groups[4..5], &rule).unwrap_err();
        assert_eq!(refusal.to_string(), "E0306 too_few_nodes class=standard fit=43 live=43 need=44");
        assert!(offers(&[], &rule).is_err());
        let full = WriteGroup { room: Bytes(0), ..group(1, &plain) };
        let closed = WriteGroup { state: GroupState::Closed, ..group(1, &plain) };
        let eco = WriteGroup { class: Class::Eco, ..group(1, &plain) };
        assert!(offers(&[full, closed, eco], &rule).is_err(), "(A)");
    }

    #[test]
    fn a_group_with_one_slot_outside_the_region_is_no_choice() {
        let [kr, jp] = ["asia/kr/seoul", "asia/jp"].map(|r| r.parse::<Region>().unwrap());
        let inside: Vec<SlotFacts<'_>> = (0..104).map(|i| SlotFacts { region: Some(&kr), ..slot(i) }).collect();
        let mixed: Vec<SlotFacts<'_>> =
            inside.iter().map(|s| SlotFacts { region: Some(if s.index == 99 { &jp } else { &kr }), ..*s }).collect();
        let rule = RegionRule { only: BTreeSet::from(["asia/kr".parse().unwrap()]), regions_min: 0 };
        assert_eq!(offers(&[group(1, &mixed), group(2, &inside)], &rule), Ok(vec![2]), "(A)");
        let two = RegionRule { only: BTreeSet::new(), regions_min: 2 };
        assert_eq!(offers(&[group(1, &mixed), group(2, &inside)], &two), Ok(vec![1]), "(A)");
    }

    #[test]
    fn always_on_holders_get_the_first_pieces() {
        let all = slots(|s| s.is_always_on = s.index % 10 == 3);
        let first =
            first_pieces(&all, &public(Class::Standard), Class::Standard, PoolKind::Public, Ranks::Count).unwrap();
        assert_eq!(first.send[..11], [3, 13, 23, 33, 43, 53, 63, 73, 83, 93, 103], "(B)");
        assert_eq!((first.send.len(), first.spare.len()), (44, 60));
    }

    #[test]
    fn probation_and_one_owner_s_second_machine_never_count_towards_accept() {
        let half = slots(|s| s.tier = if s.index.is_multiple_of(2) { Tier::T1 } else { Tier::T2 });
        let scheme = public(Class::Standard);
        let first = first_pieces(&half, &scheme, Class::Standard, PoolKind::Public, Ranks::Count).unwrap();
        assert!(first.send.iter().chain(&first.spare).all(|i| i % 2 == 1), "(B)");
        let twins = slots(|s| s.site.owner = MemberId([s.index as u8 / 3; 16]));
        let refusal = first_pieces(&twins, &scheme, Class::Standard, PoolKind::Public, Ranks::Count).unwrap_err();
        assert_eq!(refusal.to_string(), "E0306 too_few_nodes class=standard fit=35 live=104 need=44", "(B)");
        let eight: Vec<SlotFacts<'_>> = twins.into_iter().take(8).collect();
        let first =
            first_pieces(&eight, &circle(8, 8).unwrap(), Class::Standard, PoolKind::Circle, Ranks::Waived).unwrap();
        assert_eq!((first.send.len(), first.spare.len()), (4, 4), "in a circle machines count");
    }

    #[test]
    fn a_stalled_slot_is_replaced_once_by_each_spare() {
        let mut first = FirstPieces { send: vec![0, 1], spare: vec![5, 2] };
        assert_eq!(first.replace(0), Some(5));
        assert_eq!(first.replace(0), None, "(C) given up already");
        assert_eq!((first.replace(5), first.replace(1)), (Some(2), None), "(C)");
        assert_eq!(first.send, [2, 1]);
        assert_eq!(stall_after(None), Span::secs(3));
        assert_eq!([1_000, 2_000].map(|ms| stall_after(Some(Span(ms)))), [Span::secs(3), Span::secs(4)]);
    }

    proptest! {
        #[test]
        fn first_pieces_keep_the_caps(
            counts: bool,
            shape in proptest::collection::vec((0u32..60, 0u8..60, any::<u8>(), 0u8..4, any::<[bool; 4]>()), 0..144),
            in_public: bool,
        ) {
            let kind = if in_public { PoolKind::Public } else { PoolKind::Circle };
            let slots: Vec<SlotFacts<'_>> = (0u16..).zip(&shape).map(|(i, (node, owner, prefix, tier, [on, takes, held, always]))| {
                let site = Site { owner: MemberId([*owner; 16]), prefix: Some(NetPrefix::V4([10, 0, *prefix])), ..slot(i).site };
                let state = if *held { SlotState::Held } else { SlotState::Missing };
                let tier = Tier::from_code(*tier).unwrap();
                SlotFacts { node: Alias(*node), site, tier, on: *on, takes: *takes, state, is_always_on: *always, ..slot(i) }
            }).collect();
            let scheme = Scheme { k: 4, accept: 5, ..public(Class::Eco) };
            let ranks = if counts { Ranks::Count } else { kind.ranks(Trust::Circle) };
            let Ok(first) = first_pieces(&slots, &scheme, Class::Eco, kind, ranks) else { return Ok(()) };
            prop_assert!(ranks == Ranks::Waived || first.send.iter().all(|i| slots[usize::from(*i)].tier >= Tier::T2), "(B)");
            prop_assert_eq!(first.send.len(), 5, "(B)");
            let sent: Vec<&SlotFacts<'_>> = first.send.iter().chain(&first.spare).map(|i| &slots[usize::from(*i)]).collect();
            let distinct = |n: usize| n == sent.len();
            prop_assert!(sent.iter().all(|s| s.on && s.takes && s.state.stands()), "(B)");
            prop_assert!(distinct(sent.iter().map(|s| s.node).collect::<BTreeSet<_>>().len()), "(B)");
            if in_public {
                prop_assert!(distinct(sent.iter().map(|s| s.site.owner).collect::<BTreeSet<_>>().len()), "(B)");
                prop_assert!(distinct(sent.iter().map(|s| s.site.prefix).collect::<BTreeSet<_>>().len()), "(B)");
                prop_assert!(sent.iter().all(|s| s.tier >= Tier::T2), "(B)");
                prop_assert!(sent.windows(2).all(|w| w[0].is_always_on >= w[1].is_always_on), "(B)");
            }
        }
    }
}
