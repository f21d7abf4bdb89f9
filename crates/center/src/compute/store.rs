//! Rows of jobs, of what became of them, of accepted items, of nodes' words.

use crate::db::{DbError, Reader, Row, StoreError, Tx, Value};
use model::compute::{JobKind, JobState};
use model::{AccountNo, Alias, BucketId, JobId, MemberId, NodeId, Stamp, TransferId, Ucredit, errors};
use rules::compute::{JobFacts, Record, Standing, Vote};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::compute::JobItem;

/// Unfinished jobs of one member at most.
pub const JOBS_OPEN_MAX: i64 = 100;
/// Jobs in one list.
pub const JOBS_LISTED: u32 = 200;
/// Records read at a time when a center starts.
const RECORDS_STEP: u32 = 5_000;

/// A job as it was handed in.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// What the scheduler is told.
    pub facts: JobFacts,
    /// Whose.
    pub member: MemberId,
    /// What it is.
    pub kind: JobKind,
    /// Its sealed name.
    pub label: Vec<u8>,
    /// Bucket of its results.
    pub bucket: BucketId,
    /// Who keeps its keys.
    pub keepers: Vec<NodeId>,
    /// Engine it runs on.
    pub engine: [u8; 16],
    /// How it stands, as far as it was noted.
    pub state: JobState,
    /// When it was handed in.
    pub made_at: Stamp,
    /// When it ended.
    pub ended_at: Option<Stamp>,
    /// How it stood when it ended.
    pub progress: Option<Vec<u8>>,
    /// Most it may cost; 0: no limit. `facts.budget` is the same as fuel.
    pub max_credits: Ucredit,
}

fn bytes<T: Serialize>(what: &T) -> Result<Vec<u8>, DbError> {
    postcard::to_stdvec(what).map_err(|error| DbError::Column { column: 0, why: error.to_string() })
}

fn read<T: DeserializeOwned>(column: usize, bytes: &[u8]) -> Result<T, DbError> {
    postcard::from_bytes(bytes).map_err(|error| DbError::Column { column, why: error.to_string() })
}

const COLUMNS: &str =
    "facts, member, kind, label, bucket, keepers, engine, state, made_at, ended_at, progress, budget, max_ucredit";

fn job_row(row: &Row<'_>) -> Result<JobRow, DbError> {
    let keepers: Vec<u8> = row.get(5)?;
    let word = |column: usize, why: &str| DbError::Column { column, why: why.to_owned() };
    Ok(JobRow {
        facts: JobFacts { budget: row.get(11)?, ..read(0, &row.get::<Vec<u8>>(0)?)? },
        member: MemberId(row.get(1)?),
        kind: JobKind::from_code(row.get(2)?).ok_or_else(|| word(2, "an unknown kind"))?,
        label: row.get(3)?,
        bucket: BucketId(row.get(4)?),
        keepers: keepers.chunks_exact(32).filter_map(NodeId::from_slice).collect(),
        engine: row.get(6)?,
        state: JobState::from_code(row.get(7)?).ok_or_else(|| word(7, "an unknown state"))?,
        made_at: row.get(8)?,
        ended_at: row.get(9)?,
        progress: row.get(10)?,
        max_credits: row.get(12)?,
    })
}

/// Takes a job in. The same again is `false` and changes nothing; another job of the same id is refused (E0015), one too many
/// too (E0014).
pub fn insert(tx: &mut Tx<'_>, job: &JobRow) -> Result<bool, StoreError> {
    if let Some(there) = find(tx, &job.facts.id)? {
        return match there.facts == job.facts && there.member == job.member {
            true => Ok(false),
            false => Err(StoreError::refused(errors::ID_REUSED, "a job of this id is there")),
        };
    }
    let sql = "SELECT CAST(count(*) AS BIGINT) FROM job WHERE member = $1 AND ended_at IS NULL";
    let open = tx.query_opt(sql, &[job.member.as_bytes()[..].into()], |row| row.get::<i64>(0))?.unwrap_or(0);
    if open >= JOBS_OPEN_MAX {
        return Err(StoreError::refused(errors::RATE_LIMITED, format!("{open} jobs are open")));
    }
    let facts = bytes(&job.facts)?;
    let keepers: Vec<u8> = job.keepers.iter().flat_map(|id| id.0).collect();
    let sql = "INSERT INTO job (id, member, kind, label, facts, bucket, keepers, engine, state, made_at, budget, max_ucredit) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let values: [Value<'_>; 12] = [
        job.facts.id.as_bytes()[..].into(),
        job.member.as_bytes()[..].into(),
        job.kind.code().into(),
        (&job.label).into(),
        (&facts).into(),
        job.bucket.as_bytes()[..].into(),
        (&keepers).into(),
        (&job.engine).into(),
        job.state.code().into(),
        job.made_at.into(),
        job.facts.budget.into(),
        job.max_credits.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(true)
}

/// Lets a job cost more.
pub fn raise(tx: &mut Tx<'_>, id: &JobId, budget: u64, most: Ucredit) -> Result<(), DbError> {
    let sql = "UPDATE job SET budget = $2, max_ucredit = $3 WHERE id = $1";
    tx.execute(sql, &[id.as_bytes()[..].into(), budget.into(), most.into()]).map(drop)
}

/// Notes what is set aside for a job. The same again changes nothing.
pub fn put_hold(
    tx: &mut Tx<'_>,
    job: &JobId,
    number: u32,
    account: AccountNo,
    hold: TransferId,
) -> Result<(), DbError> {
    let sql = "INSERT INTO job_hold (job, number, account, hold) VALUES ($1, $2, $3, $4) ON CONFLICT (job, number) DO NOTHING";
    tx.execute(sql, &[job.as_bytes()[..].into(), number.into(), account.into(), (&hold).into()]).map(drop)
}

/// Holds made for a job, those that are over too.
pub fn holds_count(q: &mut Reader<'_>, job: &JobId) -> Result<u32, DbError> {
    let sql = "SELECT count(*) FROM job_hold WHERE job = $1";
    Ok(q.query_opt(sql, &[job.as_bytes()[..].into()], |row| row.get(0))?.unwrap_or(0))
}

/// Holds of an account's jobs with something left whose time is not over, those that end first in front, at most `limit`.
pub fn open_holds(
    q: &mut Reader<'_>,
    account: AccountNo,
    now: Stamp,
    limit: u32,
) -> Result<Vec<(TransferId, Ucredit)>, DbError> {
    let sql = "SELECT h.id, h.remaining FROM job_hold b JOIN ledger_hold h ON h.id = b.hold \
        WHERE b.account = $1 AND b.is_over = 0 AND h.remaining > 0 AND h.expires_at > $2 ORDER BY h.expires_at, h.id LIMIT $3";
    q.query(sql, &[account.into(), now.into(), limit.into()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Whether anything is set aside for a job.
pub fn has_hold(q: &mut Reader<'_>, job: &JobId) -> Result<bool, DbError> {
    let sql = "SELECT number FROM job_hold WHERE job = $1 AND is_over = 0 LIMIT 1";
    Ok(q.query_opt(sql, &[job.as_bytes()[..].into()], |row| row.get::<u32>(0))?.is_some())
}

/// Holds of jobs that ended before a moment, or are not there, at most `limit`.
pub fn ended_holds(q: &mut Reader<'_>, before: Stamp, limit: u32) -> Result<Vec<(JobId, u32, TransferId)>, DbError> {
    let sql = "SELECT b.job, b.number, b.hold FROM job_hold b LEFT JOIN job j ON j.id = b.job \
        WHERE b.is_over = 0 AND (j.id IS NULL OR j.ended_at < $1) ORDER BY b.job, b.number LIMIT $2";
    q.query(sql, &[before.into(), limit.into()], |row| Ok((JobId(row.get(0)?), row.get(1)?, row.get(2)?)))
}

/// A hold is given back. Its number is not used again.
pub fn end_hold(tx: &mut Tx<'_>, job: &JobId, number: u32) -> Result<(), DbError> {
    let sql = "UPDATE job_hold SET is_over = 1 WHERE job = $1 AND number = $2";
    tx.execute(sql, &[job.as_bytes()[..].into(), number.into()]).map(drop)
}

/// A job.
pub fn find(q: &mut Reader<'_>, id: &JobId) -> Result<Option<JobRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM job WHERE id = $1");
    q.query_opt(&sql, &[id.as_bytes()[..].into()], job_row)
}

/// A member's jobs, the newest first.
pub fn of_member(q: &mut Reader<'_>, member: &MemberId) -> Result<Vec<JobRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM job WHERE member = $1 ORDER BY made_at DESC LIMIT $2");
    q.query(&sql, &[member.as_bytes()[..].into(), JOBS_LISTED.into()], job_row)
}

/// Jobs that have not ended.
pub fn live(q: &mut Reader<'_>) -> Result<Vec<JobRow>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM job WHERE ended_at IS NULL ORDER BY made_at");
    q.query(&sql, &[], job_row)
}

/// Notes how a job ended.
pub fn end(tx: &mut Tx<'_>, id: &JobId, state: JobState, at: Stamp, progress: &[u8]) -> Result<(), DbError> {
    let sql = "UPDATE job SET state = $2, ended_at = $3, progress = $4 WHERE id = $1";
    tx.execute(sql, &[id.as_bytes()[..].into(), state.code().into(), at.into(), progress.into()]).map(drop)
}

/// It goes on after all.
pub fn reopen(tx: &mut Tx<'_>, id: &JobId, state: JobState) -> Result<(), DbError> {
    let sql = "UPDATE job SET state = $2, ended_at = NULL, progress = NULL WHERE id = $1";
    tx.execute(sql, &[id.as_bytes()[..].into(), state.code().into()]).map(drop)
}

/// Keeps records of a job, in order, as number `seq` of what was kept of it; and what they say of items.
pub fn keep(tx: &mut Tx<'_>, job: &JobId, seq: u64, records: &[Record]) -> Result<(), DbError> {
    let blob = bytes(&records)?;
    let sql = "INSERT INTO job_record (job, seq, records) VALUES ($1, $2, $3) ON CONFLICT (job, seq) DO NOTHING";
    tx.execute(sql, &[job.as_bytes()[..].into(), seq.into(), (&blob).into()])?;
    for record in records {
        match record {
            Record::Done { item, vote, checked } => {
                let is_verified = *checked == rules::compute::Checked::Enough;
                put_item(tx, job, (item.stage, item.item), vote, is_verified)?;
            }
            Record::Verified { item, .. } => {
                let sql = "UPDATE job_item SET verified = 1 WHERE job = $1 AND stage = $2 AND item = $3";
                tx.execute(sql, &[job.as_bytes()[..].into(), item.stage.into(), item.item.into()])?;
            }
            Record::Reopened { item, compared } => {
                let sql = match compared {
                    true => "UPDATE job_item SET verified = 0 WHERE job = $1 AND stage = $2 AND item = $3",
                    false => "DELETE FROM job_item WHERE job = $1 AND stage = $2 AND item = $3",
                };
                tx.execute(sql, &[job.as_bytes()[..].into(), item.stage.into(), item.item.into()])?;
            }
            Record::Rerun { stage, items, .. } => {
                for item in items {
                    let sql = "DELETE FROM job_item WHERE job = $1 AND stage = $2 AND item = $3";
                    tx.execute(sql, &[job.as_bytes()[..].into(), (*stage).into(), (*item).into()])?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Drops records of a job with numbers below this one.
pub fn drop_records(tx: &mut Tx<'_>, job: &JobId, below: u64) -> Result<(), DbError> {
    let sql = "DELETE FROM job_record WHERE job = $1 AND seq < $2";
    tx.execute(sql, &[job.as_bytes()[..].into(), below.into()]).map(drop)
}

fn put_item(
    tx: &mut Tx<'_>,
    job: &JobId,
    (stage, item): (u8, u32),
    vote: &Vote,
    is_verified: bool,
) -> Result<(), DbError> {
    let sql = "INSERT INTO job_item (job, stage, item, serial, node, hash, fuel, bytes, verified) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (job, stage, item) DO UPDATE SET \
        serial = excluded.serial, node = excluded.node, hash = excluded.hash, fuel = excluded.fuel, \
        bytes = excluded.bytes, verified = excluded.verified";
    let values: [Value<'_>; 9] = [
        job.as_bytes()[..].into(),
        stage.into(),
        item.into(),
        vote.serial.into(),
        vote.node.into(),
        (&vote.result.hash).into(),
        vote.result.fuel.into(),
        vote.result.bytes.into(),
        is_verified.into(),
    ];
    tx.execute(sql, &values).map(drop)
}

/// All records of a job, in order, and the number of the next ones.
pub fn records(q: &mut Reader<'_>, job: &JobId) -> Result<(Vec<Record>, u64), DbError> {
    let (mut all, mut next) = (Vec::new(), 0u64);
    loop {
        let sql = "SELECT seq, records FROM job_record WHERE job = $1 AND seq >= $2 ORDER BY seq LIMIT $3";
        let values = [job.as_bytes()[..].into(), next.into(), RECORDS_STEP.into()];
        let rows = q.query(sql, &values, |row| Ok((row.get::<u64>(0)?, row.get::<Vec<u8>>(1)?)))?;
        let Some((last, _)) = rows.last() else { return Ok((all, next)) };
        next = last + 1;
        for (_, blob) in &rows {
            all.extend(read::<Vec<Record>>(1, blob)?);
        }
    }
}

/// Accepted items of a stage after an item, and whether more follow.
pub fn items(
    q: &mut Reader<'_>,
    job: &JobId,
    stage: u8,
    after: Option<u32>,
    limit: u32,
) -> Result<(Vec<JobItem>, bool), DbError> {
    let sql = "SELECT item, serial, node, hash, fuel, bytes, verified FROM job_item \
        WHERE job = $1 AND stage = $2 AND item >= $3 ORDER BY item LIMIT $4";
    let from = after.map_or(0, |after| after.saturating_add(1));
    let values = [job.as_bytes()[..].into(), stage.into(), from.into(), (limit + 1).into()];
    let mut rows = q.query(sql, &values, |row| {
        Ok(JobItem {
            item: row.get(0)?,
            serial: row.get(1)?,
            node: Alias(row.get(2)?),
            hash: row.get(3)?,
            fuel: row.get(4)?,
            bytes: row.get(5)?,
            verified: row.get(6)?,
        })
    })?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    Ok((rows, more))
}

/// A node's signed word for results.
#[derive(Debug, Clone)]
pub struct Word {
    /// Hash of the reports' bytes.
    pub digest: [u8; 32],
    /// Who said it.
    pub node: Alias,
    /// When it came.
    pub at: Stamp,
    /// The reports as they were sent.
    pub reports: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Keeps a node's word.
pub fn keep_word(tx: &mut Tx<'_>, word: &Word) -> Result<(), DbError> {
    let sql = "INSERT INTO work_word (digest, node, said_at, reports, signature) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (digest) DO NOTHING";
    let values: [Value<'_>; 5] =
        [(&word.digest).into(), word.node.into(), word.at.into(), (&word.reports).into(), (&word.signature).into()];
    tx.execute(sql, &values).map(drop)
}

/// Keeps what a node's results are worth.
pub fn put_standing(tx: &mut Tx<'_>, node: Alias, standing: &Standing) -> Result<(), DbError> {
    let blob = bytes(standing)?;
    let sql = "INSERT INTO node_compute (alias, standing) VALUES ($1, $2) \
        ON CONFLICT (alias) DO UPDATE SET standing = excluded.standing";
    tx.execute(sql, &[node.into(), (&blob).into()]).map(drop)
}

/// What all nodes' results are worth.
pub fn standings(q: &mut Reader<'_>) -> Result<Vec<(Alias, Standing)>, DbError> {
    let (mut all, mut after) = (Vec::new(), -1i64);
    loop {
        let sql = "SELECT alias, standing FROM node_compute WHERE alias > $1 ORDER BY alias LIMIT $2";
        let rows = q.query(sql, &[after.into(), RECORDS_STEP.into()], |row| {
            Ok((Alias(row.get(0)?), read::<Standing>(1, &row.get::<Vec<u8>>(1)?)?))
        })?;
        let Some((last, _)) = rows.last() else { return Ok(all) };
        after = i64::from(last.0);
        all.extend(rows);
    }
}
