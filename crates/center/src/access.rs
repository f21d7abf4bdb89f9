//! Access at the center: members, devices, tickets, joining.

pub mod api;
pub mod join;
pub mod store;
