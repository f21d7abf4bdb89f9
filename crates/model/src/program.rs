//! The program's name, in one place. Everything that bears it derives from here.

/// Name of the program, its binary, its directories and its metrics.
pub const NAME: &str = "pumasi";
/// Prefix of the environment variables that mirror global flags.
pub const ENV_PREFIX: &str = "PUMASI_";
/// Prefix of a ticket, format 1.
pub const TICKET_PREFIX: &str = "pumasi1";
/// Prefix of a cloud's public key as people copy it.
pub const CLOUD_KEY_PREFIX: &str = "pumasi1pk";
/// Application protocol of our connections; the number is the wire version.
pub const ALPN: &[u8] = b"pumasi/1";
/// Version of the wire protocol this program speaks; it also understands the one before.
pub const WIRE_VERSION: u16 = 1;
