//! Workers of a job: they share what its member pays, whatever is checked, and however it is told.

use super::super::settle;
use proptest::prelude::*;
use std::collections::BTreeMap;

proptest! {
    /// However often items are checked, made again, and told in whatever parts and order: no job pays its workers more than its member
    /// pays, and what is left of that goes to who was paid less.
    #[test]
    fn workers_of_a_job_get_what_is_charged_for_it_and_no_more(
        told in proptest::collection::vec((0u64..1 << 50, 0u64..4, 0u8..5), 1..40), copies_ppm in 1_000_000u64..2_500_000
    ) {
        let (mut copies, mut claims, mut work) = (settle::Copies::default(), BTreeMap::<u8, u64>::new(), 0u128);
        for (fuel, more, who) in &told {
            copies.charge(*fuel);
            for n in 0..=*more {
                *claims.entry((who + u8::try_from(n).unwrap()) % 5).or_default() += fuel;
                work += u128::from(*fuel);
            }
            for (who, paid) in copies.pay(&claims, copies_ppm) {
                let claim = claims.get_mut(&who).unwrap();
                prop_assert!(paid <= *claim);
                *claim -= paid;
            }
            let most = u128::from(copies.charged) * u128::from(copies_ppm) / 1_000_000;
            let left: u128 = claims.values().map(|claim| u128::from(*claim)).sum();
            prop_assert_eq!(u128::from(copies.paid) + left, work, "what is not paid is claimed again");
            prop_assert!(u128::from(copies.paid) <= most);
            prop_assert!(left == 0 || most - u128::from(copies.paid) < 5, "nothing is kept back while somebody claims");
        }
    }
}
