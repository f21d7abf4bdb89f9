//! Who earned and who paid so far: storage and computing settled by themselves, the whole book replayed, a liar unpaid.

use super::compute::{LIES, MEMBER};
use super::{Cloud, LOOK_EVERY, PATIENCE, said};
use crate::cli::{ledger, wallet};
use model::{AccountNo, Code, Credits, Ucredit};
use std::time::Instant;

/// A member as the book has it.
pub struct Earner {
    /// Its name.
    pub name: String,
    /// Credited to it.
    pub earned: Ucredit,
    /// Debited from it.
    pub paid: Ucredit,
    /// Of both, as its wallet says.
    pub balance: Credits,
}

impl Cloud {
    /// The ledger once storage, and where there were walls computing, is settled: each member's wallet is the sum of its rows, all
    /// balances together are nothing, the replay comes to the center's own state; who lied about results earned nothing by them.
    pub async fn ledger(&self, has_computed: bool) -> Result<Vec<Earner>, String> {
        let begun = Instant::now();
        let all = loop {
            let sums = ledger::sums(&self.operator).await.map_err(|e| said(&e))?;
            let is_there = |code: Code| sums.keys().any(|(_, of)| *of == code);
            if is_there(Code::Storage) && (!has_computed || is_there(Code::Compute)) {
                break sums;
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("nothing was settled after {} s", begun.elapsed().as_secs()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let of = |account: AccountNo, code: Code| all.get(&(account, code)).copied().unwrap_or_default();
        let mut out = Vec::with_capacity(self.nodes.len());
        for (n, machine) in self.nodes.iter().enumerate() {
            let has = wallet::of_member(&machine.app).await.map_err(|e| said(&e))?;
            let compute = of(has.account, Code::Compute);
            if has_computed && n == LIES && compute.0 != Ucredit::ZERO {
                return Err(format!("{} lied and was paid {} for it", has.name, compute.0));
            }
            if has_computed && n == MEMBER && compute.1 == Ucredit::ZERO {
                return Err(format!("{} had words counted and paid nothing", has.name));
            }
            let (earned, paid, balance) = (has.credits, has.debits, has.balance());
            out.push(Earner { name: has.name, earned, paid, balance });
        }
        if has_computed && !out.iter().any(|one| one.earned > Ucredit::ZERO) {
            return Err("nobody earned anything".into());
        }
        ledger::verified(&self.operator).await.map_err(|e| said(&e))?;
        self.wallets_are_their_rows().await?;
        Ok(out)
    }

    /// One number everywhere: what wallets say is what the rows add up to. Looked at again where something was settled meanwhile.
    async fn wallets_are_their_rows(&self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let before = ledger::sums(&self.operator).await.map_err(|e| said(&e))?;
            let mut differs = None;
            for machine in &self.nodes {
                let has = wallet::of_member(&machine.app).await.map_err(|e| said(&e))?;
                let own = before.iter().filter(|((account, _), _)| *account == has.account);
                let sum = own.fold((0u64, 0u64), |sum, (_, (into, out))| (sum.0 + into.0, sum.1 + out.0));
                if sum != (has.credits.0, has.debits.0) {
                    differs = Some(format!("{}: its wallet says {}, its rows another sum", has.name, has.balance()));
                }
            }
            if ledger::sums(&self.operator).await.map_err(|e| said(&e))? == before {
                return differs.map_or(Ok(()), Err);
            }
        }
        Err("the book does not stand still for long enough to look at it".into())
    }
}
