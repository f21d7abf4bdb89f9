//! Every wait, queue, retry and copy of computing has its limit here (`docs/design/compute.md` §13).
//!
//! (A) No other file of `compute` waits, tries again or keeps a list without a constant from here.

use model::{Ppm, Span};

/// A lease nobody renews lives so long.
pub const LEASE: Span = Span::secs(90);
/// A node with leases checks in so often.
pub const CHECK_IN: Span = Span::secs(30);
/// After a restart a node that was not heard of for so long is not waited for where nothing else is left to hand out.
pub const ANNOUNCE_WAIT: Span = Span::secs(15);
/// A job that is over and still runs something again is kept so much longer at most.
pub const FORGET_WITHIN: Span = Span::hours(24);
/// Silence of a node's stream until it is suspect.
pub const SUSPECT: Span = Span::secs(15);
/// A lease is of an earlier life of its node if it was given by more than this before the node began to run.
pub const LIFE_SLACK: Span = Span::secs(1);
/// A lease whose attempt is parked lives so long from parking.
pub const PARK_GRACE: Span = Span::secs(300);
/// From `store` to `done`.
pub const STORE_WITHIN: Span = Span::secs(300);
/// A request for work is parked so long.
pub const PARKED_REQUEST: Span = Span::secs(60);
/// A renewed lease ends for good so long after it was granted, or three times what it was expected to take, or after the wall
/// times of its items, whichever is longest.
pub const LEASE_LIFE: Span = Span::hours(1);
/// Slots of one request.
pub const SLOTS_MAX: usize = 32;
/// Leases of one answer.
pub const GRANTS_MAX: usize = 8;
/// A task is cut to last so long.
pub const TASK_TARGET: Span = Span::secs(300);
/// Longer tasks need a node that has been on for [`STEADY_AGE`].
pub const TASK_MAX: Span = Span::secs(1_800);
/// See above.
pub const STEADY_AGE: Span = Span::hours(1);
/// Items of one bundle.
pub const BUNDLE_ITEMS: u32 = 64;
/// A bundle of short items is filled up to this.
pub const BUNDLE_MIN: Span = Span::secs(60);
/// Items shorter than this are bundled.
pub const BUNDLED_BELOW: Span = Span::secs(10);
/// Input of one bundle.
pub const BUNDLE_BYTES: u64 = 256 << 20;
/// The first items of a stage run alone and show what the others take.
pub const PILOTS: u32 = 8;
/// Tasks of a job with a budget that run at a time while less is known.
pub const PILOTS_PAID: usize = 2;
/// Under a budget an item begins where so many times the largest so far is left, and may take that.
pub const BUDGET_ROOM: u64 = 2;
/// Fuel of an item where the job says none: so many times the largest of the pilots …
pub const AUTO_FUEL_TIMES: u64 = 20;
/// … but at least this …
pub const AUTO_FUEL_LEAST: u64 = 10_000_000_000;
/// … and the pilots themselves get this.
pub const PILOT_FUEL: u64 = 100_000_000_000_000;
/// Fuel that an item of unknown length is counted with when accounts take turns.
pub const UNKNOWN_FUEL: u64 = 1_000_000_000;
/// Attempts of one item.
pub const ATTEMPTS_MAX: u8 = 8;
/// Attempts of one item of which all but one were lost.
pub const ATTEMPTS_LOST_MAX: u8 = 16;
/// Failures that are the job's until an item is given up …
pub const STRIKES: usize = 3;
/// … on the machines of so many owners.
pub const STRIKE_OWNERS: usize = 2;
/// Tries of an item whose input is out of reach …
pub const INPUT_TRIES: u8 = 6;
/// … with so much time between them.
pub const INPUT_AGAIN: Span = Span::mins(10);
/// After a failure of the machine an item is handed out again so much later.
pub const HOST_AGAIN: Span = Span::secs(2);
/// A node that failed an item gets it again when nobody else took it for so long.
pub const SAME_NODE_AGAIN: Span = Span::mins(5);
/// Of the first so many items …
pub const FIRST_ITEMS: u32 = 50;
/// … at most this share may fail before the job asks.
pub const FIRST_FAILED_MAX: Ppm = Ppm::percent(20);
/// A running task is copied when it has taken so many percent of what was expected.
pub const TAIL_PERCENT: u64 = 150;
/// Live copies of an item.
pub const TAIL_COPIES: usize = 2;
/// … of an interactive job.
pub const TAIL_COPIES_INTERACTIVE: usize = 3;
/// A copy that lost the race is left alone if it ends so soon.
pub const CANCEL_UNLESS_WITHIN: Span = Span::secs(60);
/// Oldest tasks of a job that are looked at for a copy.
pub const TAIL_LOOK: usize = 64;
/// Items that need another copy and are looked at for one slot.
pub const SPECIAL_LOOK: usize = 64;
/// Nodes whose score is within so many percent of the best are equally fit.
pub const EQUALLY_FIT_PERCENT: u64 = 150;
/// From so many owners on, one owner gets at most [`OWNER_SHARE`] of a job's items.
pub const OWNER_CAP_FROM: usize = 40;
/// See above.
pub const OWNER_SHARE: Ppm = Ppm::percent(5);
/// Share of all slots that one job may hold while others wait.
pub const JOB_SHARE: Ppm = Ppm::percent(50);
/// Checks passed in a row until not every item of a node is checked.
pub const TRUSTED_AFTER: u32 = 6;
/// Checks passed in a row until a node decides disputes.
pub const ARBITER_AFTER: u32 = 100;
/// Share of items checked at least, fast.
pub const CHECK_FLOOR_FAST: Ppm = Ppm::percent(6);
/// Share of items checked at least, standard.
pub const CHECK_FLOOR_STANDARD: Ppm = Ppm(105_000);
/// Share of items that run twice in a circle.
pub const CHECK_CIRCLE: Ppm = Ppm::percent(2);
/// Share of leases that repeat an item whose result is known. A check looks at two nodes and an item, this at one node: so it is
/// the smaller part of what is spent on looking.
pub const CANARY_SHARE: Ppm = Ppm(5_000);
/// Known results of a stage that are kept for that.
pub const CANARIES_KEPT: usize = 64;
/// Chance that the result of a node nobody has checked is wrong (**assumed**).
pub const WRONG_AT_FIRST: Ppm = Ppm::percent(10);
/// A standard result is wrong with at most this chance.
pub const WRONG_MAX: Ppm = Ppm::percent(1);
/// Results of one item that are compared, at most; more that differ blame nobody.
pub const VOTES_MAX: usize = 5;
/// So often in one job a node may have run something else than two others who agree; from then on each of its results of that
/// job is checked, what it did of it unchecked is run again, and results that do not count are not paid.
pub const OTHER_INPUT_MAX: usize = 3;
/// Networks, or regions, from which on two copies must differ in it.
pub const SPREAD_FROM: usize = 3;
/// A check that no machine is left to do is waited for so long, then waived; a dispute is given up.
pub const CHECK_WAIT: Span = Span::mins(30);
/// Unchecked items of a node that are run again when it is found lying.
pub const REDO_WINDOW: usize = 1_000;
/// Earnings wait for a check at most so long.
pub const PENDING: Span = Span::hours(24);
/// An item that takes more than so many times the fuel of 95 % of the others is always checked.
pub const FUEL_ODD_TIMES: u64 = 2;
/// Items of a stage until that is judged.
pub const FUEL_ODD_AFTER: u32 = 100;
/// Items of a stage.
pub const ITEMS_MAX: u32 = 10_000_000;
/// Stages of a job.
pub const STAGES_MAX: usize = 32;
/// The cursor is reserved in blocks of at most so many items.
pub const CURSOR_BLOCK: u32 = 1_024;
/// A node that was not heard of for so long is no longer counted as there.
pub const NODE_THERE: Span = Span::secs(180);
/// Failed items, liars and nodes listed in an answer.
pub const LISTED_MAX: usize = 100;
/// Leases that are over are remembered so long, for reports whose answer was lost.
pub const OVER_KEPT: Span = Span::secs(30);
/// Shortest time between two looks at waiting nodes for tail copies.
pub const TAIL_EVERY: Span = Span::secs(1);
/// A task is copied only when it has run so long, however short it was expected to be.
pub const TAIL_LEAST: Span = Span::secs(5);
/// A job of fewer items does not ask when some fail.
pub const FIRST_ITEMS_LEAST: u32 = 10;
/// A dispute waits so long for a node that has passed [`ARBITER_AFTER`] checks before any third owner decides it.
pub const ARBITER_WAIT: Span = Span::mins(5);
/// The figures of the fleet (owners, networks, regions) are counted anew so often.
pub const COUNT_EVERY: Span = Span::secs(10);
/// Earnings that wait are looked through so often.
pub const AGE_EVERY: Span = Span::mins(10);
/// Nodes that hold the blocks of one stage.
pub const SHUFFLE_HOLDERS_MAX: usize = 16;
/// Whether holders are still there is looked at so often.
pub const HOLDERS_EVERY: Span = Span::secs(10);
/// Among so few nodes newcomers are looked for with each lease while a stage has its pilots.
pub const HOLDERS_LOOK: usize = 64;
/// A part waits so long for its holder to have room; then anybody merges it.
pub const HOLDER_WAIT: Span = Span::secs(3);
/// Waves of a stage in which lost blocks are made again; from then on its blocks go through storage.
pub const SHUFFLE_WAVES_MAX: u32 = 3;
/// Blocks that wait longer than this go through storage.
pub const SHUFFLE_LAG_MAX: Span = Span::mins(60);
/// So do all blocks of a stage of which more items than this are expected to lose both copies of one …
pub const SHUFFLE_LOST_LEAST: u64 = 1;
/// … and more than this share of its items: to make so few again is cheaper than to store everybody's.
pub const SHUFFLE_LOST_SHARE: Ppm = Ppm(1_000);
/// Items that one report names as missing.
pub const MISSING_MAX: usize = 4_096;
/// After so many such reports a stranger's node merges nothing more of that job.
pub const MISSING_SAYS_MAX: u32 = 32;
