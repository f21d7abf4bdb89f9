//! Where the two engines speak differently. Schema steps are written in SQLite's words; PostgreSQL gets them through
//! [`postgres_schema`]. Statements in `store` files use only what both understand: `$N`, `on conflict`, `returning`,
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
        Engine::Sqlite(_) => step.to_owned(),
        Engine::Postgres(_) => postgres_schema(step),
    }
}

#[cfg(test)]
mod tests {
    use super::postgres_schema;

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
