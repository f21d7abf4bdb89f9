//! Storage at the center: placement groups, segment records, sealed names. No payload and no key passes here.

pub mod api;
pub mod store;
