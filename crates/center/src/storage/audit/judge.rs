//! What came of an audit: counts, score, standing, and the bits of pieces that are gone, in one transaction.
//!
//! (A) Nothing counts against a node but its own signature, or silence that the center itself met. (B) A piece that the records do
//! not give it any more, because it was dropped or the node told of its loss first, costs it nothing. (C) What stewards of other
//! owners read of it since the last audit counts with this one, within its limit.

use super::{Asked, every, store};
use crate::Center;
use crate::db::{StoreError, Tx};
use crate::fleet::store::{self as fleet, Standing, vetting};
use crate::fleet::vet::{self, Rules};
use crate::refuse::Refused;
use crate::storage::store::log;
use codec::Layout;
use model::{Alias, Bytes, PgId, Ppm, Stamp, Tier};
use rules::fleet::integrity::reason::{Evidence, NamedPiece, PIECES_NAMED};
use rules::fleet::integrity::{Act, Event, Integrity, Score, judge};
use wire::signed::AuditAnswer;
use wire::signed::audit::{NOT_HELD, slice_hash};
use wire::storage::{AuditOutcome, AuditPick, Challenge};

/// What an answer comes to.
#[derive(Debug, Clone, Default)]
struct Found {
    proved: u32,
    gone: Vec<AuditPick>,
    /// Slices with wrong bytes, by the node's own signature, which, and what proves one of them.
    wrong: u32,
    wrong_picks: Vec<AuditPick>,
    proof: Vec<u8>,
}

/// What became of a node.
#[derive(Debug, Clone, Default)]
struct Verdict {
    lost: u32,
    is_good: bool,
    again: Option<(u8, Stamp)>,
    standing: Option<Standing>,
    /// Its rank, where that was lowered.
    tier: Option<Tier>,
    generation: u64,
    /// Its score from now on.
    score: Option<Ppm>,
}

/// Takes in what came of an audit; true when the node proved everything.
pub async fn take(center: &Center, asked: &Asked, outcome: AuditOutcome) -> Result<bool, Refused> {
    let found = match outcome {
        AuditOutcome::Silent(why) => {
            tracing::debug!(node = %asked.node, why, "an audit was not answered");
            None
        }
        AuditOutcome::Answered { slices, signature, wrong } => {
            let answer = AuditAnswer { challenge: asked.challenge.hash(), slices };
            // (A) What the node did not sign is nobody's word.
            let is_signed = answer.is_signed_by(&asked.challenge.node, &signature);
            let fits = answer.slices.len() == asked.challenge.picks.len();
            (is_signed && fits).then(|| classify(asked, &answer, &signature, &wrong))
        }
    };
    let now = center.now();
    let asked_again = asked.asked_again;
    let (node, picks) = (asked.node, asked.challenge.picks.clone());
    let rules = Rules::of(center.settings());
    let again_after = center.settings().time_scale.of(rules::fleet::integrity::ASK_AGAIN_AFTER);
    let reads = if found.is_some() { center.audits().take_reads(node) } else { 0 };
    let kept = center.db().write(move |tx| {
        let counts = store::counts(tx, node)?.unwrap_or_default();
        let Some(row) = fleet::node_by_alias(tx, node)? else { return Ok(Verdict::default()) };
        let mut judged = Judged::new(tx, &row, now, counts);
        match &found {
            Some(found) => judged.answered(found, reads)?,
            None => judged.silent(asked_again, &picks)?,
        }
        let is_good = found.as_ref().is_some_and(|found| found.gone.is_empty() && found.wrong == 0);
        let asks_again = judged.acts.iter().any(|act| matches!(act, Act::AskAgain(_)));
        let again = asks_again.then(|| store::Again {
            picks: picks.clone(),
            asked_again: asked_again + 1,
            at: now + again_after,
        });
        if judged.fill_lost > 0 {
            vet::found_gone(judged.tx, &row, &rules, now)?;
        }
        judged.keep(&row, is_good, again)
    });
    let verdict = kept.await?;
    remember(center, node, &verdict);
    Ok(verdict.is_good)
}

/// Sorts a signed answer. A slice that is told as wrong and is not says nothing against the node.
fn classify(asked: &Asked, answer: &AuditAnswer, signature: &[u8], wrong: &[(u16, Vec<u8>)]) -> Found {
    let mut found = Found::default();
    for ((pick, layout), (at, hash)) in
        asked.challenge.picks.iter().zip(&asked.layouts).zip(answer.slices.iter().enumerate())
    {
        let told = wrong.iter().find(|(n, bytes)| usize::from(*n) == at && slice_hash(bytes) == *hash);
        let proves = |bytes: &[u8]| {
            Layout::new(layout.0, layout.1).is_ok_and(|layout| {
                codec::slice::proves(bytes, &pick.segment, &layout, pick.index, u64::from(pick.group))
            })
        };
        match told {
            _ if *hash == NOT_HELD => found.gone.push(*pick),
            Some((_, bytes)) if !proves(bytes) => {
                found.wrong += 1;
                found.wrong_picks.push(*pick);
                found.proof = proof(&asked.challenge, answer, signature, bytes);
            }
            _ => found.proved += 1,
        }
    }
    if found.wrong > 0 {
        // Not all that was wrong need be told; who lies once is not thanked for the rest.
        found.proved = 0;
    }
    found
}

/// What anybody can check: `challenge length u32 ‖ challenge ‖ hashes u16 ‖ hash of each slice ‖ signature 64 ‖ slice`.
pub(super) fn proof(challenge: &Challenge, answer: &AuditAnswer, signature: &[u8], slice: &[u8]) -> Vec<u8> {
    let challenge = wire::encode(challenge);
    let len = u32::try_from(challenge.len()).unwrap_or(u32::MAX).to_le_bytes();
    let count = u16::try_from(answer.slices.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&len[..], &challenge, &count, answer.slices.as_flattened(), signature, slice].concat()
}

/// A node on its way to its next score.
struct Judged<'a, 't> {
    tx: &'a mut Tx<'t>,
    node: Alias,
    now: Stamp,
    held: Integrity,
    counts: store::AuditCounts,
    acts: Vec<Act>,
    lost: u32,
    /// Samples that counted against it, and the score before the first of those not noted yet.
    bad: (u32, Ppm),
    /// Of these, pieces of its fill test.
    fill_lost: u32,
}

impl<'a, 't> Judged<'a, 't> {
    fn new(tx: &'a mut Tx<'t>, row: &fleet::NodeRow, now: Stamp, counts: store::AuditCounts) -> Self {
        let held = held(row, &counts);
        let bad = (0, held.score.value());
        Self { tx, node: row.alias, now, held, counts, acts: Vec::new(), lost: 0, fill_lost: 0, bad }
    }

    /// What counted against it since the last note, as an event with its evidence.
    fn note(&mut self, kind: &str, picks: &[AuditPick]) -> Result<(), StoreError> {
        let named = |pick: &AuditPick| {
            let id = pick.segment.as_bytes();
            NamedPiece { pg: pick.pg, slot: pick.index, segment: u32::from_be_bytes([id[0], id[1], id[2], id[3]]) }
        };
        let evidence = Evidence {
            bad: self.bad.0,
            before: self.bad.1,
            after: self.held.score.value(),
            pieces: picks.iter().take(PIECES_NAMED).map(named).collect(),
            pieces_count: u32::try_from(picks.len()).unwrap_or(u32::MAX),
        };
        self.bad = (0, self.held.score.value());
        fleet::add_event(self.tx, self.node, self.now, kind, &evidence.to_string())
    }

    fn event(&mut self, event: Event) {
        let beta = self.held.score.beta_ppm;
        let (held, acts) = judge(self.held, self.now, event);
        if let Event::PiecesLost { slots_count } = event {
            self.bad.0 += slots_count;
        } else if held.score.beta_ppm > beta {
            self.bad.0 += 1;
        }
        self.held = held;
        self.acts.extend(acts);
    }

    /// (C)
    fn answered(&mut self, found: &Found, reads: u8) -> Result<(), StoreError> {
        let reads = if found.wrong == 0 { u32::from(reads).min(found.proved) } else { 0 };
        (0..reads).for_each(|_| self.event(Event::AuditPassed));
        for _ in 0..found.proved {
            self.event(Event::AuditPassed);
        }
        self.bad.1 = self.held.score.value();
        self.counts.proved += u64::from(found.proved);
        let mut lost = Vec::new();
        for pick in &found.gone {
            // (B)
            let is_fill = pick.pg == PgId::FILL;
            let is_lost = match is_fill {
                true => vetting::lose_fill(self.tx, self.node, &pick.segment)?,
                false => log::lose(self.tx, pick.pg, &pick.segment, pick.index)?,
            };
            if is_lost {
                lost.push(*pick);
                self.lost += 1;
                self.fill_lost += u32::from(is_fill);
                self.event(Event::PieceGone);
            }
        }
        self.counts.passed += u64::from(found.proved > 0 && found.wrong == 0 && self.lost == 0);
        self.counts.gone += u64::from(self.lost);
        if !lost.is_empty() {
            self.note("audit_gone", &lost)?;
        }
        if found.wrong > 0 {
            self.event(Event::WrongBytes);
            self.counts.wrong += u64::from(found.wrong);
            self.counts.proofs = self.held.proofs;
            store::add_proof(self.tx, self.node, self.now, &found.proof)?;
            self.note("audit_wrong", &found.wrong_picks)?;
        }
        Ok(())
    }

    fn silent(&mut self, asked_again: u8, picks: &[AuditPick]) -> Result<(), StoreError> {
        let before = self.acts.len();
        self.event(Event::NoAnswer { asked_again });
        if self.acts[before..].iter().any(|act| matches!(act, Act::AskAgain(_))) {
            return Ok(());
        }
        // One sample was counted; each of the slices is one.
        (1..picks.len()).for_each(|_| self.event(Event::NoAnswer { asked_again }));
        self.counts.silent += 1;
        self.note("audit_silent", picks)
    }

    fn keep(mut self, row: &fleet::NodeRow, is_good: bool, again: Option<store::Again>) -> Result<Verdict, StoreError> {
        self.counts.at = self.now;
        let score = self.held.score;
        store::keep(self.tx, self.node, &self.counts, (score.alpha_ppm, score.beta_ppm))?;
        match &again {
            Some(again) => store::put_again(self.tx, self.node, again)?,
            None => store::forget_again(self.tx, self.node)?,
        }
        let standing = self.stand(row)?;
        let tier = match self.acts.contains(&Act::PutBack) {
            true => Some(vet::put_back(self.tx, row, self.counts.passed, self.now)?),
            false => None,
        };
        let again = again.map(|again| (again.asked_again, again.at));
        let (generation, score) = (row.generation + 1, Some(score.value()));
        Ok(Verdict { lost: self.lost, is_good, again, standing, tier, generation, score })
    }

    /// What the acts make of the node's standing.
    fn stand(&mut self, row: &fleet::NodeRow) -> Result<Option<Standing>, StoreError> {
        let score = self.held.score.value();
        if self.acts.contains(&Act::Warn) {
            fleet::add_event(self.tx, self.node, self.now, "score_low", &score.to_string())?;
        }
        let standing = if self.acts.contains(&Act::Ban) {
            Standing::Banned
        } else if self.acts.contains(&Act::Quarantine) {
            Standing::Distrusted
        } else {
            return Ok(None);
        };
        if matches!(row.standing, Standing::Left | Standing::Banned) {
            return Ok(None);
        }
        let why = if self.held.proofs > 0 { "wrong bytes, signed by the node" } else { "score of its audits" };
        let event = if standing == Standing::Banned { "banned" } else { "distrusted" };
        fleet::set_standing(self.tx, self.node, standing, Some(why), None)?;
        fleet::set_generation(self.tx, self.node, row.generation + 1)?;
        fleet::add_event(self.tx, self.node, self.now, event, why)?;
        Ok(Some(standing))
    }
}

/// A node's fault was not cured in its time.
pub async fn not_cured(center: &Center, node: Alias) -> Result<(), Refused> {
    let now = center.now();
    let kept = center.db().write(move |tx| {
        let Some(row) = fleet::node_by_alias(tx, node)? else { return Ok(Verdict::default()) };
        let slots = store::slots_count(tx, node)?;
        let counts = store::counts(tx, node)?.unwrap_or_default();
        let mut judged = Judged::new(tx, &row, now, counts);
        judged.event(Event::PiecesLost { slots_count: slots });
        judged.note("not_cured", &[])?;
        judged.keep(&row, false, None)
    });
    remember(center, node, &kept.await?);
    Ok(())
}

/// What is known of a node's honesty.
fn held(row: &fleet::NodeRow, counts: &store::AuditCounts) -> Integrity {
    let score = Score { alpha_ppm: row.node.alpha, beta_ppm: row.node.beta };
    Integrity { score, proofs: counts.proofs, paused_at: None }
}

/// The same in memory, and what it sets going.
fn remember(center: &Center, node: Alias, verdict: &Verdict) {
    center.audits().over(node, verdict.is_good, verdict.again, every(center));
    if let Some((score, node)) = verdict.score.zip(center.fleet().node_mut(node)) {
        node.integrity = score;
    }
    if let Some(tier) = verdict.tier
        && let Some(node) = center.fleet().node_mut(node)
    {
        node.set_rank(tier, Bytes(0));
    }
    if let Some(standing) = verdict.standing {
        tracing::warn!(%node, ?standing, "an audit put a node out of work");
        if let Some(node) = center.fleet().node_mut(node) {
            node.standing = standing;
            node.generation = node.generation.max(verdict.generation) + 1;
        }
    }
    if verdict.lost > 0 {
        tracing::warn!(%node, lost = verdict.lost, "a node does not hold pieces that it should");
        center.news_of_segments();
    }
    center.metrics().audited(verdict.is_good);
}

/// A steward called an audit good, and the center's own repetition met other slices than the node signed then: the node gave
/// wrong bytes, and the steward did not judge them.
pub async fn disagree(center: &Center, node: Alias, auditor: Alias) -> Result<(), Refused> {
    let now = center.now();
    let kept = center.db().write(move |tx| {
        let mut stood = Vec::new();
        for (alias, event) in [(node, Event::WrongBytes), (auditor, Event::WrongResult)] {
            let Some(row) = fleet::node_by_alias(tx, alias)? else { continue };
            let counts = store::counts(tx, alias)?.unwrap_or_default();
            let mut judged = Judged::new(tx, &row, now, counts);
            judged.event(event);
            judged.counts.proofs = judged.held.proofs;
            // Two names for two faults: slices that were wrong, and an audit that was called good.
            judged.note(if alias == node { "audit_wrong" } else { "audit_false" }, &[])?;
            let verdict = judged.keep(&row, false, None)?;
            stood.push((alias, verdict));
        }
        Ok(stood)
    });
    for (alias, verdict) in kept.await? {
        remember(center, alias, &verdict);
    }
    Ok(())
}

/// What a node reported the center found otherwise by its own work.
pub async fn disproved(center: &Center, node: Alias) -> Result<(), Refused> {
    let now = center.now();
    let kept = center.db().write(move |tx| {
        let Some(row) = fleet::node_by_alias(tx, node)? else { return Ok(Verdict::default()) };
        let counts = store::counts(tx, node)?.unwrap_or_default();
        let mut judged = Judged::new(tx, &row, now, counts);
        judged.event(Event::WrongResult);
        fleet::add_event(judged.tx, node, now, "fill_false", "")?;
        judged.keep(&row, true, None)
    });
    remember(center, node, &kept.await?);
    Ok(())
}
