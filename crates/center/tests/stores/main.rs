//! One suite for the store on both engines: what SQLite answers, PostgreSQL answers.
//!
//! The cases of `access`, `fleet`, `promises` and `history` run on both; `crash` kills whole processes; `schema` opens
//! older and newer databases; `full`, `disk` and `server` hold what only one engine can suffer. The letters are those of
//! `center::db`.

#![allow(clippy::unwrap_used, reason = "in a test a failed step is a failed test")]

mod access;
mod account;
mod audit;
mod cluster;
mod commons;
mod crash;
mod disk;
mod drain;
mod dropped;
mod fleet;
mod full;
mod history;
mod learned;
mod ledger;
mod log;
mod place;
mod pledged;
mod promises;
mod rebuild;
mod rows;
mod schema;
mod server;
mod settle;
mod standing;
mod storage;
mod upload;

/// Makes of each `async fn name(place: &mut Place)` two tests, one for each engine.
macro_rules! on_both {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        mod on_sqlite {
            $($(#[$doc])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&mut crate::place::Place::sqlite()).await;
            })+
        }
        mod on_postgres {
            $($(#[$doc])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(mut place) = crate::place::Place::postgres() {
                    super::$name(&mut place).await;
                    place.db.close().await;
                }
            })+
        }
    };
}
pub(crate) use on_both;
