//! The figures of a run, in the order of the table.

use super::count::days;
use super::snapshot::SHARES;
use super::{Durability, yearly};
use crate::check::Figure;
use model::Span;

/// Names of the mass-kill figures: exact, drawn, closed form.
const KILLS: [[&str; 3]; SHARES.len()] = [
    ["kill_30_exact", "kill_30_drawn", "kill_30_closed_form"],
    ["kill_40_exact", "kill_40_drawn", "kill_40_closed_form"],
    ["kill_50_exact", "kill_50_drawn", "kill_50_closed_form"],
    ["kill_55_exact", "kill_55_drawn", "kill_55_closed_form"],
    ["kill_60_exact", "kill_60_drawn", "kill_60_closed_form"],
    ["kill_70_exact", "kill_70_drawn", "kill_70_closed_form"],
];
const OUTSIDE: [&str; 3] = ["outside_any_system_min", "outside_any_network_min", "outside_any_country_min"];
const FATAL: [&str; 3] = ["lost_with_a_system", "lost_with_a_network", "lost_with_a_country"];

/// Everything that is printed of a run.
pub(super) fn figures(scene: &Durability) -> Vec<Figure> {
    let mut all = promises(scene);
    all.extend(traffic(scene));
    all.extend(pool(scene));
    all.extend(kills(scene));
    all
}

fn figure(id: &'static str, value: f64, unit: &'static str) -> Figure {
    Figure { id, value, unit }
}

fn count(id: &'static str, value: u64) -> Figure {
    figure(id, value as f64, "1")
}

/// Loss and readability, with what cannot be excluded at 95 %.
fn promises(scene: &Durability) -> Vec<Figure> {
    let (counts, groups) = (&scene.counts, &scene.groups);
    let group_days = groups.len() as f64 * counts.judged_days();
    let short: Span = groups.iter().fold(Span::ZERO, |sum, g| sum + g.short);
    let lost = groups.iter().filter(|g| g.lost_at.is_some()).count();
    let hours = group_days * 24.0;
    let mut minima: Vec<f64> = groups.iter().map(|g| f64::from(g.alive_min)).collect();
    let (chain, tail) =
        (yearly::by_chain(&scene.scheme, counts), yearly::by_tail(scene.scheme.k, groups, counts.judged_days()));
    let churn = yearly::churn(counts);
    let unreadable = days(short) * 24.0;
    vec![
        count("groups", u64::try_from(groups.len()).unwrap_or(0)),
        figure("segment_hours", hours, "h"),
        figure("unreadable_segment_hours", unreadable, "h"),
        figure("unreadable_share", unreadable / hours, "1"),
        figure("unreadable_share_upper95", (unreadable + 3.0) / hours, "1"),
        count("ever_unreadable", groups.iter().map(|g| u64::from(g.short > Span::ZERO)).sum()),
        count("lost", u64::try_from(lost).unwrap_or(0)),
        // The same under the id that pages of the project name; likewise `repair_ratio_month`.
        count("lost_segments", u64::try_from(lost).unwrap_or(0)),
        figure("lost_upper95", upper95(lost) / groups.len() as f64, "1"),
        figure("lost_a_year_upper95", upper95(lost) / (group_days / 365.0), "1/y"),
        figure("alive_min", quantile(&mut minima, 0.0), "1"),
        figure("alive_min_p1", quantile(&mut minima, 0.01), "1"),
        figure("alive_min_p50", quantile(&mut minima, 0.5), "1"),
        figure("loss_a_year_counted", lost as f64 / (group_days / 365.0), "1/y"),
        figure("loss_a_year_chain", chain, "1/y"),
        figure("loss_a_year_tail", tail, "1/y"),
        figure("piece_life_days", churn.map_or(f64::NAN, |c| c.life_days), "d"),
        figure("repair_days_mean", churn.map_or(f64::NAN, |c| c.repair_days), "d"),
        count("struck", u64::try_from(counts.struck).unwrap_or(0)),
        count("lost_at_once", counts.lost_at_once),
        figure(
            "above_m_after_days",
            counts
                .above_m
                .map_or(f64::NAN, |at| days(at.since(scene.begin() + Span::days(u64::from(scene.setup.blow_day))))),
            "d",
        ),
    ]
}

/// What repair moved, how long it took, and which indexes it gave.
fn traffic(scene: &Durability) -> Vec<Figure> {
    let counts = &scene.counts;
    let stored = scene.groups.len() as f64 * f64::from(scene.scheme.k) * scene.setup.slot.0 as f64;
    let months = counts.judged_days() / 30.0;
    let moved = counts.gathered + counts.pushed;
    let pieces = counts.piece_hours / counts.hours.max(1) as f64;
    let (mut low, mut plan) = (counts.low_days.clone(), counts.plan_days.clone());
    vec![
        figure("repair_a_month", moved / stored / months, "1"),
        figure("repair_ratio_month", moved / stored / months, "1"),
        figure("repair_a_month_of_held", moved / (pieces * scene.setup.slot.0 as f64) / months, "1"),
        figure("gathered_a_month", counts.gathered / stored / months, "1"),
        count("repairs_planned", counts.plans),
        count("repairs_for_few_pieces", counts.causes[0]),
        count("repairs_for_one_domain", counts.causes[1]),
        count("repairs_for_coverage", counts.causes[2]),
        count("slots_given", counts.added),
        count("slots_unmet", counts.unmet),
        count("indexes_regiven", counts.regiven),
        count("plans_worn_out", counts.worn_out),
        figure("first_worn_out_day", counts.first_worn_out.map_or(f64::NAN, |at| days(at.since(counts.opened))), "d"),
        count("hours_without_steward", counts.without_steward),
        figure("repair_days_p50", quantile(&mut low, 0.5), "d"),
        figure("repair_days_p99", quantile(&mut low, 0.99), "d"),
        figure("plan_days_p50", quantile(&mut plan, 0.5), "d"),
        figure("plan_days_p99", quantile(&mut plan, 0.99), "d"),
        figure("alive_mean", pieces / scene.groups.len() as f64, "1"),
        figure("surge_days", counts.surge_hours as f64 / 24.0, "d"),
    ]
}

/// What the pool was like.
fn pool(scene: &Durability) -> Vec<Figure> {
    let counts = &scene.counts;
    let nodes = counts.nodes_days.max(1) as f64;
    let share = |id, of: u64| figure(id, of as f64 / nodes, "1");
    vec![
        figure("departures_a_node_year", counts.leaves as f64 * 365.0 / nodes, "1/y"),
        figure("nodes_mean", nodes / counts.days.max(1) as f64, "1"),
        share("always_on_share", counts.always_days),
        share("on_share", counts.on_days),
        share("vetted_share", counts.vetted_days),
        share("windows_share", counts.windows_days),
        count("called_missing", counts.called_missing),
        count("returned_from_missing", counts.returned),
        figure("slots_at_first_mean", counts.slots_new as f64 / scene.groups.len() as f64, "1"),
        count("uncovered_at_first", counts.uncovered_new),
        count("over_a_cap_at_first", counts.over_new),
        figure("probation_share_max", counts.probation_max, "1"),
        count("probation_slots_at_first", counts.young_added),
    ]
}

fn kills(scene: &Durability) -> Vec<Figure> {
    let snapshot = &scene.counts.snapshot;
    if snapshot.groups == 0 {
        return Vec::new();
    }
    let groups = snapshot.groups as f64;
    let mut all = Vec::new();
    for (at, [exact, drawn, closed]) in KILLS.into_iter().enumerate() {
        all.push(figure(exact, snapshot.exact[at] / groups, "1"));
        all.push(figure(drawn, snapshot.drawn[at] as f64 / groups, "1"));
        all.push(figure(closed, snapshot.closed_form(at), "1"));
    }
    for at in 0..OUTSIDE.len() {
        all.push(figure(OUTSIDE[at], f64::from(snapshot.outside[at]), "1"));
        all.push(count(FATAL[at], snapshot.fatal[at]));
    }
    all
}

/// Largest expected number that so few would be counted of with a chance of 5 %: 3 for none, by the usual approximation above.
fn upper95(counted: usize) -> f64 {
    let n = counted as f64;
    if counted == 0 { 3.0 } else { n + 1.645 * n.sqrt() + 1.7 }
}

/// The value below which a share of all lie.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}
