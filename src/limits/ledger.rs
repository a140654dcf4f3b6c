//! The parts of one limit that each source holds, as plain data.

use super::Source;
use std::collections::HashMap;

/// The reciprocal of the part that is reserved for sources with a key.
const KEY_PART: usize = 4;

/// A source leaves at least so many times its own part free for others.
const LEFT_FREE: usize = 3;

/// The accounts of one limit.
///
/// A source may hold a third of the amount that it leaves free for others: a quarter of the limit
/// when alone, and less beside others (the dynamic thresholds of shared switch buffers, Choudhury
/// and Hahne, 1998). So a new source finds a free part while the others hold all they may, and no
/// source has to return anything. The first amount of a source may be all that is free.
#[derive(Debug)]
pub struct Ledger {
    /// The limit of all amounts together, inclusive.
    capacity: usize,
    /// The sum of the amounts of all sources.
    held: usize,
    /// The part of `held` that belongs to sources without a key.
    held_without_key: usize,
    by_source: HashMap<Source, usize>,
}

impl Ledger {
    /// Accounts without holders, for a limit of `capacity`.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, held: 0, held_without_key: 0, by_source: HashMap::new() }
    }

    /// Returns the amount that all sources hold together.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Returns `true` if `source` may hold `amount` more. The first holder may hold the whole
    /// limit.
    pub fn fits(&self, source: Source, amount: usize) -> bool {
        let Some(left) = self.free(source).checked_sub(amount) else { return false };
        let held = self.held_by(source);
        held == 0 || (held + amount).saturating_mul(LEFT_FREE) <= left
    }

    /// Returns `true` if `amount` would fit if no source held anything.
    pub fn could_fit(&self, source: Source, amount: usize) -> bool {
        let kept = if source.has_key { 0 } else { self.capacity / KEY_PART };
        amount <= self.capacity - kept
    }

    /// Counts `amount` for `source` if it fits.
    pub fn take(&mut self, source: Source, amount: usize) -> bool {
        if !self.fits(source, amount) {
            return false;
        }
        *self.by_source.entry(source).or_default() += amount;
        self.held += amount;
        if !source.has_key {
            self.held_without_key += amount;
        }
        true
    }

    /// Returns `amount` of `source`, which holds at least that.
    pub fn give_back(&mut self, source: Source, amount: usize) {
        let Some(held) = self.by_source.get_mut(&source) else { return };
        *held -= amount;
        if *held == 0 {
            self.by_source.remove(&source);
        }
        self.held -= amount;
        if !source.has_key {
            self.held_without_key -= amount;
        }
    }

    /// Returns the amount that `source` holds.
    pub fn held_by(&self, source: Source) -> usize {
        self.by_source.get(&source).copied().unwrap_or_default()
    }

    /// Returns the amount that is free for `source`: without a key, only of its three quarters.
    fn free(&self, source: Source) -> usize {
        let free = self.capacity - self.held;
        if source.has_key || self.held == 0 {
            return free;
        }
        let without_key = self.capacity - self.capacity / KEY_PART;
        free.min(without_key.saturating_sub(self.held_without_key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn source(number: u8, has_key: bool) -> Source {
        Source::new(Some(Ipv4Addr::new(10, 0, 0, number).into()), has_key)
    }

    /// Acquires units for `source` until none fits; returns their number.
    fn takes_all(ledger: &mut Ledger, source: Source) -> usize {
        (0..).take_while(|_| ledger.take(source, 1)).count()
    }

    #[test]
    fn one_source_has_a_quarter_and_less_beside_others() {
        let mut ledger = Ledger::new(1600);
        assert_eq!(takes_all(&mut ledger, source(1, true)), 400);
        assert_eq!(takes_all(&mut ledger, source(2, true)), 300);
        ledger.give_back(source(1, true), 400);
        assert!(ledger.take(source(2, true), 100));
        assert!(!ledger.fits(source(2, true), 1));
    }

    #[test]
    fn a_newcomer_finds_something_while_a_dozen_hold_all_they_may() {
        let mut ledger = Ledger::new(16 << 20);
        for number in 0..12 {
            while ledger.take(source(number, false), 4 << 10) {}
        }
        assert!(ledger.fits(source(99, false), 64 << 10), "{ledger:?}");
    }

    #[test]
    fn a_source_that_holds_nothing_may_take_all_that_is_free() {
        let mut ledger = Ledger::new(1000);
        assert!(ledger.take(source(1, false), 600));
        assert!(!ledger.fits(source(2, false), 151) && ledger.take(source(2, false), 150));
        assert!(!ledger.fits(source(3, false), 1), "a quarter is for those with a key");
        assert!(!ledger.fits(source(3, true), 251) && ledger.fits(source(3, true), 250));
    }

    #[test]
    fn a_source_with_a_key_has_a_part_that_others_never_take() {
        let mut ledger = Ledger::new(1000);
        (0..255).for_each(|number| {
            takes_all(&mut ledger, source(number, false));
        });
        assert!(ledger.held() <= 750);
        assert!(ledger.take(source(1, true), 60), "also at an address whose others hold much");
    }

    #[test]
    fn the_first_may_have_all_and_nobody_more_than_that() {
        let mut ledger = Ledger::new(10);
        assert!(!ledger.take(source(1, false), 11));
        assert!(ledger.take(source(1, false), 10));
        assert!(!ledger.fits(source(1, true), 1));
        assert!(!Ledger::new(0).fits(source(1, true), 1));
    }

    proptest! {
        #[test]
        fn the_books_agree_with_what_was_taken(
            steps in prop::collection::vec((0..8_u8, any::<bool>(), any::<bool>(), 1..300_usize), 1..200),
        ) {
            let mut ledger = Ledger::new(1000);
            let mut taken: HashMap<Source, Vec<usize>> = HashMap::new();
            for (number, has_key, takes, amount) in steps {
                let source = source(number, has_key);
                if takes {
                    if ledger.take(source, amount) {
                        taken.entry(source).or_default().push(amount);
                    }
                } else if let Some(amount) = taken.get_mut(&source).and_then(Vec::pop) {
                    ledger.give_back(source, amount);
                }
                let sum = |all: &mut dyn Iterator<Item = (&Source, &Vec<usize>)>| {
                    all.map(|(_, amounts)| amounts.iter().sum::<usize>()).sum::<usize>()
                };
                prop_assert_eq!(ledger.held(), sum(&mut taken.iter()));
                prop_assert_eq!(
                    ledger.held_without_key,
                    sum(&mut taken.iter().filter(|(source, _)| !source.has_key))
                );
                prop_assert!(ledger.held() <= 1000);
                prop_assert!(ledger.by_source.values().all(|held| *held > 0));
            }
        }
    }
}
