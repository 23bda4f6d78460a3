//! Configurations arranged within a budget of memory: all at once where that has room for them, else each anew when its turn
//! comes, those that waited longest making room.

use anyhow::Context as _;

use crate::catalog::{ScoreForm, Scorer, ScorerSizes};
use crate::document::{Machine, Tier};
use crate::sys::resources::memory_room_bytes;
use crate::units;

/// The share of what the system has free that a search takes: others use the machine too, and what is counted is not all.
const SHARE: u64 = 2;

/// Bytes that arranged configurations may take together; none where the system does not tell what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget(Option<u64>);

impl Budget {
    /// A part of what the system has free now, or what was named.
    pub(super) fn of(named: Option<u64>) -> Self {
        Self(named.or_else(|| Some(memory_room_bytes()? / SHARE)))
    }

    /// Why a form of these sizes cannot be arranged; `None` where it can.
    pub(super) fn refuses(self, form: ScoreForm, sizes: &ScorerSizes) -> Option<String> {
        let (bytes, most) = (sizes.arranging_bytes(form), self.0?);
        (bytes > most).then(|| {
            format!(
                "it takes {} to arrange, counted; a search takes {} at most of what is free here",
                units::bytes(bytes),
                units::bytes(most)
            )
        })
    }
}

/// Forms of sizes, some of them arranged.
pub(super) struct Stock<'a> {
    budget: Budget,
    tier: Tier,
    seed: u64,
    machine: &'a Machine,
    places: Vec<Place>,
    /// Of all turns so far.
    turn: u64,
    /// How often what had been arranged before was arranged again.
    again: usize,
}

struct Place {
    form: ScoreForm,
    sizes: ScorerSizes,
    bytes: u64,
    scorer: Option<Scorer>,
    /// The last turn that asked for it; 0 for none.
    asked: u64,
}

impl<'a> Stock<'a> {
    pub(super) fn new(budget: Budget, tier: Tier, seed: u64, machine: &'a Machine) -> Self {
        Self { budget, tier, seed, machine, places: Vec::new(), turn: 0, again: 0 }
    }

    /// A place for a form of these sizes, shared with those that differ in the number of queries alone.
    pub(super) fn place(&mut self, form: ScoreForm, sizes: ScorerSizes) -> usize {
        let alike = |place: &Place| {
            place.form == form && ScorerSizes { queries: sizes.queries, ..place.sizes } == sizes
        };
        let bytes = sizes.arranging_bytes(form);
        match self.places.iter().position(alike) {
            Some(at) => {
                let place = &mut self.places[at];
                if sizes.queries > place.sizes.queries {
                    (place.sizes, place.bytes) = (sizes, bytes);
                }
                at
            }
            None => {
                self.places.push(Place { form, sizes, bytes, scorer: None, asked: 0 });
                self.places.len() - 1
            }
        }
    }

    /// Whether not all have room at a time: those of one place had better have their turns one after the other.
    pub(super) fn is_short(&self) -> bool {
        self.budget.0.is_some_and(|most| self.wanted() > most)
    }

    /// What was done for want of memory; `None` where nothing was.
    pub(super) fn note(&self) -> Option<String> {
        let most = self.budget.0.filter(|_| self.again > 0)?;
        Some(format!(
            "all configurations together take {}, counted, and a search takes {} at most of what is free here: {} times one was \
             arranged anew for its turn, outside of what is timed",
            units::bytes(self.wanted()),
            units::bytes(most),
            self.again
        ))
    }

    /// What a place holds, arranged and warm.
    pub(super) fn arranged(&mut self, at: usize) -> anyhow::Result<&mut Scorer> {
        self.turn += 1;
        if self.places[at].scorer.is_none() {
            self.make_room(self.places[at].bytes);
        }
        let Self { tier, seed, machine, places, turn, again, .. } = self;
        let Place { form, sizes, scorer, asked, .. } = &mut places[at];
        *again += usize::from(scorer.is_none() && *asked > 0);
        *asked = *turn;
        let cannot = || format!("the {} form with {} items", form.name(), sizes.items);
        Ok(match scorer {
            Some(scorer) => scorer,
            None => {
                let mut made = Scorer::new(*form, *sizes, *tier, *seed, machine).with_context(cannot)?;
                // The first batch touches what the others find.
                made.score(usize::MAX);
                scorer.insert(made)
            }
        })
    }

    fn wanted(&self) -> u64 {
        self.places.iter().fold(0, |sum, place| sum.saturating_add(place.bytes))
    }

    /// Gives back what was asked for longest ago until so many bytes more have room.
    fn make_room(&mut self, bytes: u64) {
        let Some(most) = self.budget.0 else { return };
        loop {
            let held = self.places.iter().filter(|place| place.scorer.is_some());
            if held.map(|place| place.bytes).fold(bytes, u64::saturating_add) <= most {
                return;
            }
            let held = self.places.iter_mut().filter(|place| place.scorer.is_some());
            match held.min_by_key(|place| place.asked) {
                Some(oldest) => oldest.scorer = None,
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(queries: usize, width: usize) -> ScorerSizes {
        ScorerSizes { queries, items: 50, query_components: 2, item_components: 2, width, gate_hidden: 16 }
    }

    fn held(stock: &Stock<'_>) -> Vec<bool> {
        stock.places.iter().map(|place| place.scorer.is_some()).collect()
    }

    #[test]
    fn what_waited_longest_makes_room_and_is_arranged_anew() {
        let machine = Machine::default();
        let two = 2 * sizes(4, 16).arranging_bytes(ScoreForm::Fused);
        let mut stock = Stock::new(Budget(Some(two)), Tier::best_f32(), 1, &machine);
        let places = [16, 15, 14].map(|width| stock.place(ScoreForm::Fused, sizes(4, width)));
        assert_eq!(places, [0, 1, 2]);
        // A smaller batch of one of them needs no items of its own.
        assert_eq!(stock.place(ScoreForm::Fused, sizes(1, 15)), 1);
        assert!(stock.is_short() && stock.note().is_none());
        for (at, now) in [
            (0, [true, false, false]),
            (1, [true, true, false]),
            (0, [true, true, false]),
            (2, [true, false, true]),
            (1, [false, true, true]),
        ] {
            let scores = stock.arranged(at).unwrap().score(3).len();
            assert_eq!((scores, held(&stock)), (3 * 50, now.to_vec()), "{at}");
        }
        assert!(stock.note().unwrap().contains("1 times"), "{:?}", stock.note());
    }

    #[test]
    fn without_a_limit_all_stay_and_with_a_small_one_none_is_taken() {
        let machine = Machine::default();
        let mut stock = Stock::new(Budget(None), Tier::best_f32(), 1, &machine);
        let places = [8, 16].map(|width| stock.place(ScoreForm::Dot, sizes(2, width)));
        for at in places {
            assert_eq!(stock.arranged(at).unwrap().score(1).len(), 50);
        }
        assert_eq!(held(&stock), [true, true]);
        assert!(!stock.is_short() && stock.note().is_none());
        assert_eq!(Budget(None).refuses(ScoreForm::Fused, &sizes(1, 8)), None);
        let why = Budget(Some(1000)).refuses(ScoreForm::Fused, &sizes(1, 8)).unwrap();
        assert!(why.contains("1000 B") || why.contains("1,000 B"), "{why}");
        // The eager form keeps tensors of every pair.
        let [eager, fused] =
            [ScoreForm::Eager, ScoreForm::Fused].map(|form| sizes(4, 8).arranging_bytes(form));
        assert_eq!(eager - fused, 4 * 50 * (4 + 4 + 16) * 4);
    }
}
