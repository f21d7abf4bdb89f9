//! Where the two engines speak differently. Schema steps are written in SQLite's words; PostgreSQL gets them through
//! [`postgres_schema`]; what only one of them understands (triggers) follows a line `--only sqlite` or `--only postgres`, until
//! the next such line. Statements in `store` files use only what both understand: `$N`, `on conflict`, `returning`,
//! `coalesce`, `substr`, comparison of blobs byte by byte.

use super::tx::Engine;

/// Advisory lock that keeps two centers from changing one schema at once: "pumasi" in ASCII.
const SCHEMA_LOCK: i64 = 0x70_75_6d_61_73_69;

/// A schema step in PostgreSQL's words. Only whole upper-case words are touched, so names are written in lower case.
pub(super) fn postgres_schema(step: &str) -> String {
    let step = step.replace(") STRICT, WITHOUT ROWID;", ");").replace(") STRICT;", ");");
    let mut out = String::with_capacity(step.len());
    let mut word = String::new();
    for c in step.chars().chain(std::iter::once('\n')) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        out.push_str(match word.as_str() {
            "INTEGER" => "BIGINT",
            "BLOB" => "BYTEA",
            other => other,
        });
        word.clear();
        out.push(c);
    }
    out
}

/// The lines of a step that are for this engine.
fn lines_for(step: &str, engine: &str) -> String {
    let mut is_for = true;
    let mut out = String::with_capacity(step.len());
    for line in step.lines() {
        match line.strip_prefix("--only ") {
            Some(only) => is_for = only.trim() == engine,
            None if is_for => out.extend([line, "\n"]),
            None => {}
        }
    }
    out
}

/// Lets no other transaction of this kind begin before this one ends; readers go on. Nothing where writers follow one another
/// anyhow. Taken before anything is read, the transaction sees what the one before it wrote.
pub(super) fn lock_table(engine: &Engine<'_>, table: &str) -> Option<String> {
    match engine {
        Engine::Sqlite(_) => None,
        Engine::Postgres(_) => Some(format!("LOCK TABLE {table} IN EXCLUSIVE MODE")),
    }
}

/// How many rows one statement may bear, largest first.
pub(super) const fn rows_at_once(engine: &Engine<'_>) -> &'static [usize] {
    match engine {
        // A statement costs no journey, and one more text is one more thing to compile.
        Engine::Sqlite(_) => &[1],
        Engine::Postgres(_) => &[128, 64, 32, 16, 8, 4, 2, 1],
    }
}

/// Begins the transaction of a schema step, alone.
pub(super) fn begin_schema(engine: &Engine<'_>) -> String {
    match engine {
        Engine::Sqlite(_) => "BEGIN IMMEDIATE".to_owned(),
        Engine::Postgres(_) => format!("BEGIN; SELECT pg_advisory_xact_lock({SCHEMA_LOCK})"),
    }
}

/// The step in the words of this engine.
pub(super) fn schema(engine: &Engine<'_>, step: &str) -> String {
    match engine {
        Engine::Sqlite(_) => lines_for(step, "sqlite"),
        Engine::Postgres(_) => postgres_schema(&lines_for(step, "postgres")),
    }
}

#[cfg(test)]
mod tests {
    use super::{lines_for, postgres_schema};

    #[test]
    fn each_engine_reads_its_own_lines() {
        let step = "both\n--only sqlite\nS\n--only postgres\nP\n";
        assert_eq!(
            (lines_for(step, "sqlite").as_str(), lines_for(step, "postgres").as_str()),
            ("both\nS\n", "both\nP\n")
        );
    }

    #[test]
    fn only_types_and_table_options_change() {
        let step =
            "CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB NOT NULL, blob_count INTEGER) STRICT, WITHOUT ROWID;";
        assert_eq!(
            postgres_schema(step).trim_end(),
            "CREATE TABLE t (id BIGINT PRIMARY KEY, b BYTEA NOT NULL, blob_count BIGINT);"
        );
    }
}
