//! Formats of the wire: golden bytes and hostile bytes.

mod golden;
mod hostile;
mod samples;
