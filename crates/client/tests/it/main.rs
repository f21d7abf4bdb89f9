//! A member's side against holders of every bad kind, over the real transport: in one process, with a center that keeps
//! everything in memory and believes everybody, so that nothing but the client can find what is wrong.

#![allow(clippy::unwrap_used, reason = "in a test a failed step is a failed test")]

mod hostile;
mod world;
