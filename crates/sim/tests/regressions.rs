//! Every run of `regressions.txt` again, for ever.

use sim::Seed;
use sim::hosts::Mix;
use sim::scene::{Size, scenario};

#[test]
fn runs_that_failed_once_pass() {
    let lines = include_str!("../regressions.txt").lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    for line in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, seed, nodes, days, mix] = fields[..] else { panic!("five fields: {line}") };
        let size = Size { nodes: nodes.parse().unwrap(), days: days.parse().unwrap(), mix: Mix::named(mix).unwrap() };
        let scenario = scenario(name).unwrap_or_else(|| panic!("a scenario: {line}"));
        let outcome = (scenario.run)(size, Seed(seed.parse().unwrap()));
        assert_eq!(outcome.violation, None, "{}", outcome.replay_line());
    }
}
