use super::*;
use crate::fleet::store::{MeasuredRow, NewNode};
use crate::settings::{CloudKind, CloudSettings};
use model::{Arch, HourOfWeek, MemberId, NodeId, Os, RegionEvidence};

const JOINED: Stamp = Stamp(1_800_000_000_000);

fn rules(kind: CloudKind) -> Rules {
    Rules::of(&Settings { cloud: CloudSettings { kind }, ..Settings::default() })
}

fn stranger() -> Looked {
    let node = NewNode {
        id: NodeId([1; 32]),
        owner: MemberId([2; 16]),
        name: "pc".into(),
        region: None,
        evidence: RegionEvidence::Unknown,
        declared: None,
        os: Os::Linux,
        arch: Arch::X86_64,
        as_number: None,
        net_prefix: None,
        version: 1,
        lent: Bytes::gib(20),
        accepts: 1,
        capabilities: 0,
        alpha: fleet::ALPHA_START,
        beta: 0,
        joined_at: JOINED,
        binding: Vec::new(),
        measured: MeasuredRow::default(),
    };
    let row = NodeRow {
        alias: Alias(7),
        node,
        tier: Tier::T0,
        standing: Standing::Active,
        standing_why: None,
        profile: [0; HourOfWeek::COUNT],
        session_scale: 0,
        vetted_at: None,
        holiday_until: None,
        missing_after_h: 72,
        day_away: Ppm(0),
        generation: 1,
        last_seen_hour: 0,
    };
    Looked { vetting: untouched(&row), stored: 0, passed: 0, is_operators: false, row }
}

/// What a look leaves.
fn after(looked: &Looked, step: &Step) -> Looked {
    let row = NodeRow { tier: step.tier, vetted_at: step.vetted_at, ..looked.row.clone() };
    Looked { vetting: step.vetting, row, ..looked.clone() }
}

#[test]
fn a_stranger_comes_from_t0_to_t2_by_what_it_shows() {
    let rules = rules(CloudKind::Public);
    let mut node = stranger();
    let first = node.step(&rules, JOINED);
    assert_eq!((first.tier, first.send, first.vetting.fill.wanted), (Tier::T0, 2, 128));
    node = Looked { stored: 128, passed: 2, ..after(&node, &first) };
    let whole_at = JOINED + Span::hours(3);
    node = after(&node, &node.step(&rules, whole_at));
    assert_eq!((node.vetting.fill.whole_at, node.vetting.fill.passed_from), (Some(whole_at), 2));
    let later = whole_at + Span::hours(48);
    let few = Looked { passed: 9, ..node.clone() }.step(&rules, later);
    assert_eq!((few.tier, few.send), (Tier::T0, 0), "audits before the whole stood do not count");
    node = Looked { passed: 10, ..node };
    let passed = node.step(&rules, later);
    assert_eq!((passed.tier, passed.vetted_at, passed.vetting.ranked_at), (Tier::T1, Some(later), later));
    node = after(&node, &passed);
    assert_eq!(node.accepts(&rules, later + Span::days(8)), Bytes::gib(20));
    let vetted = JOINED + Span::days(21);
    assert_eq!(Looked { passed: 99, ..node.clone() }.step(&rules, vetted).tier, Tier::T1);
    let step = Looked { passed: 100, ..node.clone() }.step(&rules, vetted);
    assert_eq!((step.tier, step.vetting.ranked_at), (Tier::T2, vetted));
    // Its fill test may give way to others' data: that takes nothing back.
    assert_eq!(Looked { stored: 0, passed: 100, ..node }.step(&rules, vetted).tier, Tier::T2);
}

#[test]
fn a_piece_that_is_gone_is_sent_again_and_the_time_begins_anew() {
    let rules = rules(CloudKind::Public);
    let node = Looked { stored: 128, ..stranger() };
    let node = after(&node, &node.step(&rules, JOINED));
    let node = Looked { stored: 127, ..node };
    let step = node.step(&rules, JOINED + Span::hours(50));
    assert_eq!((step.tier, step.send, step.vetting.fill.whole_at), (Tier::T0, 1, None));
    let mut failed = after(&node, &step);
    fail(&mut failed.vetting.fill, &rules, JOINED);
    assert_eq!(failed.step(&rules, JOINED + Span::hours(23)).send, 0, "a failed try rests");
    assert_eq!(failed.step(&rules, JOINED + Span::hours(24)).send, 1);
    failed.vetting.fill.sent = 256;
    let over = failed.step(&rules, JOINED + Span::hours(24)).vetting.fill;
    assert_eq!((over.tries, over.sent, over.rests_until), (2, 0, JOINED + Span::hours(24 + 48)), "twice is enough");
}

#[test]
fn members_of_a_circle_and_an_operator_s_own_are_vetted_by_that() {
    let circle = rules(CloudKind::Private);
    let put_back = |node: Looked| {
        let vetting = Vetting { back_at: Some(JOINED), passed_from: 40, ..node.vetting };
        Looked { vetting, row: NodeRow { tier: Tier::T1, ..node.row.clone() }, passed: 139, ..node }
    };
    assert_eq!(stranger().step(&circle, JOINED).tier, Tier::T2);
    let own = Looked { is_operators: true, ..stranger() };
    let step = own.step(&rules(CloudKind::Public), JOINED);
    assert_eq!((step.tier, step.send), (Tier::T2, 0), "(B)");
    let back = put_back(stranger());
    let day = JOINED + Span::days(21);
    assert_eq!(back.step(&circle, day).tier, Tier::T1, "99 audits since its loss");
    let anew = Looked { passed: 140, ..back }.step(&circle, day);
    assert_eq!((anew.tier, anew.vetting.back_at), (Tier::T2, None));
}
