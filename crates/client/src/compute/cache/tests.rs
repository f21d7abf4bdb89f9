use super::*;
use crate::compute::{Earlier, ItemsSpec, StageSpec, result_hash};
use model::compute::{JobKind, Partitioning};
use model::{Bytes, JobId, Span};
use wire::compute::{GuestLimits, ModuleRef};

const KEYING: Keying = Keying { key: [1; 32], engine: [2; 32] };

fn brief(input: InputForm) -> Brief {
    Brief {
        modules: String::new(),
        module: ModuleRef {
            name: "module".into(),
            hash: [3; 32],
            args: vec!["a".into(), "bc".into()],
            env: vec![("X".into(), "1".into()), ("Y".into(), "2".into())],
            seed: [4; 32],
        },
        combine: None,
        check_key: [5; 32],
        limits: GuestLimits {
            memory_bytes: 64 << 20,
            output_bytes: 1 << 20,
            scratch_bytes: 1 << 20,
            wall: Span::mins(1),
            stderr_bytes: 1 << 10,
        },
        input,
        output: OutputForm::Whole,
        count: 9,
        tells_index: false,
        shuffle: None,
    }
}

fn read(file: &str, from: u64, to: u64, version: u8) -> (PartOf, Identity) {
    let part = PartOf { link: 0, name: format!("in/{file}"), file: file.to_owned(), from, to };
    (part, Identity::Stored { bucket: BucketId([6; 16]), version: [version; 16], hash: [8; 32] })
}

/// Inputs of an item.
type Two = [(PartOf, Identity); 2];

fn key(brief: &Brief, number: u32, inputs: &[(PartOf, Identity)]) -> CacheKey {
    KEYING.key_of(brief, number, inputs)
}

#[test]
fn each_ingredient_changes_the_key() {
    let base = brief(InputForm::Files);
    let inputs = [read("one", 0, 0, 1), read("two", 5, 9, 2)];
    let with = |change: &dyn Fn(&mut Brief)| {
        let mut brief = base.clone();
        change(&mut brief);
        key(&brief, 3, &inputs)
    };
    let over = |change: &dyn Fn(&mut Two)| {
        let mut inputs = inputs.clone();
        change(&mut inputs);
        key(&base, 3, &inputs)
    };
    let stored = |bucket: u8, version: u8, hash: u8| Identity::Stored {
        bucket: BucketId([bucket; 16]),
        version: [version; 16],
        hash: [hash; 32],
    };
    let numbered = |number: u32, count: u32| {
        let brief = Brief { count, tells_index: true, ..base.clone() };
        key(&brief, number, &inputs)
    };
    let text = |text: &str| text.to_owned();
    let keys = [
        key(&base, 3, &inputs),
        Keying { key: [9; 32], ..KEYING }.key_of(&base, 3, &inputs),
        Keying { engine: [9; 32], ..KEYING }.key_of(&base, 3, &inputs),
        with(&|b| b.module.hash = [9; 32]),
        with(&|b| b.module.seed = [9; 32]),
        with(&|b| b.module.args = vec![text("ab"), text("c")]),
        with(&|b| b.module.args = vec![text("bc"), text("a")]),
        with(&|b| b.module.args = vec![text("a"), text("bc"), text("")]),
        with(&|b| b.module.args = vec![text("a"), text("bc"), text("X"), text("1"), text("Y"), text("2")]),
        with(&|b| b.module.env[0].1 = text("3")),
        with(&|b| b.module.env[0].0 = text("Z")),
        with(&|b| b.module.env = vec![(text("X"), text("1"))]),
        with(&|b| b.limits.memory_bytes += 1),
        with(&|b| b.limits.output_bytes += 1),
        with(&|b| b.limits.scratch_bytes += 1),
        with(&|b| b.input = InputForm::Stdin),
        with(&|b| b.input = InputForm::Lines),
        numbered(3, 9),
        numbered(4, 9),
        numbered(3, 10),
        over(&|i| i[0].0.file = text("uno")),
        over(&|i| i[0].0.from = 1),
        over(&|i| i[0].0.to = 1),
        over(&|i| i.swap(0, 1)),
        over(&|i| i[0].1 = stored(7, 1, 8)),
        over(&|i| i[0].1 = stored(6, 9, 8)),
        over(&|i| i[0].1 = stored(6, 1, 9)),
        over(&|i| i[0].1 = Identity::Content { hash: [8; 32] }),
        over(&|i| i[0].1 = Identity::Content { hash: [9; 32] }),
        key(&base, 3, &inputs[..1]),
        key(&base, 3, &[]),
    ];
    for (n, one) in keys.iter().enumerate() {
        assert!(!keys[..n].contains(one), "the ingredient of key {n} does not count");
    }
}

#[test]
fn what_no_guest_sees_does_not_change_the_key() {
    let base = brief(InputForm::Stdin);
    let inputs = [read("one", 0, 0, 1)];
    let same = |change: &dyn Fn(&mut Brief)| {
        let mut brief = base.clone();
        change(&mut brief);
        assert_eq!(key(&brief, 4, &inputs), key(&base, 3, &inputs));
    };
    same(&|b| b.check_key = [9; 32]);
    same(&|b| b.limits.wall = Span::hours(1));
    same(&|b| b.limits.stderr_bytes = 0);
    same(&|b| b.module.name = "another".into());
    same(&|b| b.modules = "a link".into());
    same(&|b| b.count = 10);
    same(&|b| b.module.env.reverse());
    let mut elsewhere = read("uno", 0, 0, 1);
    (elsewhere.0.link, elsewhere.0.name) = (3, "other/uno".into());
    assert_eq!(key(&base, 3, &[elsewhere]), key(&base, 3, &inputs), "a name that is not told");
}

#[test]
fn a_key_is_as_it_was() {
    let text = String::from(key(&brief(InputForm::Files), 3, &[read("one", 0, 0, 1)]));
    assert_eq!(text, include_str!("golden_key.txt").trim(), "all that is remembered would be forgotten");
    assert_eq!(CacheKey::try_from(text.clone()).map(String::from).ok(), Some(text));
}

fn spec(stages: Vec<StageSpec>) -> JobSpec {
    JobSpec {
        job: JobId([1; 16]),
        kind: JobKind::Array,
        name: "job".into(),
        trust: Trust::Circle,
        until: Stamp(0),
        bucket: "out".into(),
        to: "to/".into(),
        pattern: "part-{index}".into(),
        sources: Vec::new(),
        stages,
        earlier: Earlier::default(),
    }
}

#[test]
fn keys_are_made_for_whole_outputs_of_one_stage_and_follow_the_items_numbers() {
    let counted = Brief { tells_index: true, ..brief(InputForm::None) };
    let one = |brief: Brief, items| vec![StageSpec { brief, items }];
    let mut job = spec(one(counted.clone(), ItemsSpec::Count(5)));
    let all = KEYING.keys_of(&job, |_| None);
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(Option::is_some));
    job.earlier.keys = all.iter().copied().flatten().collect();
    job.keep_items(|number| [1, 4].contains(&number));
    assert_eq!(KEYING.keys_of(&job, |_| None), [all[1], all[4]], "numbers stay when others are left out");
    assert_eq!(job.earlier.keys.iter().copied().map(Some).collect::<Vec<_>>(), [all[1], all[4]]);

    let objects = ItemsSpec::Objects(vec![vec![read("one", 0, 0, 1).0], vec![read("two", 0, 0, 1).0]]);
    let known = |part: &PartOf| (part.file == "one").then_some(Identity::Content { hash: [1; 32] });
    let keys = KEYING.keys_of(&spec(one(brief(InputForm::Lines), objects.clone())), known);
    assert!(keys.len() == 2 && keys[0].is_some() && keys[1].is_none(), "what is gone has no key");

    let parts = Brief { output: OutputForm::Parts(Partitioning::Hash(2)), ..brief(InputForm::Lines) };
    let reduce = brief(InputForm::Merged { stage: 0, items: 2 });
    assert!(KEYING.keys_of(&spec(one(parts.clone(), objects.clone())), known).is_empty());
    let two = [one(parts, objects), one(reduce, ItemsSpec::Parts(2))].concat();
    assert!(KEYING.keys_of(&spec(two), known).is_empty());
}

fn known(trust: Trust, verified: bool, check: Check) -> Known {
    Known {
        made: vec![Made { name: "stdout".into(), size: 1, hash: [1; 32] }],
        fuel: 1,
        bytes: 1,
        verified,
        trust,
        check,
        at: Stamp(5),
        places: vec![KnownPlace { bucket: BucketId([1; 16]), files: vec![("a".into(), [1; 16])] }],
    }
}

#[test]
fn strangers_results_serve_strangers_jobs_that_ask_no_more() {
    use Check::{Fast, Standard, Strict};
    use Trust::{Circle, Own, Public};
    let serves = |made: (Trust, bool, Check)| {
        let known = known(made.0, made.1, made.2);
        let asked = [(Own, Strict), (Circle, Strict), (Public, Fast), (Public, Standard), (Public, Strict)];
        asked.map(|(trust, check)| known.serves(trust, check))
    };
    assert_eq!(serves((Own, true, Standard)), [true; 5]);
    assert_eq!(serves((Circle, false, Standard)), [false, true, true, true, true], "of the circle none is checked");
    assert_eq!(serves((Public, true, Strict)), [false, false, true, true, true]);
    assert_eq!(serves((Public, true, Standard)), [false, false, true, true, false]);
    assert_eq!(serves((Public, true, Fast)), [false, false, true, false, false]);
    assert_eq!(serves((Public, false, Strict)), [false, false, true, false, false]);
}

#[test]
fn the_surer_of_two_results_stays_and_places_come_together() {
    let place = |n: u8| KnownPlace { bucket: BucketId([n; 16]), files: vec![("a".into(), [n; 16])] };
    let circle = known(Trust::Circle, false, Check::Standard);
    let public = Known { places: vec![place(2)], at: Stamp(9), ..known(Trust::Public, true, Check::Strict) };
    let both = public.clone().over(circle.clone());
    assert_eq!((both.trust, both.at), (Trust::Circle, Stamp(9)));
    assert_eq!(both.places, [place(2), place(1)], "the newest place first");
    assert_eq!(circle.clone().over(public.clone()), both);

    let other = Known { made: Vec::new(), ..public };
    assert_eq!(other.clone().over(circle.clone()), circle, "a stranger's other result does not take its place");
    assert_eq!(circle.clone().over(other), circle);
    let newer = Known { made: Vec::new(), ..circle.clone() };
    assert_eq!(newer.clone().over(circle.clone()), newer, "of two as sure the later");

    let many = Known { places: (1..9).map(place).collect(), ..circle.clone() };
    let again = many.over(circle);
    assert_eq!(again.places, (1..5).map(place).collect::<Vec<_>>());
    assert_eq!(again.places.len(), PLACES_MAX);
}

#[test]
fn outputs_are_taken_only_from_a_place_where_all_are_as_they_were() {
    let entry = |name: &str, version: u8| {
        let (name, size, at) = (name.to_owned(), Bytes(1), Stamp(0));
        let entry = Entry {
            name: name.clone(),
            size,
            at,
            changed: None,
            hash: [1; 32],
            content_type: String::new(),
            version: [version; 16],
            etag: None,
            unix: None,
        };
        (name, entry)
    };
    let bucket = BucketId([1; 16]);
    let file = |name: &str, version: u8| (name.to_owned(), [version; 16]);
    let first = KnownPlace { bucket, files: vec![file("x/a", 1), file("x/b", 2)] };
    let second = KnownPlace { bucket, files: vec![file("y/a", 3), file("y/b", 4)] };
    let made = |name: &str| Made { name: name.into(), size: 1, hash: [1; 32] };
    let base = known(Trust::Own, true, Check::Standard);
    let two =
        Known { made: vec![made("f/a"), made("f/b")], places: vec![first.clone(), second.clone()], ..base.clone() };
    let place = |there: &[(&str, u8)], bucket: u8| {
        let there = there.iter().map(|(name, version)| entry(name, *version)).collect();
        two.place_in(&BucketId([bucket; 16]), &there).cloned()
    };
    let all = [("x/a", 1), ("x/b", 2), ("y/a", 3), ("y/b", 4)];
    assert_eq!(place(&all, 1), Some(first));
    assert_eq!(place(&all, 2), None, "another bucket");
    assert_eq!(place(&all[1..], 1), Some(second.clone()), "one is gone");
    assert_eq!(place(&[("x/a", 1), ("x/b", 7), ("y/a", 3), ("y/b", 4)], 1), Some(second), "one is another version");
    assert_eq!(place(&[("x/a", 1), ("y/b", 4)], 1), None);
    // The outputs' plain hashes give the result under whichever check key.
    assert_ne!(result_hash(&[1; 32], 0, &two.made), result_hash(&[2; 32], 0, &two.made));
}
