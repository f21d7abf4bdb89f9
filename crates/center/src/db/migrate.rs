//! The schema, step by step, only forward. A step is a numbered file and never changes once it was released; each runs
//! in its own transaction together with the row in `schema_version` that says so.

use super::dialect;
use super::error::DbError;
use super::tx::{Engine, Failure};
use super::value::Value;
use model::Stamp;

/// Every step in order; step `n` is at index `n − 1`.
const STEPS: &[&str] = &[
    include_str!("../../migrations/0001_members_and_nodes.sql"),
    include_str!("../../migrations/0002_measured_and_presence.sql"),
    include_str!("../../migrations/0003_storage.sql"),
    include_str!("../../migrations/0004_learned.sql"),
    include_str!("../../migrations/0005_buckets_and_versions.sql"),
    include_str!("../../migrations/0006_classes_and_regions.sql"),
    include_str!("../../migrations/0007_lighter_segments.sql"),
    include_str!("../../migrations/0008_thin_segments.sql"),
    include_str!("../../migrations/0009_drops.sql"),
    include_str!("../../migrations/0010_accounts.sql"),
    include_str!("../../migrations/0011_quota.sql"),
    include_str!("../../migrations/0012_uploads.sql"),
    include_str!("../../migrations/0013_repair.sql"),
    include_str!("../../migrations/0014_audit.sql"),
    include_str!("../../migrations/0015_hand_over.sql"),
    include_str!("../../migrations/0016_rebuild.sql"),
    include_str!("../../migrations/0017_counted_once.sql"),
    include_str!("../../migrations/0018_regive.sql"),
    include_str!("../../migrations/0019_vetting.sql"),
    include_str!("../../migrations/0020_compute.sql"),
    include_str!("../../migrations/0021_compute_forms.sql"),
    include_str!("../../migrations/0022_dropped_versions.sql"),
    include_str!("../../migrations/0023_ledger.sql"),
    include_str!("../../migrations/0024_settle.sql"),
    include_str!("../../migrations/0025_allowance.sql"),
    include_str!("../../migrations/0026_evidence.sql"),
    include_str!("../../migrations/0027_commons.sql"),
    include_str!("../../migrations/0028_lighter_gifts.sql"),
    include_str!("../../migrations/0029_copies.sql"),
    include_str!("../../migrations/0030_relay.sql"),
    include_str!("../../migrations/0031_node_held.sql"),
];

const VERSION_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT;";

/// The newest schema this program knows.
pub const SCHEMA: i64 = STEPS.len() as i64;

/// Brings the schema up to [`SCHEMA`]; refuses a newer one. Answers the steps taken.
pub(super) fn migrate(engine: &mut Engine<'_>, now: Stamp) -> Result<i64, DbError> {
    let table = dialect::schema(engine, VERSION_TABLE);
    in_step(engine, 0, |engine| engine.batch(&table))?;
    let found = version(engine).map_err(|failure| step_error(0, failure))?;
    if found > SCHEMA {
        return Err(DbError::NewerSchema { found, known: SCHEMA });
    }
    for number in found + 1..=SCHEMA {
        take_step(engine, number, now)?;
    }
    Ok(SCHEMA - found)
}

fn take_step(engine: &mut Engine<'_>, number: i64, now: Stamp) -> Result<(), DbError> {
    let index = usize::try_from(number - 1).expect("steps count from 1");
    let step = dialect::schema(engine, STEPS[index]);
    in_step(engine, number, |engine| {
        if version(engine)? >= number {
            return Ok(()); // another center took it while this one waited for the lock
        }
        engine.batch(&step)?;
        let params = [Value::Int(number), now.into()];
        engine.execute("INSERT INTO schema_version (version, applied_at) VALUES ($1, $2)", &params)?;
        Ok(())
    })
}

fn in_step(
    engine: &mut Engine<'_>,
    number: i64,
    step: impl FnOnce(&mut Engine<'_>) -> Result<(), Failure>,
) -> Result<(), DbError> {
    let begin = dialect::begin_schema(engine);
    engine.batch(&begin).map_err(|failure| step_error(number, failure))?;
    let done = step(engine).and_then(|()| engine.batch("COMMIT"));
    done.map_err(|failure| {
        // The step's own error is the one worth telling; a connection that is gone has rolled back already.
        let _ = engine.batch("ROLLBACK");
        step_error(number, failure)
    })
}

fn version(engine: &mut Engine<'_>) -> Result<i64, Failure> {
    let mut found = 0;
    engine.query("SELECT coalesce(max(version), 0) FROM schema_version", &[], &mut |row| {
        found = row.get(0)?;
        Ok(())
    })?;
    Ok(found)
}

fn step_error(number: i64, failure: Failure) -> DbError {
    match failure.error {
        error @ (DbError::Unwritable { .. } | DbError::Busy { .. }) => error,
        other => DbError::Migration { number, cause: other.to_string() },
    }
}
