//! Access at the center: members, devices, tickets, joining.

pub mod account;
pub mod api;
pub mod grants;
pub mod join;
pub(crate) mod speakers;
pub mod store;
