//! The stage's keeper: looks how staged segments stand, fills them up itself when stewards do not, and lets go of what the
//! pool has enough pieces of.

use crate::stage::{Kept, Stage, Staged, runs_of};
use crate::{Client, ClientError};
use model::{Span, TimeScale};
use rules::storage::expand::WRITER_WAITS;
use wire::limits::{STAGED_RUNS_MAX, STAGED_SEGMENTS_MAX};
use wire::storage::{SegmentRun, StagedState, StewardSegment};
use wire::{Reply, Request};

/// What one look at a stage found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Segments whose copy is still needed.
    pub waiting: usize,
    /// Copies that were let go of.
    pub released: usize,
    /// Pieces sent from copies.
    pub pieces: usize,
}

/// The weakest of some segments: pieces with receipts, those with which no copy is needed, those when full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Pieces of the weakest.
    pub pieces: u16,
    /// With so many its writer's copy is not needed.
    pub enough: u16,
    /// With so many everybody who is on has its own.
    pub full: u16,
}

impl Client {
    /// How the weakest of these segments stands; nothing for none.
    ///
    /// # Errors
    /// As a request to the center.
    pub async fn standing(&self, runs: &[SegmentRun]) -> Result<Option<Standing>, ClientError> {
        let mut weakest: Option<Standing> = None;
        for states in self.states(runs).await? {
            let one = Standing { pieces: states.pieces, enough: states.enough, full: states.full };
            let lacks = |s: &Standing| i32::from(s.full) - i32::from(s.pieces);
            if weakest.as_ref().is_none_or(|w| lacks(&one) > lacks(w)) {
                weakest = Some(one);
            }
        }
        Ok(weakest)
    }

    /// How segments stand, in order, asked in as many steps as needed.
    async fn states(&self, runs: &[SegmentRun]) -> Result<Vec<StagedState>, ClientError> {
        let mut all = Vec::new();
        for step in steps(runs) {
            let count: u64 = step.iter().map(|run| u64::from(run.count)).sum();
            match self.ask(Request::Staged(step)).await? {
                Reply::Staged(states) if states.len() as u64 == count => all.extend(states),
                _ => return Err(ClientError::Unexpected("another number of segments")),
            }
        }
        Ok(all)
    }

    /// One look at everything that is staged; `scale`: how days count here.
    ///
    /// # Errors
    /// As a request to the center; what was done until then is done.
    pub async fn look_at_stage(&self, stage: &Stage, scale: TimeScale) -> Result<Looked, ClientError> {
        let mut looked = Looked::default();
        for put in stage.list() {
            if !put.is_done {
                if put.age > scale.of(crate::stage::RESUME_FOR).to_std() {
                    stage.remove(&put);
                }
                continue;
            }
            if put.segments.is_empty() {
                stage.remove(&put);
                continue;
            }
            self.look_at_put(stage, &put, &mut looked).await?;
        }
        Ok(looked)
    }

    async fn look_at_put(&self, stage: &Stage, put: &Staged, looked: &mut Looked) -> Result<(), ClientError> {
        let states = self.states(&runs_of(&put.segments)).await?;
        let mut thin: Vec<Kept> = Vec::new();
        for (kept, state) in put.segments.iter().zip(&states) {
            if state.is_gone || state.pieces >= state.enough {
                stage.release(put, kept.number);
                looked.released += 1;
            } else {
                looked.waiting += 1;
                thin.push(kept.clone());
            }
        }
        let waited = Span(u64::try_from(put.age.as_millis()).unwrap_or(u64::MAX));
        if !thin.is_empty() && waited >= WRITER_WAITS {
            looked.pieces += self.fill_from_stage(stage, put, &thin).await?;
        }
        Ok(())
    }

    /// Stewards had their time: this machine makes the missing pieces from its own copies.
    async fn fill_from_stage(&self, stage: &Stage, put: &Staged, thin: &[Kept]) -> Result<usize, ClientError> {
        let mut pieces = 0;
        for step in steps(&runs_of(thin)) {
            let Some(work) = self.steward_work(step).await? else { continue };
            let copy = |segment: &StewardSegment| {
                let kept = thin.iter().find(|k| k.id == segment.segment.id)?;
                Some((stage.read(put, kept)?, kept.label.clone()))
            };
            pieces += self.fill(&work, copy, |_| std::future::ready(())).await?.pieces;
        }
        Ok(pieces)
    }
}

/// Runs in portions that one request takes; long runs are cut.
fn steps(runs: &[SegmentRun]) -> Vec<Vec<SegmentRun>> {
    let most = u32::try_from(STAGED_SEGMENTS_MAX).unwrap_or(u32::MAX);
    let (mut all, mut step, mut left): (Vec<Vec<SegmentRun>>, Vec<SegmentRun>, u32) = (Vec::new(), Vec::new(), most);
    for run in runs {
        let mut rest = *run;
        while rest.count > 0 {
            if left == 0 || step.len() == STAGED_RUNS_MAX {
                all.push(std::mem::take(&mut step));
                left = most;
            }
            let count = rest.count.min(left);
            step.push(SegmentRun { count, ..rest });
            (rest.seq, rest.count, left) = (rest.seq + u64::from(count), rest.count - count, left - count);
        }
    }
    if !step.is_empty() {
        all.push(step);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::PgId;

    #[test]
    fn requests_stay_within_their_limits_and_name_every_segment_once() {
        let run = |seq, count| SegmentRun { pg: PgId(1), seq, count };
        let runs: Vec<SegmentRun> = (0..200).map(|n| run(n * 10_000, 1 + (n as u32 % 7) * 300)).collect();
        let steps = steps(&runs);
        assert!(steps.iter().all(|step| step.len() <= STAGED_RUNS_MAX));
        assert!(steps.iter().all(|step| step.iter().map(|r| r.count).sum::<u32>() <= STAGED_SEGMENTS_MAX as u32));
        let seqs =
            |runs: &[SegmentRun]| runs.iter().flat_map(|r| r.seq..r.seq + u64::from(r.count)).collect::<Vec<_>>();
        assert_eq!(seqs(&steps.concat()), seqs(&runs));
        assert!(super::steps(&[]).is_empty());
    }
}
