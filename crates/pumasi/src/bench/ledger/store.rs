//! The store alone: groups to the writer a center uses.

use super::{MEMBERS, id, sides};
use crate::cli::ledger::{verify_book, write_book};
use crate::clock::now;
use crate::fault::Fault;
use center::db::{Db, DbUrl, StoreError, meta};
use center::ledger::{Intent, Ledger, Posting, store};
use model::{AccountClass, AccountNo, Code, MemberState, Ucredit};
use rules::ledger::{Act, Ask, Group, Outcome, Starter};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A ledger with members.
#[derive(Clone)]
pub struct Store {
    ledger: Ledger,
    accounts: Arc<Vec<AccountNo>>,
}

impl Store {
    /// Opens one; refuses a database that holds a cloud, whose book nobody could clean of this.
    pub async fn open(url: &DbUrl) -> Result<Self, Fault> {
        let db = Db::open(url).map_err(Fault::bug)?;
        if db.read(|q| Ok(meta::get(q, meta::CLOUD_KEY)?)).await.map_err(Fault::bug)?.is_some() {
            return Err(Fault::bad_value("postgres", &url.to_string(), "the database holds a cloud"));
        }
        let ledger = Ledger::start(db.clone(), now).await.map_err(Fault::bug)?;
        let opened = db.write(|tx| {
            let open = |n: u64| {
                let mut owner = [0; 16];
                owner[..8].copy_from_slice(&n.to_le_bytes());
                let terms = (MemberState::Active, Ucredit::whole(2_000));
                let opened = store::account::open(tx, AccountClass::Member, &owner, terms, now())?;
                Ok(opened.account.no)
            };
            (0..MEMBERS).map(open).collect::<Result<Vec<_>, StoreError>>()
        });
        let accounts = Arc::new(opened.await.map_err(Fault::bug)?);
        Ok(Self { ledger, accounts })
    }

    /// Posts the `n`th gift; true where it was made now.
    pub async fn give(&self, n: u64) -> Result<bool, Fault> {
        let (debit, credit) = sides(n);
        let (debit, credit) = (self.accounts[debit], self.accounts[credit]);
        let id = id(n);
        let act = Act::Move { debit, credit, amount: Ucredit(1 + n % 1_000) };
        let asks = vec![Ask { id, act, code: Code::Gift, reference: None }];
        let group = Group { starter: Starter::Member { account: debit, with_bridge: false }, asks };
        let intents = vec![Intent { transfer: id, key: [1; 32], signature: [2; 64] }];
        let answer = self.ledger.post(Posting { group, intents }).await.map_err(Fault::bug)?;
        Ok(matches!(answer, Outcome::Applied(_)))
    }

    /// Rows a second of its book, exported to a file, that are read and added up again as `ledger verify` does.
    pub async fn verified(&self, path: &Path) -> Result<f64, Fault> {
        let rows = write_book(self.ledger.db(), path).await?;
        let (path, begun) = (path.to_owned(), Instant::now());
        let verified = tokio::task::spawn_blocking(move || verify_book(&path)).await.map_err(Fault::bug)??;
        if verified != rows {
            return Err(Fault::bug(format!("{verified} rows of {rows} were verified")));
        }
        Ok(rows as f64 / begun.elapsed().as_secs_f64())
    }

    /// Sees that the book is sound, and closes it; how many rows it has.
    pub async fn end(self) -> Result<u64, Fault> {
        let sound = self.ledger.audit().await.map_err(Fault::bug)?;
        let db = self.ledger.db().clone();
        drop(self);
        db.close().await;
        Ok(sound.rows)
    }
}
