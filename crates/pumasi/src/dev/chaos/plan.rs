//! Which fault befalls whom when: a pure function of the seed.
//!
//! (A) Same seed, length and number of nodes, same plan. (B) At no moment are more nodes unreachable than may be with writes
//! still acknowledged and all that is acknowledged readable; one of those that are left may have rotten bytes. (C) No node has
//! two faults at a time, nor has the center, and each fault has an end before the plan's. (D) Bits rot on one node only: each
//! acknowledged segment stands on more nodes than rebuild it. (E) Every kind comes before any kind comes again.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A fault comes about every so many milliseconds.
const STEP_MS: u64 = 2_400;
/// Time a node is left alone after a fault.
const REST_MS: u64 = 2_500;
/// The first fault comes after so long.
const QUIET_MS: u64 = 1_500;

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `kill -9` of a node's agent; it starts again.
    KillNode,
    /// A node is stopped and goes on.
    StopNode,
    /// `kill -9` of the center; it starts again.
    KillCenter,
    /// The center is stopped and goes on.
    StopCenter,
    /// `kill -9` of a command in the middle of a put.
    KillPut,
    /// `kill -9` of the agent of the writers' machine; it starts again.
    KillKeeper,
    /// A node's disk is full to the last byte; then there is room again.
    FullDisk,
    /// One bit of one of a node's logs is flipped.
    FlipBit,
    /// A node's network is silent; then it is not.
    CutNode,
    /// Two nodes see each other and nobody else; then everybody.
    Split,
    /// The folder of a node's pieces is not there; then it is.
    MoveDisk,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::KillNode,
        Self::StopNode,
        Self::KillCenter,
        Self::StopCenter,
        Self::KillPut,
        Self::KillKeeper,
        Self::FullDisk,
        Self::FlipBit,
        Self::CutNode,
        Self::Split,
        Self::MoveDisk,
    ];

    /// Its word in what is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::KillNode => "kill_node",
            Self::StopNode => "stop_node",
            Self::KillCenter => "kill_center",
            Self::StopCenter => "stop_center",
            Self::KillPut => "kill_put",
            Self::KillKeeper => "kill_keeper",
            Self::FullDisk => "full_disk",
            Self::FlipBit => "flip_bit",
            Self::CutNode => "cut_node",
            Self::Split => "split",
            Self::MoveDisk => "move_disk",
        }
    }

    /// Nodes it befalls.
    const fn nodes(self) -> usize {
        match self {
            Self::KillCenter | Self::StopCenter | Self::KillPut | Self::KillKeeper => 0,
            Self::Split => 2,
            _ => 1,
        }
    }

    /// How long it lasts, in milliseconds: at least, and at most.
    const fn lasts(self) -> (u64, u64) {
        match self {
            Self::KillNode => (300, 5_000),
            Self::StopNode => (1_000, 6_000),
            Self::KillCenter => (0, 1_500),
            Self::StopCenter => (500, 4_000),
            // How long into the put.
            Self::KillPut => (20, 900),
            Self::KillKeeper => (200, 3_000),
            Self::FullDisk => (3_000, 8_000),
            Self::FlipBit => (0, 0),
            Self::CutNode | Self::Split => (2_000, 9_000),
            // A node looks every five seconds.
            Self::MoveDisk => (6_000, 9_000),
        }
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// When it begins, in milliseconds.
    pub at_ms: u64,
    /// How long it lasts.
    pub lasts_ms: u64,
    /// What it is.
    pub kind: Kind,
    /// Whom it befalls: numbers of nodes, or of one client.
    pub whom: Vec<usize>,
    /// What else is left to chance.
    pub dice: u64,
}

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Seed.
    pub seed: u64,
    /// Length in seconds.
    pub seconds: u64,
    /// Nodes.
    pub nodes: usize,
    /// Clients.
    pub clients: usize,
    /// Most nodes that are unreachable at a time.
    pub down_max: usize,
}

/// Nodes that may be unreachable at a time: of the `n` holders of a segment enough are left for an acknowledgement (`accept`),
/// one of which may be the one with rotten bytes.
pub fn down_max(n: usize, accept: usize) -> usize {
    n.saturating_sub(accept + 1)
}

/// The only node whose bits rot.
pub fn rotten(seed: u64, nodes: usize) -> usize {
    pick(&mut stream(seed, 1), nodes)
}

/// Makes the plan, in the order of its moments.
pub fn plan(ask: &Ask) -> Vec<Fault> {
    let mut rng = stream(ask.seed, 2);
    let rotten = rotten(ask.seed, ask.nodes);
    let (end, mut out, mut bag): (u64, Vec<Fault>, Vec<Kind>) = (ask.seconds * 1_000, Vec::new(), Vec::new());
    let mut begins = QUIET_MS;
    while begins < end {
        let at_ms = begins + rng.next_u64() % (STEP_MS / 3);
        let dice = rng.next_u64();
        if bag.len() < Kind::ALL.len() {
            bag.extend(shuffled(&mut rng));
        }
        // The first in the bag for which there is room now; the others wait for their turn.
        let fitting = bag.iter().enumerate().find_map(|(place, kind)| {
            fault(ask, &out, rotten, &mut rng, (at_ms, *kind)).map(|fault| (place, Fault { dice, ..fault }))
        });
        if let Some((place, fault)) = fitting {
            bag.remove(place);
            out.push(fault);
        }
        begins += STEP_MS;
    }
    out.sort_by_key(|fault| fault.at_ms);
    out
}

/// The fault of a kind at a moment, where there is room for it.
fn fault(ask: &Ask, so_far: &[Fault], rotten: usize, rng: &mut ChaCha8Rng, what: (u64, Kind)) -> Option<Fault> {
    let (at_ms, kind) = what;
    let (least, most) = kind.lasts();
    let lasts_ms = least + rng.next_u64() % (most - least + 1);
    if at_ms + lasts_ms > ask.seconds * 1_000 {
        return None;
    }
    let meets =
        |fault: &&Fault| fault.at_ms < at_ms + lasts_ms + REST_MS && at_ms < fault.at_ms + fault.lasts_ms + REST_MS;
    let now: Vec<&Fault> = so_far.iter().filter(meets).collect();
    let busy: Vec<usize> = now.iter().filter(|f| f.kind.nodes() > 0).flat_map(|f| f.whom.clone()).collect();
    let free: Vec<usize> = (0..ask.nodes).filter(|node| !busy.contains(node)).collect();
    let whom = match kind {
        Kind::KillPut => vec![pick(rng, ask.clients)],
        Kind::KillCenter | Kind::StopCenter | Kind::KillKeeper => {
            let about_the_same = |f: &&Fault| f.kind.nodes() == 0 && f.kind != Kind::KillPut;
            if now.iter().any(about_the_same) {
                return None;
            }
            Vec::new()
        }
        Kind::FlipBit if free.contains(&rotten) => vec![rotten],
        Kind::FlipBit => return None,
        _ if busy.len() + kind.nodes() > ask.down_max || free.len() < kind.nodes() => return None,
        _ => {
            let mut free = free;
            (0..kind.nodes()).map(|_| free.remove(pick(rng, free.len()))).collect()
        }
    };
    Some(Fault { at_ms, lasts_ms, kind, whom, dice: 0 })
}

fn shuffled(rng: &mut ChaCha8Rng) -> Vec<Kind> {
    let mut left = Kind::ALL.to_vec();
    (0..left.len()).map(|_| left.remove(pick(rng, left.len()))).collect()
}

/// A stream of random numbers of its own for each use: one more draw here changes nothing there.
pub fn stream(seed: u64, of: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(of);
    rng
}

/// A number below `end`.
pub fn pick(rng: &mut ChaCha8Rng, end: usize) -> usize {
    usize::try_from(rng.next_u64() % (end.max(1) as u64)).expect("below a length")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(seed: u64, seconds: u64) -> Ask {
        Ask { seed, seconds, nodes: 8, clients: 4, down_max: down_max(8, 4) }
    }

    #[test]
    fn a_plan_is_its_seed_and_never_breaks_more_than_is_survived() {
        for seed in 0..60 {
            let ask = ask(seed, 60);
            let faults = plan(&ask);
            assert_eq!(faults, plan(&ask), "(A)");
            assert!(faults.len() >= 20, "{seed}: {} faults", faults.len());
            for moment in (0..60_000).step_by(200) {
                let on: Vec<&Fault> =
                    faults.iter().filter(|f| f.at_ms <= moment && moment < f.at_ms + f.lasts_ms).collect();
                let mut nodes: Vec<usize> =
                    on.iter().filter(|f| f.kind.nodes() > 0).flat_map(|f| f.whom.clone()).collect();
                assert!(nodes.len() <= ask.down_max, "(B) {seed} at {moment}: {on:?}");
                let before = nodes.len();
                nodes.sort_unstable();
                nodes.dedup();
                assert_eq!(nodes.len(), before, "(C) {seed} at {moment}: {on:?}");
            }
            assert!(faults.iter().all(|f| f.at_ms + f.lasts_ms <= 60_000), "(C)");
            assert!(faults.iter().filter(|f| f.kind == Kind::FlipBit).all(|f| f.whom == [rotten(seed, 8)]), "(D)");
        }
    }

    #[test]
    fn ten_minutes_hold_two_hundred_faults_of_every_kind() {
        for seed in 0..10 {
            let faults = plan(&ask(seed, 600));
            assert!(faults.len() >= 200, "{seed}: {}", faults.len());
            let of = |kind| faults.iter().filter(|f| f.kind == kind).count();
            assert!(Kind::ALL.iter().all(|kind| of(*kind) >= 10), "(E) {seed}: {:?}", Kind::ALL.map(of));
        }
    }
}
