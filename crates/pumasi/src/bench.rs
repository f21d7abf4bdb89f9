//! System benches: each has a question and a bar, runs real processes of this program, and prints figures in one form.

pub mod center;
pub mod compute;
mod figure;
pub mod gateway;
pub mod ledger;
mod pipeline;
mod process;
pub mod report;
mod rows;
mod stand;
pub mod storage;
