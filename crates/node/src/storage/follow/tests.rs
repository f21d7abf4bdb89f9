//! A node against a center that is a list: what is dropped goes to the trash, comes back, goes for good, and room with it.

use super::*;
use crate::storage::tests::{holds, key_of, limits, put, size_of};
use crate::storage::{StoreLimits, scrub};
use model::Bytes;
use rules::storage::scrub::ROUND;
use std::sync::Mutex;
use wire::storage::LogEntry;

const T0: Stamp = Stamp(1_800_000_000_000);

/// The log of one group as the center has it, and what it heard.
#[derive(Default)]
struct Center {
    log: Vec<LogEntry>,
    head: u64,
    is_off: bool,
    is_thin: bool,
    yours: Vec<u16>,
    lost: Vec<LostPiece>,
    asked: usize,
}

impl Center {
    /// The segment takes the group's next place.
    fn say(&mut self, seed: u64, is_drop: bool) {
        let id = key_of(seed).segment;
        self.log.retain(|entry| entry.id != id);
        self.head += 1;
        self.log.push(LogEntry { seq: self.head, id, is_drop });
    }

    fn answer(&mut self, request: Request) -> Option<Reply> {
        if self.is_off {
            return None;
        }
        match request {
            Request::GroupLog(ask) => {
                self.asked += 1;
                let after: Vec<LogEntry> = self.log.iter().copied().filter(|e| e.seq > ask.after).collect();
                // Small pages, so that more than one is read.
                let page: Vec<LogEntry> = after.iter().copied().take(3).collect();
                let more = page.len() < after.len();
                Some(Reply::GroupLog(LogPage {
                    entries: page,
                    head: self.head,
                    more,
                    is_whole: !self.is_thin,
                    yours: self.yours.clone(),
                }))
            }
            Request::PiecesLost(lost) => {
                self.lost.extend(lost);
                Some(Reply::Done)
            }
            _ => None,
        }
    }
}

struct World {
    dir: tempfile::TempDir,
    center: Arc<Mutex<Center>>,
    follower: Follower,
}

/// Pieces of even seeds, so that all are of one group.
const SEEDS: [u64; 8] = [2, 6, 10, 14, 18, 22, 26, 30];
const PG: PgId = PgId(0);

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let center = Arc::new(Mutex::new(Center::default()));
        let limits = StoreLimits { log_max: Bytes::mib(4), ..limits() };
        let store = PieceStore::open(dir.path(), limits).await.unwrap();
        for seed in SEEDS {
            put(&store, seed).await.unwrap();
            center.lock().unwrap().say(seed, false);
        }
        center.lock().unwrap().yours = (0..=255).collect();
        let cursors = Arc::new(Cursors::open(dir.path()).unwrap());
        let heard = Arc::clone(&center);
        let ask: Ask = Arc::new(move |request| {
            let reply = heard.lock().unwrap().answer(request);
            Box::pin(async move { reply })
        });
        Self {
            dir,
            center,
            follower: Follower {
                store,
                cursors,
                ask,
                resting: Default::default(),
                scale: watch::Sender::default().subscribe(),
            },
        }
    }

    fn center(&self) -> std::sync::MutexGuard<'_, Center> {
        self.center.lock().unwrap()
    }

    async fn turn(&self, moved: bool, now: Stamp) -> Followed {
        let moved: &[PgId] = if moved { &[PG] } else { &[] };
        self.follower.turn(moved, now).await.unwrap()
    }

    async fn trashed(&self, seed: u64) -> Option<Stamp> {
        self.follower.store.get(key_of(seed)).await.unwrap().unwrap().trashed_at()
    }

    fn blocks(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let folder = self.dir.path().join("pg-00000000");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap());
        files.map(|file| file.blocks() * 512).sum()
    }
}

#[tokio::test]
async fn what_is_dropped_is_trashed_comes_back_and_goes_for_good_with_its_room() {
    let world = World::new().await;
    assert_eq!(world.turn(false, T0).await, Followed::default());
    assert_eq!(world.follower.cursors.all().unwrap()[&PG].seq, 8);
    for seed in &SEEDS[..6] {
        world.center().say(*seed, true);
    }
    let later = T0 + Span::hours(1);
    assert_eq!(world.turn(false, later).await.trashed, 0, "nobody said that the group moved");
    assert_eq!(world.turn(true, later).await.trashed, 6);
    assert_eq!(world.trashed(SEEDS[0]).await, Some(later));
    assert_eq!(world.follower.cursors.all().unwrap()[&PG].seq, 14);
    // A segment that is written again takes its pieces out of the trash.
    world.center().say(SEEDS[0], false);
    assert_eq!(world.turn(true, later + Span::hours(1)).await.taken_back, 1);
    assert_eq!(world.trashed(SEEDS[0]).await, None);
    // A day before the trash is over nothing goes, nor while the group is below its refill mark.
    assert_eq!(world.turn(false, later + Span::days(13)).await, Followed::default());
    world.center().is_thin = true;
    let asked = world.center().asked;
    let at = later + Span::days(15);
    assert_eq!(world.turn(false, at).await, Followed::default());
    let thin = world.center().asked;
    assert!(thin > asked);
    assert_eq!(world.turn(false, at + Span::mins(9)).await, Followed::default());
    assert_eq!(world.center().asked, thin, "a group that may not forget is not asked for all the time");
    world.center().is_thin = false;
    let before = world.blocks();
    assert_eq!(world.turn(false, at + Span::mins(11)).await.removed, 5);
    while !world.follower.store.compact_step(Bytes::mib(1)).await.unwrap().done {}
    let after = world.blocks();
    let gone: u64 = SEEDS[1..6].iter().map(|seed| size_of(*seed) as u64).sum();
    assert!(before >= after + gone, "{before} bytes on the disk became {after}, {gone} were dropped");
    for seed in SEEDS {
        let stays = seed == SEEDS[0] || SEEDS[6..].contains(&seed);
        assert_eq!(holds(&world.follower.store, seed).await, stays, "piece {seed}");
    }
}

#[tokio::test]
async fn a_group_below_its_refill_mark_trashes_nothing_until_it_is_whole() {
    let world = World::new().await;
    world.turn(false, T0).await;
    world.center().say(SEEDS[0], true);
    world.center().is_thin = true;
    assert_eq!(world.turn(true, T0 + Span::hours(1)).await, Followed::default());
    world.center().is_thin = false;
    assert_eq!(world.turn(true, T0 + Span::hours(2)).await.trashed, 1);
}

#[tokio::test]
async fn an_index_that_was_given_to_somebody_else_is_dropped_once_its_group_lacks_nothing() {
    let world = World::new().await;
    world.turn(false, T0).await;
    let index = key_of(SEEDS[2]).index;
    let ours: Vec<u64> = SEEDS.into_iter().filter(|seed| key_of(*seed).index == index).collect();
    world.center().yours.retain(|yours| *yours != index);
    world.center().is_thin = true;
    let later = T0 + FULL_EVERY;
    assert_eq!(world.turn(false, later).await, Followed::default(), "(D) a group that lacks pieces may need this one");
    world.center().is_thin = false;
    let later = later + FULL_EVERY;
    assert_eq!(world.turn(false, later).await.trashed, ours.len() as u64, "(D)");
    world.center().yours.push(index);
    assert_eq!(world.turn(false, later + FULL_EVERY).await.taken_back, ours.len() as u64, "it is its own again");
}

#[tokio::test]
async fn a_piece_the_log_does_not_know_is_kept_three_days_and_a_center_that_is_off_drops_nothing() {
    let world = World::new().await;
    put(&world.follower.store, 34).await.unwrap();
    world.turn(false, T0).await;
    assert_eq!(world.turn(false, T0 + Span::hours(71)).await, Followed::default());
    world.center().is_off = true;
    let at = T0 + Span::days(4);
    assert!(matches!(world.follower.turn(&[], at).await, Err(FollowError::NoAnswer)));
    assert_eq!(world.trashed(34).await, None);
    world.center().is_off = false;
    assert_eq!(world.turn(false, at).await.trashed, 1);
    assert_eq!(world.trashed(34).await, Some(at));
    world.center().say(34, false);
    assert_eq!(world.turn(true, at + Span::hours(1)).await.taken_back, 1);
}

#[tokio::test]
async fn under_a_center_for_tests_the_trash_and_the_wait_for_unknown_pieces_are_short() {
    let mut world = World::new().await;
    let scale = watch::Sender::new(TimeScale(4_320));
    world.follower.scale = scale.subscribe();
    put(&world.follower.store, 34).await.unwrap();
    world.turn(false, T0).await;
    world.center().say(SEEDS[0], true);
    assert_eq!(world.turn(true, T0 + Span::secs(1)).await.trashed, 1);
    // All of the log is read every 20 s of such days, what it does not know waits for one minute.
    assert_eq!(world.turn(false, T0 + Span::secs(59)).await, Followed::default());
    assert_eq!(world.turn(false, T0 + Span::secs(80)).await.trashed, 1, "the unknown one");
    assert_eq!(world.turn(false, T0 + Span::secs(280)).await.removed, 0);
    assert_eq!(world.turn(false, T0 + Span::secs(281)).await.removed, 1);
    // The center says that it is no test: two weeks again.
    scale.send_replace(TimeScale(1));
    assert_eq!(world.turn(false, T0 + Span::days(13)).await.removed, 0);
}

#[tokio::test]
async fn an_older_center_makes_everything_read_anew_and_nothing_dropped() {
    let world = World::new().await;
    world.turn(false, T0).await;
    // The center of yesterday knows of half of the segments, and of one drop.
    {
        let mut center = world.center();
        center.log.truncate(4);
        center.head = 4;
        center.log[3].is_drop = true;
    }
    assert_eq!(world.turn(true, T0 + Span::hours(1)).await, Followed::default());
    assert_eq!(world.follower.cursors.all().unwrap()[&PG], Cursor::default());
    // Then all of its log is read: its drops count, what it does not know waits for three days.
    assert_eq!(world.turn(false, T0 + Span::hours(2)).await.trashed, 1);
}

#[tokio::test]
async fn a_damaged_piece_is_found_by_the_nodes_own_look_told_once_and_taken_again() {
    let world = World::new().await;
    let store = &world.follower.store;
    let logs: Vec<_> = std::fs::read_dir(world.dir.path().join("pg-00000000")).unwrap().collect();
    let path = logs[0].as_ref().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = 1024 + 1024 + 50;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (mut looked, mut now) = (0, T0);
    while now < T0 + Span::days(31) {
        looked += scrub::step(store, &world.follower.cursors, ROUND, now).await.unwrap();
        now = now + Span::hours(3);
    }
    assert!(looked >= 8, "{looked} of 8 pieces were looked at");
    assert_eq!(store.usage().damaged, 1);
    let damaged = store.list_damaged(9)[0].key;
    let done = world.turn(false, now).await;
    let heard = std::mem::take(&mut world.center().lost);
    assert_eq!((done.lost, heard.len()), (1, 1));
    assert_eq!((heard[0].segment, heard[0].pg), (damaged.segment, PG));
    assert_eq!((store.usage().damaged, store.usage().pieces), (0, 7));
    assert_eq!(world.turn(false, now).await.lost, 0);
    put(store, SEEDS[0]).await.unwrap();
    assert!(holds(store, SEEDS[0]).await);
}

#[tokio::test]
async fn how_far_a_node_is_outlives_a_restart_and_a_damaged_file_begins_anew() {
    let world = World::new().await;
    world.turn(false, T0).await;
    scrub::step(&world.follower.store, &world.follower.cursors, ROUND, T0).await.unwrap();
    scrub::step(&world.follower.store, &world.follower.cursors, ROUND, T0 + Span::days(3)).await.unwrap();
    let round = world.follower.cursors.round().unwrap().unwrap();
    assert!(round.done > u64::MAX / 11 && round.done < u64::MAX / 9, "{}", round.done);
    let dir = world.dir.path().to_owned();
    let World { dir: _keep, follower, .. } = world;
    drop(follower);
    let cursors = Cursors::open(&dir).unwrap();
    assert_eq!((cursors.all().unwrap()[&PG].seq, cursors.round().unwrap()), (8, Some(round)));
    drop(cursors);
    std::fs::write(dir.join("groups.sqlite"), [7; 5000]).unwrap();
    let cursors = Cursors::open(&dir).unwrap();
    assert!(cursors.all().unwrap().is_empty() && cursors.round().unwrap().is_none());
}
