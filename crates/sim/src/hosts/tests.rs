use super::*;
use model::Span;

const T0: Stamp = Stamp(1_800_000_000_000);

/// Share of time on over `years` of `hosts` hosts.
fn share(model: &HostModel, hosts: u32, days: u64) -> f64 {
    let end = T0 + Span::days(days);
    let on: u64 = (0..hosts)
        .flat_map(|i| Sessions::new(model, Seed(11), i, Span::hours(8), T0, end))
        .map(|s| s.end.since(s.start).as_ms())
        .sum();
    on as f64 / (u64::from(hosts) * Span::days(days).as_ms()) as f64
}

#[test]
fn models_reproduce_their_published_share_on() {
    for model in MODELS.iter().filter(|m| m.name != "seti_raw") {
        let got = share(model, 200, 1_000);
        assert!((got - model.long_run_on).abs() < 0.04, "{}: {got:.3}, published {}", model.name, model.long_run_on);
    }
}

#[test]
fn the_uncut_law_of_seti_has_the_published_tail_of_gaps() {
    let mut rng = Seed(3).named("gaps");
    let gaps: Vec<Span> = (0..100_000).map(|_| Law::LogNormal(-0.586, 2.844).draw(&mut rng)).collect();
    for (hours, published) in [(24, 0.09), (72, 0.044), (168, 0.022)] {
        let over = gaps.iter().filter(|g| **g > Span::hours(hours)).count() as f64 / gaps.len() as f64;
        assert!((over - published).abs() < 0.01, "{hours} h: {over:.4}, published {published}");
    }
}

#[test]
fn sessions_are_in_order_and_apart() {
    for mix in Mix::ALL {
        for host in 0..200 {
            let sessions =
                mix.sessions(Seed(5), host, Session { start: T0, end: T0 + Span::days(60) }, &Layers::default());
            assert!(sessions.iter().all(|s| s.start < s.end && s.start >= T0 && s.end <= T0 + Span::days(60)));
            assert!(sessions.windows(2).all(|w| w[0].end <= w[1].start), "{} {host}", mix.name);
        }
    }
}

#[test]
fn mixes_name_models_and_sum_to_a_whole() {
    for mix in Mix::ALL {
        let hosts = 20_000;
        let count = |name| (0..hosts).filter(|i| mix.model_of(Seed(1), *i).name == name).count();
        let seen: usize = MODELS.iter().map(|m| count(m.name)).sum();
        assert_eq!(seen, hosts as usize);
    }
    let stewards = (0..20_000).filter(|i| Mix::named("homes").unwrap().model_of(Seed(1), *i).name == "steward").count();
    assert!((2_850..3_150).contains(&stewards), "15 % of 20,000, drawn {stewards}");
}

#[test]
fn a_weekday_machine_is_off_on_sunday_and_on_at_noon_on_monday() {
    let weekday = model("weekday").unwrap();
    let monday = T0 + Span::hours(168 - T0.hour_of_week().index() as u64);
    let on = |at: Stamp| {
        let mut all = Sessions::new(weekday, Seed(2), 0, Span::ZERO, T0, T0 + Span::days(30));
        all.any(|s| s.start <= at && at < s.end)
    };
    assert!(on(monday + Span::hours(12)));
    assert!(!on(monday + Span::hours(12) - Span::days(1)));
}

#[test]
fn absences_come_as_often_as_stated() {
    let span = Session { start: T0, end: T0 + Span::days(360) };
    let only = Layers { absences: true, ..LAYERS_CALM };
    let count: usize = (0..2_000).map(|i| outages(Seed(4), i, span, &only).len()).sum();
    let a_month = count as f64 / (2_000.0 * 12.0);
    assert!((a_month - 0.03).abs() < 0.005, "{a_month}");
}
