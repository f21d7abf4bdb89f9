//! What members ask of jobs.

use super::board;
use super::budget::{self, Budget};
use super::progress::Kept;
use super::store::{self, JobRow};
use crate::access::api::who;
use crate::fleet::api::alias_of;
use crate::fleet::store as fleet;
use crate::refuse::{Refused, bad_value};
use crate::storage::store as storage;
use crate::{Caller, Center};
use model::compute::{Check, JobKind, JobState, Trust};
use model::{Alias, JobId, Span, Ucredit, errors};
use rules::compute::{Input, JobFacts, StageFacts};
use std::collections::BTreeMap;
use wire::compute::{JobDetail, JobItemPage, JobItemsAsk, JobLine, JobSubmit};
use wire::limits::{JOB_ITEMS_MAX, KEEPERS_MAX, LABEL_MAX, PAGE_MAX, REGIONS_MAX, STAGES_MAX};
use wire::{RefusalMsg, Reply};

/// Longest life of a job.
pub const LIFE_MAX: Span = Span::days(30);
/// Owners that a quick check takes: two results, and one more to decide between them is a luxury.
const OWNERS_FAST: usize = 2;
/// Owners that a sure one takes: results of two newcomers are right with 98.8 %, of three with more than 99 %.
const OWNERS_STANDARD: usize = 3;
/// Longest wall time of an item.
const WALL_MAX: Span = Span::hours(2);

/// Takes a job in.
pub async fn submit(center: &Center, caller: &Caller, ask: JobSubmit) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let now = center.now();
    check(&ask, now)?;
    let owned = center.db().read({
        let (bucket, member) = (ask.bucket, member.id);
        move |q| Ok(storage::bucket::find(q, &bucket)?.is_some_and(|row| row.owner == member))
    });
    if !owned.await? {
        let args = [("bucket", ask.bucket.short()), ("near", "bucket list".to_owned())];
        return Err(RefusalMsg::new(errors::BUCKET_UNKNOWN, args).into());
    }
    enough_owners(center, &ask, now)?;
    // On its own machines work costs nothing.
    if ask.trust != Trust::Own {
        center.spends(&member.id).await?;
    }
    let (account, id) = (center.account_of(&member.id).await?, ask.id);
    // The same again may cost what it might the first time.
    let there = center.db().read(move |q| Ok(store::find(q, &id)?)).await?;
    let is_there = there.is_some();
    let budget = match there {
        Some(row) => Budget { most: row.max_credits, fuel: row.facts.budget },
        None => budget::of(center, account, &ask).await?,
    };
    let mut facts = JobFacts {
        id: ask.id,
        account: member.id,
        trust: ask.trust,
        check: if ask.trust == Trust::Public { ask.check } else { Check::Off },
        interactive: ask.is_interactive,
        regions: ask.regions,
        deadline: ask.deadline,
        stages: ask
            .stages
            .iter()
            .map(|stage| StageFacts {
                items: stage.items,
                memory_mib: stage.memory_mib,
                scratch_mib: stage.scratch_mib,
                grow: false,
                fuel_max: stage.fuel_max,
                wall: stage.wall,
                bytes_in: stage.bytes_in,
                parts: 0,
            })
            .collect(),
        budget: budget.fuel,
    };
    if ask.kind == JobKind::MapReduce {
        // What a stage makes is cut into as many parts as the next one has items.
        let items: Vec<u32> = facts.stages.iter().skip(1).map(|stage| stage.items).collect();
        facts.stages.iter_mut().zip(items).for_each(|(stage, parts)| stage.parts = parts);
    }
    let row = JobRow {
        facts,
        member: member.id,
        kind: ask.kind,
        label: ask.label,
        bucket: ask.bucket,
        keepers: ask.keepers,
        engine: ask.engine,
        state: JobState::Queued,
        made_at: now,
        ended_at: None,
        progress: None,
        max_credits: budget.most,
    };
    let kept = row.clone();
    let inserted = center.db().write(move |tx| {
        if budget.most > Ucredit::ZERO && !is_there {
            let job = (kept.facts.id, kept.facts.deadline);
            if let Err(no) = budget::set_aside(tx, job, account, (0, budget.most), now)? {
                return Ok(Err(no.refusal()));
            }
        }
        store::insert(tx, &kept).map(Ok)
    });
    if inserted.await?? {
        tracing::info!(job = %row.facts.id.short(), member = %member.id.short(), "a job begins");
        board::begin_job(center, row)?.durable().await?;
    } else if !center.board().scheduler().jobs().contains(&row.facts.id) {
        // It was taken in, and the scheduler was too busy to hear of it: this is the same call again.
        let there = board::own_job(center, &member.id, row.facts.id).await?;
        if there.ended_at.is_none() {
            board::begin_job(center, there)?.durable().await?;
        }
    }
    Ok(Reply::Done)
}

/// Strangers' results are held against each other: refuses a job (E0415) while fewer owners are there than that takes, in its
/// regions.
fn enough_owners(center: &Center, ask: &JobSubmit, now: model::Stamp) -> Result<(), Refused> {
    if ask.trust != Trust::Public {
        return Ok(());
    }
    let need = if ask.check == Check::Fast { OWNERS_FAST } else { OWNERS_STANDARD };
    let owners: std::collections::BTreeSet<_> = {
        let fleet = center.fleet();
        let on = fleet.nodes().filter(|(alias, node)| {
            !node.standing.takes_no_work() && fleet.presence.state(now, *alias) == model::Presence::On
        });
        on.map(|(_, node)| node.owner).collect()
    };
    // Where nodes stand is looked at when they ask for work; a job for few regions waits then and says so.
    if owners.len() >= need {
        return Ok(());
    }
    let region = ask.regions.first().map_or_else(|| "–".to_owned(), ToString::to_string);
    let args = [
        ("check", ask.check.to_string()),
        ("need", need.to_string()),
        ("have", owners.len().to_string()),
        ("region", region),
    ];
    Err(RefusalMsg::new(errors::TOO_FEW_OWNERS, args).into())
}

fn check(ask: &JobSubmit, now: model::Stamp) -> Result<(), Refused> {
    let bad = |field: &str, value: String, why: &str| Err(Refused(bad_value(field, &value, why)));
    let items: u64 = ask.stages.iter().map(|stage| u64::from(stage.items)).sum();
    if ask.stages.is_empty() || ask.stages.len() > STAGES_MAX {
        return bad("stages", ask.stages.len().to_string(), "a job has 1 to 32");
    }
    if items > JOB_ITEMS_MAX || ask.stages.iter().any(|stage| stage.items == 0) {
        return bad("items", items.to_string(), "a stage has at least one, a job 10,000,000 at most");
    }
    if ask.keepers.is_empty() || ask.keepers.len() > KEEPERS_MAX {
        return bad("keepers", ask.keepers.len().to_string(), "1 to 4 machines keep a job's keys");
    }
    if ask.label.len() > LABEL_MAX || ask.regions.len() > REGIONS_MAX {
        return bad("job", String::new(), "its name or its list of regions is too long");
    }
    if ask.deadline <= now || ask.deadline.since(now) > LIFE_MAX {
        return bad("deadline", ask.deadline.to_string(), "it lies in the next 30 days");
    }
    if ask.stages.iter().any(|stage| stage.wall > WALL_MAX || stage.wall < Span::secs(1)) {
        return bad("wall", String::new(), "an item may take 1 s to 2 h");
    }
    if ask.trust == Trust::Public && ask.check == Check::Off {
        return bad("check", ask.check.to_string(), "strangers' results are checked: fast, standard or strict");
    }
    Ok(())
}

/// The caller's jobs.
pub async fn list(center: &Center, caller: &Caller) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let rows = center.db().read(move |q| Ok(store::of_member(q, &member.id)?)).await?;
    let lines = rows.into_iter().map(|row| {
        let (kept, state) = stands(center, &row);
        line(&row, &kept, state)
    });
    Ok(Reply::Jobs(lines.collect()))
}

/// How a job stands: as the scheduler says while it lives, else as it was kept.
fn stands(center: &Center, row: &JobRow) -> (Kept, JobState) {
    let now = center.now();
    let board = center.board();
    if let Some(kept) = board.progress(now, &row.facts.id) {
        let state = board.scheduler().progress(now, row.facts.id).map_or(row.state, |progress| progress.state);
        return (kept, state);
    }
    (row.progress.as_deref().map(Kept::parse).unwrap_or_default(), row.state)
}

fn line(row: &JobRow, kept: &Kept, state: JobState) -> JobLine {
    let (_, done, failed) = kept.counts();
    JobLine {
        id: row.facts.id,
        kind: row.kind,
        label: row.label.clone(),
        state,
        trust: row.facts.trust,
        check: row.facts.check,
        at: row.made_at,
        ended: row.ended_at,
        items: row.facts.stages.iter().map(|stage| u64::from(stage.items)).sum(),
        done,
        failed,
        bucket: row.bucket,
    }
}

/// One of the caller's jobs.
pub async fn show(center: &Center, caller: &Caller, id: JobId) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let row = board::own_job(center, &member.id, id).await?;
    let (kept, state) = stands(center, &row);
    let named = kept.named();
    let names: BTreeMap<Alias, String> = match named.is_empty() {
        true => BTreeMap::new(),
        false => {
            let read = center.db().read(move |q| {
                let mut names = BTreeMap::new();
                for alias in &named {
                    if let Some(row) = fleet::node_by_alias(q, *alias)? {
                        names.insert(*alias, row.node.name);
                    }
                }
                Ok(names)
            });
            read.await?
        }
    };
    let shown = line(&row, &kept, state);
    let mut detail: JobDetail = kept.detail(shown, row.facts.deadline, &names);
    detail.max_credits = row.max_credits;
    if row.facts.trust != Trust::Own {
        detail.worth = budget::worth(center, row.facts.check, detail.fuel).await?;
    }
    Ok(Reply::Job(Box::new(detail)))
}

/// Hands nothing more of a job out.
pub async fn stop(center: &Center, caller: &Caller, id: JobId) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let row = board::own_job(center, &member.id, id).await?;
    if stands(center, &row).1.is_over() {
        return Err(over(&row));
    }
    board::decide(center, Input::Stop(id), None)?.durable().await?;
    Ok(Reply::Done)
}

fn over(row: &JobRow) -> Refused {
    RefusalMsg::new(errors::JOB_OVER, [("id", row.facts.id.to_string()), ("state", row.state.to_string())]).into()
}

/// Tries a job's failed items again.
pub async fn retry(center: &Center, caller: &Caller, id: JobId) -> Result<Reply, Refused> {
    let member = who(center, caller).await?;
    let row = board::own_job(center, &member.id, id).await?;
    if matches!(row.state, JobState::Stopped | JobState::Expired | JobState::Done) {
        return Err(over(&row));
    }
    if row.ended_at.is_some() {
        if row.facts.trust != Trust::Own {
            center.spends(&member.id).await?;
            let used = stands(center, &row).0.fuel();
            budget::set_aside_again(center, &row, used).await?;
        }
        let is_known = center.board().scheduler().jobs().contains(&id);
        let records = match is_known {
            true => None,
            false => Some(center.db().read(move |q| Ok(store::records(q, &id)?)).await?),
        };
        board::revive(center, row, records)?;
    }
    board::decide(center, Input::Retry(id), None)?.durable().await?;
    Ok(Reply::Done)
}

/// Accepted items: to the job's member, and to a node that was given work of the job.
pub async fn items(center: &Center, caller: &Caller, ask: JobItemsAsk) -> Result<Reply, Refused> {
    let now = center.now();
    let is_own = match who(center, caller).await {
        Ok(member) => board::own_job(center, &member.id, ask.job).await.is_ok(),
        Err(_) => false,
    };
    // A worker hears which attempts of an earlier stage count, and nothing of what it might have to find out itself.
    let is_worker = !is_own
        && alias_of(center, caller).is_ok_and(|node| center.board().was_granted_after(now, &ask.job, node, ask.stage));
    if !is_own && !is_worker {
        let member = who(center, caller).await?;
        board::own_job(center, &member.id, ask.job).await?;
    }
    let limit = u32::from(ask.limit).clamp(1, PAGE_MAX as u32);
    let read = center.db().read(move |q| Ok(store::items(q, &ask.job, ask.stage, ask.after, limit)?));
    let (mut items, more) = read.await?;
    if is_worker {
        for item in &mut items {
            (item.node, item.hash, item.fuel, item.bytes, item.verified) = (Alias(0), [0; 32], 0, 0, false);
        }
    }
    Ok(Reply::JobItems(JobItemPage { items, more }))
}
