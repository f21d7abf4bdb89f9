//! Access: who is taken in.

pub mod admit;
