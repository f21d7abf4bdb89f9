//! The registry of errors: one list for exit codes, HTTP statuses and the keys of every language's text.
//!
//! Ids are never reused and never change meaning. Texts and fixes live in `console` (`texts/en.ftl`, `texts/zh-Hans.ftl`)
//! under the key `e0001`, `e0001-fix`; a test there compares both files with this list.

/// One row: what a refusal or error is called, how a command ends with it and what HTTP answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorRow {
    /// `E0001` … as people quote it.
    pub id: &'static str,
    /// Machine-readable name.
    pub code: &'static str,
    /// Exit code of a command that ends with it.
    pub exit: u8,
    /// HTTP status, 0 where it never travels by HTTP.
    pub http: u16,
}

/// An entry of [`REGISTRY`], by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ErrorId(pub u16);

impl ErrorId {
    /// Its row; an unknown number (from a newer peer) is answered with the row of a bug, so that nothing is hidden.
    pub fn row(self) -> &'static ErrorRow {
        REGISTRY.iter().find(|row| row.id[1..].parse() == Ok(self.0)).unwrap_or(&BUG_ROW)
    }
    /// `E0001`.
    pub fn id(self) -> String {
        format!("E{:04}", self.0)
    }
}

impl std::fmt::Display for ErrorId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "E{:04}", self.0)
    }
}

const fn row(id: &'static str, code: &'static str, exit: u8, http: u16) -> ErrorRow {
    ErrorRow { id, code, exit, http }
}

const BUG_ROW: ErrorRow = row("E0901", "bug", 70, 500);

/// `usage`
pub const USAGE: ErrorId = ErrorId(1);
/// `bad_value`
pub const BAD_VALUE: ErrorId = ErrorId(2);
/// `config_key`
pub const CONFIG_KEY: ErrorId = ErrorId(3);
/// `config_unreadable`
pub const CONFIG_UNREADABLE: ErrorId = ErrorId(4);
/// `not_interactive`
pub const NOT_INTERACTIVE: ErrorId = ErrorId(5);
/// `already_running`
pub const ALREADY_RUNNING: ErrorId = ErrorId(6);
/// `disk_full`
pub const DISK_FULL: ErrorId = ErrorId(7);
/// `version_skew`
pub const VERSION_SKEW: ErrorId = ErrorId(8);
/// `timed_out`
pub const TIMED_OUT: ErrorId = ErrorId(9);
/// `partial`
pub const PARTIAL: ErrorId = ErrorId(10);
/// `clock_wrong`
pub const CLOCK_WRONG: ErrorId = ErrorId(11);
/// `read_only`
pub const READ_ONLY: ErrorId = ErrorId(12);
/// `too_large`
pub const TOO_LARGE: ErrorId = ErrorId(13);
/// `rate_limited`
pub const RATE_LIMITED: ErrorId = ErrorId(14);
/// `id_reused`
pub const ID_REUSED: ErrorId = ErrorId(15);
/// `not_joined`
pub const NOT_JOINED: ErrorId = ErrorId(101);
/// `ticket_damaged`
pub const TICKET_DAMAGED: ErrorId = ErrorId(102);
/// `ticket_expired`
pub const TICKET_EXPIRED: ErrorId = ErrorId(103);
/// `ticket_used`
pub const TICKET_USED: ErrorId = ErrorId(104);
/// `center_key`
pub const CENTER_KEY: ErrorId = ErrorId(105);
/// `not_allowed`
pub const NOT_ALLOWED: ErrorId = ErrorId(106);
/// `not_signed_in`
pub const NOT_SIGNED_IN: ErrorId = ErrorId(107);
/// `grant_expired`
pub const GRANT_EXPIRED: ErrorId = ErrorId(108);
/// `grant_revoked`
pub const GRANT_REVOKED: ErrorId = ErrorId(109);
/// `device_removed`
pub const DEVICE_REMOVED: ErrorId = ErrorId(110);
/// `key_missing`
pub const KEY_MISSING: ErrorId = ErrorId(111);
/// `key_wrong`
pub const KEY_WRONG: ErrorId = ErrorId(112);
/// `phrase_unchecked`
pub const PHRASE_UNCHECKED: ErrorId = ErrorId(113);
/// `member_frozen`
pub const MEMBER_FROZEN: ErrorId = ErrorId(114);
/// `foreign_origin`
pub const FOREIGN_ORIGIN: ErrorId = ErrorId(115);
/// `bad_signature`
pub const BAD_SIGNATURE: ErrorId = ErrorId(116);
/// `bad_permit`
pub const BAD_PERMIT: ErrorId = ErrorId(117);
/// `device_forked`
pub const DEVICE_FORKED: ErrorId = ErrorId(118);
/// `key_commitment`
pub const KEY_COMMITMENT: ErrorId = ErrorId(119);
/// `kdf_too_weak`
pub const KDF_TOO_WEAK: ErrorId = ErrorId(120);
/// `agent_down`
pub const AGENT_DOWN: ErrorId = ErrorId(201);
/// `not_lending`
pub const NOT_LENDING: ErrorId = ErrorId(202);
/// `node_unknown`
pub const NODE_UNKNOWN: ErrorId = ErrorId(203);
/// `node_offline`
pub const NODE_OFFLINE: ErrorId = ErrorId(204);
/// `limit_below_use`
pub const LIMIT_BELOW_USE: ErrorId = ErrorId(205);
/// `service_install`
pub const SERVICE_INSTALL: ErrorId = ErrorId(206);
/// `quarantined`
pub const QUARANTINED: ErrorId = ErrorId(207);
/// `plan_stale`
pub const PLAN_STALE: ErrorId = ErrorId(208);
/// `cell_full`
pub const CELL_FULL: ErrorId = ErrorId(209);
/// `owner_blocked`
pub const OWNER_BLOCKED: ErrorId = ErrorId(210);
/// `no_route`
pub const NO_ROUTE: ErrorId = ErrorId(211);
/// `pieces_gone`
pub const PIECES_GONE: ErrorId = ErrorId(212);
/// `bucket_unknown`
pub const BUCKET_UNKNOWN: ErrorId = ErrorId(301);
/// `bucket_exists`
pub const BUCKET_EXISTS: ErrorId = ErrorId(302);
/// `bucket_not_empty`
pub const BUCKET_NOT_EMPTY: ErrorId = ErrorId(303);
/// `object_unknown`
pub const OBJECT_UNKNOWN: ErrorId = ErrorId(304);
/// `precondition`
pub const PRECONDITION: ErrorId = ErrorId(305);
/// `too_few_nodes`
pub const TOO_FEW_NODES: ErrorId = ErrorId(306);
/// `unreadable_now`
pub const UNREADABLE_NOW: ErrorId = ErrorId(307);
/// `damaged`
pub const DAMAGED: ErrorId = ErrorId(308);
/// `owner_damaged`
pub const OWNER_DAMAGED: ErrorId = ErrorId(309);
/// `bad_name`
pub const BAD_NAME: ErrorId = ErrorId(310);
/// `bucket_limit`
pub const BUCKET_LIMIT: ErrorId = ErrorId(311);
/// `retained`
pub const RETAINED: ErrorId = ErrorId(312);
/// `no_mount`
pub const NO_MOUNT: ErrorId = ErrorId(313);
/// `bad_range`
pub const BAD_RANGE: ErrorId = ErrorId(314);
/// `lease_stale`
pub const LEASE_STALE: ErrorId = ErrorId(315);
/// `root_mismatch`
pub const ROOT_MISMATCH: ErrorId = ErrorId(316);
/// `class_not_offered`
pub const CLASS_NOT_OFFERED: ErrorId = ErrorId(317);
/// `upload_unknown`
pub const UPLOAD_UNKNOWN: ErrorId = ErrorId(318);
/// `no_capacity`
pub const NO_CAPACITY: ErrorId = ErrorId(401);
/// `bad_module`
pub const BAD_MODULE: ErrorId = ErrorId(402);
/// `bad_import`
pub const BAD_IMPORT: ErrorId = ErrorId(403);
/// `task_too_long`
pub const TASK_TOO_LONG: ErrorId = ErrorId(404);
/// `guest_failed`
pub const GUEST_FAILED: ErrorId = ErrorId(405);
/// `memory_over`
pub const MEMORY_OVER: ErrorId = ErrorId(406);
/// `results_differ`
pub const RESULTS_DIFFER: ErrorId = ErrorId(407);
/// `job_unknown`
pub const JOB_UNKNOWN: ErrorId = ErrorId(408);
/// `job_over`
pub const JOB_OVER: ErrorId = ErrorId(409);
/// `job_budget`
pub const JOB_BUDGET: ErrorId = ErrorId(410);
/// `not_deterministic`
pub const NOT_DETERMINISTIC: ErrorId = ErrorId(411);
/// `service_down`
pub const SERVICE_DOWN: ErrorId = ErrorId(412);
/// `no_input`
pub const NO_INPUT: ErrorId = ErrorId(413);
/// `engine_old`
pub const ENGINE_OLD: ErrorId = ErrorId(414);
/// `too_few_owners`
pub const TOO_FEW_OWNERS: ErrorId = ErrorId(415);
/// `consent_missing`
pub const CONSENT_MISSING: ErrorId = ErrorId(501);
/// `consent_gone`
pub const CONSENT_GONE: ErrorId = ErrorId(502);
/// `target_private`
pub const TARGET_PRIVATE: ErrorId = ErrorId(503);
/// `over_consent`
pub const OVER_CONSENT: ErrorId = ErrorId(504);
/// `bad_scenario`
pub const BAD_SCENARIO: ErrorId = ErrorId(505);
/// `region_thin`
pub const REGION_THIN: ErrorId = ErrorId(506);
/// `target_busy`
pub const TARGET_BUSY: ErrorId = ErrorId(507);
/// `threshold_failed`
pub const THRESHOLD_FAILED: ErrorId = ErrorId(508);
/// `run_tainted`
pub const RUN_TAINTED: ErrorId = ErrorId(509);
/// `run_braked`
pub const RUN_BRAKED: ErrorId = ErrorId(510);
/// `target_moved`
pub const TARGET_MOVED: ErrorId = ErrorId(511);
/// `above_cap`
pub const ABOVE_CAP: ErrorId = ErrorId(512);
/// `credits_short`
pub const CREDITS_SHORT: ErrorId = ErrorId(601);
/// `at_limit`
pub const AT_LIMIT: ErrorId = ErrorId(602);
/// `quote_stale`
pub const QUOTE_STALE: ErrorId = ErrorId(603);
/// `transfer_conflict`
pub const TRANSFER_CONFLICT: ErrorId = ErrorId(604);
/// `bad_receipt`
pub const BAD_RECEIPT: ErrorId = ErrorId(605);
/// `hold_over`
pub const HOLD_OVER: ErrorId = ErrorId(606);
/// `id_time`
pub const ID_TIME: ErrorId = ErrorId(607);
/// `account_unknown`
pub const ACCOUNT_UNKNOWN: ErrorId = ErrorId(608);
/// `unbalanced_price`
pub const UNBALANCED_PRICE: ErrorId = ErrorId(609);
/// `window_closed`
pub const WINDOW_CLOSED: ErrorId = ErrorId(610);
/// `ledger_stopped`
pub const LEDGER_STOPPED: ErrorId = ErrorId(611);
/// `ledger_broken`
pub const LEDGER_BROKEN: ErrorId = ErrorId(612);
/// `above_max`
pub const ABOVE_MAX: ErrorId = ErrorId(613);
/// `bounty_unknown`
pub const BOUNTY_UNKNOWN: ErrorId = ErrorId(701);
/// `bounty_state`
pub const BOUNTY_STATE: ErrorId = ErrorId(702);
/// `no_place`
pub const NO_PLACE: ErrorId = ErrorId(703);
/// `claim_over`
pub const CLAIM_OVER: ErrorId = ErrorId(704);
/// `not_qualified`
pub const NOT_QUALIFIED: ErrorId = ErrorId(705);
/// `own_bounty`
pub const OWN_BOUNTY: ErrorId = ErrorId(706);
/// `reason_needed`
pub const REASON_NEEDED: ErrorId = ErrorId(707);
/// `review_over`
pub const REVIEW_OVER: ErrorId = ErrorId(708);
/// `bad_shares`
pub const BAD_SHARES: ErrorId = ErrorId(709);
/// `rejects_frozen`
pub const REJECTS_FROZEN: ErrorId = ErrorId(710);
/// `shares_unsigned`
pub const SHARES_UNSIGNED: ErrorId = ErrorId(711);
/// `revisions_used`
pub const REVISIONS_USED: ErrorId = ErrorId(712);
/// `budget_spent`
pub const BUDGET_SPENT: ErrorId = ErrorId(713);
/// `center_unreachable`
pub const CENTER_UNREACHABLE: ErrorId = ErrorId(801);
/// `peer_unreachable`
pub const PEER_UNREACHABLE: ErrorId = ErrorId(802);
/// `relay_full`
pub const RELAY_FULL: ErrorId = ErrorId(803);
/// `db_unwritable`
pub const DB_UNWRITABLE: ErrorId = ErrorId(804);
/// `bad_backup`
pub const BAD_BACKUP: ErrorId = ErrorId(805);
/// `port_taken`
pub const PORT_TAKEN: ErrorId = ErrorId(806);
/// `bad_release`
pub const BAD_RELEASE: ErrorId = ErrorId(807);
/// `rollback_seen`
pub const ROLLBACK_SEEN: ErrorId = ErrorId(808);
/// `fork_seen`
pub const FORK_SEEN: ErrorId = ErrorId(809);
/// `copy_differs`
pub const COPY_DIFFERS: ErrorId = ErrorId(810);
/// `format_rolled_back`
pub const FORMAT_ROLLED_BACK: ErrorId = ErrorId(811);
/// `bug`
pub const BUG: ErrorId = ErrorId(901);
/// `not_in_build`
pub const NOT_IN_BUILD: ErrorId = ErrorId(902);

/// Every error there is, in the order of ids.
pub const REGISTRY: &[ErrorRow] = &[
    row("E0001", "usage", 2, 400),
    row("E0002", "bad_value", 2, 400),
    row("E0003", "config_key", 2, 0),
    row("E0004", "config_unreadable", 2, 0),
    row("E0005", "not_interactive", 2, 0),
    row("E0006", "already_running", 5, 0),
    row("E0007", "disk_full", 1, 0),
    row("E0008", "version_skew", 5, 426),
    row("E0009", "timed_out", 10, 504),
    row("E0010", "partial", 9, 207),
    row("E0011", "clock_wrong", 1, 400),
    row("E0012", "read_only", 5, 503),
    row("E0013", "too_large", 2, 413),
    row("E0014", "rate_limited", 1, 429),
    row("E0015", "id_reused", 5, 409),
    row("E0101", "not_joined", 3, 0),
    row("E0102", "ticket_damaged", 4, 400),
    row("E0103", "ticket_expired", 4, 410),
    row("E0104", "ticket_used", 5, 409),
    row("E0105", "center_key", 4, 0),
    row("E0106", "not_allowed", 4, 403),
    row("E0107", "not_signed_in", 4, 401),
    row("E0108", "grant_expired", 4, 403),
    row("E0109", "grant_revoked", 4, 403),
    row("E0110", "device_removed", 4, 403),
    row("E0111", "key_missing", 4, 0),
    row("E0112", "key_wrong", 4, 403),
    row("E0113", "phrase_unchecked", 5, 0),
    row("E0114", "member_frozen", 4, 403),
    row("E0115", "foreign_origin", 4, 403),
    row("E0116", "bad_signature", 8, 400),
    row("E0117", "bad_permit", 4, 403),
    row("E0118", "device_forked", 8, 409),
    row("E0119", "key_commitment", 8, 0),
    row("E0120", "kdf_too_weak", 8, 0),
    row("E0201", "agent_down", 12, 0),
    row("E0202", "not_lending", 5, 409),
    row("E0203", "node_unknown", 3, 404),
    row("E0204", "node_offline", 7, 409),
    row("E0205", "limit_below_use", 5, 0),
    row("E0206", "service_install", 1, 0),
    row("E0207", "quarantined", 4, 403),
    row("E0208", "plan_stale", 5, 409),
    row("E0209", "cell_full", 7, 503),
    row("E0210", "owner_blocked", 4, 403),
    row("E0211", "no_route", 11, 0),
    row("E0212", "pieces_gone", 5, 0),
    row("E0301", "bucket_unknown", 3, 404),
    row("E0302", "bucket_exists", 5, 409),
    row("E0303", "bucket_not_empty", 5, 409),
    row("E0304", "object_unknown", 3, 404),
    row("E0305", "precondition", 5, 412),
    row("E0306", "too_few_nodes", 7, 503),
    row("E0307", "unreadable_now", 7, 503),
    row("E0308", "damaged", 8, 500),
    row("E0309", "owner_damaged", 8, 409),
    row("E0310", "bad_name", 2, 400),
    row("E0311", "bucket_limit", 5, 409),
    row("E0312", "retained", 4, 403),
    row("E0313", "no_mount", 1, 0),
    row("E0314", "bad_range", 2, 416),
    row("E0315", "lease_stale", 5, 409),
    row("E0316", "root_mismatch", 8, 422),
    row("E0317", "class_not_offered", 7, 409),
    row("E0318", "upload_unknown", 3, 404),
    row("E0401", "no_capacity", 7, 503),
    row("E0402", "bad_module", 2, 400),
    row("E0403", "bad_import", 2, 400),
    row("E0404", "task_too_long", 2, 400),
    row("E0405", "guest_failed", 20, 422),
    row("E0406", "memory_over", 20, 422),
    row("E0407", "results_differ", 8, 409),
    row("E0408", "job_unknown", 3, 404),
    row("E0409", "job_over", 5, 409),
    row("E0410", "job_budget", 6, 402),
    row("E0411", "not_deterministic", 4, 403),
    row("E0412", "service_down", 7, 502),
    row("E0413", "no_input", 3, 404),
    row("E0414", "engine_old", 5, 426),
    row("E0415", "too_few_owners", 7, 503),
    row("E0501", "consent_missing", 4, 403),
    row("E0502", "consent_gone", 97, 409),
    row("E0503", "target_private", 4, 403),
    row("E0504", "over_consent", 4, 403),
    row("E0505", "bad_scenario", 2, 400),
    row("E0506", "region_thin", 7, 503),
    row("E0507", "target_busy", 5, 409),
    row("E0508", "threshold_failed", 99, 200),
    row("E0509", "run_tainted", 96, 200),
    row("E0510", "run_braked", 97, 200),
    row("E0511", "target_moved", 4, 409),
    row("E0512", "above_cap", 4, 403),
    row("E0601", "credits_short", 6, 402),
    row("E0602", "at_limit", 6, 402),
    row("E0603", "quote_stale", 5, 409),
    row("E0604", "transfer_conflict", 5, 409),
    row("E0605", "bad_receipt", 8, 400),
    row("E0606", "hold_over", 5, 409),
    row("E0607", "id_time", 2, 400),
    row("E0608", "account_unknown", 3, 404),
    row("E0609", "unbalanced_price", 2, 400),
    row("E0610", "window_closed", 5, 409),
    row("E0611", "ledger_stopped", 8, 503),
    row("E0612", "ledger_broken", 8, 0),
    row("E0613", "above_max", 6, 402),
    row("E0701", "bounty_unknown", 3, 404),
    row("E0702", "bounty_state", 5, 409),
    row("E0703", "no_place", 5, 409),
    row("E0704", "claim_over", 5, 410),
    row("E0705", "not_qualified", 4, 403),
    row("E0706", "own_bounty", 4, 403),
    row("E0707", "reason_needed", 2, 400),
    row("E0708", "review_over", 5, 409),
    row("E0709", "bad_shares", 2, 400),
    row("E0710", "rejects_frozen", 4, 403),
    row("E0711", "shares_unsigned", 5, 409),
    row("E0712", "revisions_used", 5, 409),
    row("E0713", "budget_spent", 6, 402),
    row("E0801", "center_unreachable", 11, 0),
    row("E0802", "peer_unreachable", 7, 504),
    row("E0803", "relay_full", 7, 503),
    row("E0804", "db_unwritable", 1, 503),
    row("E0805", "bad_backup", 8, 0),
    row("E0806", "port_taken", 5, 0),
    row("E0807", "bad_release", 8, 0),
    row("E0808", "rollback_seen", 8, 0),
    row("E0809", "fork_seen", 8, 0),
    row("E0810", "copy_differs", 8, 0),
    row("E0811", "format_rolled_back", 8, 0),
    row("E0901", "bug", 70, 500),
    row("E0902", "not_in_build", 2, 501),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_codes_are_unique_and_in_order() {
        assert!(REGISTRY.windows(2).all(|pair| pair[0].id < pair[1].id));
        let mut codes: Vec<_> = REGISTRY.iter().map(|row| row.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), REGISTRY.len());
    }

    #[test]
    fn a_number_finds_its_row_and_an_unknown_one_is_a_bug() {
        assert_eq!(TICKET_EXPIRED.row().code, "ticket_expired");
        assert_eq!(ErrorId(9999).row().exit, 70);
    }
}
