//! System benches: each has a question and a bar, runs real processes of this program, and prints figures in one form.

pub mod center;
mod figure;
mod pipeline;
mod process;
pub mod report;
mod rows;
pub mod storage;
