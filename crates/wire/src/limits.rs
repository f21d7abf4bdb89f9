//! Named limits of everything that is sent.

/// Longest frame on any stream, in bytes.
pub const FRAME_MAX: usize = 1 << 20;
/// Longest request to the center.
pub const REQUEST_MAX: usize = 64 << 10;
/// Longest answer of the center.
pub const REPLY_MAX: usize = 1 << 20;
/// Longest check-in going up.
pub const CHECK_IN_MAX: usize = 8 << 10;
/// Longest answer to a check-in.
pub const CHECK_IN_REPLY_MAX: usize = 64 << 10;
/// Direct addresses a peer may announce.
pub const ADDRS_MAX: usize = 16;
/// Relays a peer may announce.
pub const RELAYS_MAX: usize = 2;
/// Leases named in a check-in or its answer.
pub const LEASES_MAX: usize = 64;
/// Probes asked for in one answer.
pub const PROBES_MAX: usize = 8;
/// Notices to the owner in one answer.
pub const NOTICES_MAX: usize = 4;
/// Name of a node, device or member, in bytes.
pub const NAME_MAX: usize = 64;
/// Rows in one page of a list.
pub const PAGE_MAX: usize = 1_000;
/// Direct addresses in a ticket.
pub const TICKET_ADDRS_MAX: usize = 3;
/// Longest ticket as text.
pub const TICKET_TEXT_MAX: usize = 512;
/// Runs of segments in one commit.
pub const COMMIT_RUNS_MAX: usize = 4_096;
/// Segments of one object.
pub const OBJECT_SEGMENTS_MAX: u32 = 1_000_000;
/// Segments told as written in one message.
pub const SEGMENTS_KEEP_MAX: usize = 64;
/// Commits in one batch.
pub const COMMITS_MAX: usize = 64;
/// Segments of one piece of a steward's work.
pub const STEWARD_SEGMENTS_MAX: usize = 64;
/// Runs of staged segments asked about at once.
pub const STAGED_RUNS_MAX: usize = 64;
/// Segments of those.
pub const STAGED_SEGMENTS_MAX: usize = 1_024;
/// Groups a reader says it has permits for.
pub const KNOWN_GROUPS_MAX: usize = 64;
/// Segments in one answer to a reader.
pub const READ_SEGMENTS_MAX: u16 = 256;
/// Sealed name of a bucket in bytes.
pub const LABEL_MAX: usize = 512;
/// Regions one bucket names.
pub const REGIONS_MAX: usize = 32;
/// Whole domains in one bucket's report.
pub const FATES_MAX: usize = 16;
/// Buckets of one member.
pub const BUCKETS_MAX: usize = 1_000;
/// Longest sealed manifest kept at the center.
pub const MANIFEST_MAX: usize = 8 << 10;
/// Longest sealed name in bytes.
pub const SEALED_NAME_MAX: usize = 2 << 10;
/// Places of a group's log in one answer.
pub const LOG_PAGE_MAX: u16 = 2_048;
/// Pieces told as lost in one message.
pub const LOST_MAX: usize = 256;
/// Cursors of groups in one check-in.
pub const CURSORS_MAX: usize = 32;
/// Longest line on the control socket.
pub const LOCAL_LINE_MAX: usize = 1 << 20;
/// Bytes of one step of adding a device.
pub const PAIR_BYTES_MAX: usize = 8 << 10;
/// Steps of it.
pub const PAIR_STEPS: u8 = 5;
/// Longest sealed keybag in bytes.
pub const KEYBAG_MAX: usize = 1 << 10;
/// Note of a grant, sealed, in bytes.
pub const GRANT_NOTE_MAX: usize = 2 << 10;
/// Grants in one list.
pub const GRANTS_MAX: usize = 256;
/// Longest link as text.
pub const LINK_TEXT_MAX: usize = 16 << 10;
/// Uploads in parts that are open in one bucket.
pub const UPLOADS_MAX: usize = 1_000;
/// Parts of one object.
pub const PARTS_MAX: u16 = 10_000;
/// Pieces in one answer to who asks for a locator.
pub const LOCATED_MAX: u16 = 256;
/// Slices of one challenge.
pub const AUDIT_PICKS_MAX: usize = 16;
/// Longest slice with its proofs in bytes.
pub const SLICE_MAX: usize = 18 << 10;
/// Bytes of one frame of an answer to an audit: a slice and what the protocol adds.
pub const AUDIT_FRAME_MAX: usize = SLICE_MAX + 64;
/// Slices that prove nothing, told in one report.
pub const AUDIT_WRONG_MAX: usize = 2;
/// Pieces of a fill test in one lease.
pub const FILL_PIECES_MAX: usize = 8;
/// Longest voucher in bytes.
pub const VOUCHER_MAX: usize = 40 << 10;
/// Slots of one group.
pub const GROUP_SLOTS_MAX: usize = 256;
/// Places in groups that a voucher names.
pub const VOUCHED_SLOTS_MAX: usize = 4_096;
/// Pieces in one page of a slot's digests.
pub const DIGESTS_MAX: usize = 768;
/// Entries of a device log that come with an account from the pool.
pub const BRING_ENTRIES_MAX: usize = 16;
/// Ids of segments in one page, or looked for at once.
pub const SEGMENT_IDS_MAX: usize = 1_024;
/// Changes told again in one message.
pub const REPLAY_MAX: usize = 256;
/// Holders told to who knows a locator.
pub const HOLDERS_MAX: usize = 256;
/// Longest copy of an account in the pool in bytes.
pub const ACCOUNT_COPY_MAX: usize = 4 << 20;
/// Machines that hold one job's keys.
pub const KEEPERS_MAX: usize = 4;
/// Stages of one job.
pub const STAGES_MAX: usize = 32;
/// Items of one job, all stages together.
pub const JOB_ITEMS_MAX: u64 = 10_000_000;
/// Items given up that a job's detail names.
pub const FAILURES_MAX: usize = 64;
/// Free places in one request for work.
pub const SLOTS_MAX: usize = 32;
/// Engines a node runs.
pub const ENGINES_MAX: usize = 4;
/// Leases in one answer.
pub const WORK_LEASES_MAX: usize = 8;
/// Reports in one call.
pub const REPORTS_MAX: usize = 64;
/// Longest answer of a keeper in bytes.
pub const PARCELS_MAX: usize = FRAME_MAX;
/// Blocks handed over at once.
pub const BLOCKS_PUT_MAX: usize = 128;
/// Blocks asked for at once.
pub const BLOCKS_GET_MAX: usize = 1_024;
/// Longest answer to who asks for a block, without its bytes.
pub const BLOCK_ANSWER_MAX: usize = 4 << 10;
/// Map items whose blocks are told as lost at once.
pub const MISSING_MAX: usize = 4_096;
/// Jobs asked about at once.
pub const JOBS_LIVE_MAX: usize = 256;
/// Holds that a wallet lists.
pub const HOLDS_SHOWN: usize = 256;
/// Changes of a limit that are listed.
pub const LIMIT_CHANGES_SHOWN: usize = 64;
/// Lines of one page of a statement.
pub const STATEMENT_LINES: usize = 1_000;
/// Lines of a statement that bears the center's word.
pub const SEALED_LINES: u64 = 100_000;
/// Parts of what was settled, in one answer.
pub const LEDGER_PARTS: usize = 1_000;
/// Days of the book in one answer.
pub const LEDGER_DAYS: usize = 400;
/// Rows of one page of the book.
pub const LEDGER_ROWS: usize = 4_096;
/// Receipts of one batch of a node: with their permits and totals so many fit into a frame.
pub const SETTLE_RECEIPTS_MAX: usize = 2_048;
/// Longest request that settles a batch; all others have [`REQUEST_MAX`].
pub const SETTLE_MAX: usize = FRAME_MAX;
