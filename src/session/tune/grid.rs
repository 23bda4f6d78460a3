//! The settings of a search: every combination of what is to be searched, and what presets set. Those that cannot differ are
//! one setting.

use std::num::NonZeroUsize;

use super::TunePlan;
use crate::document::{EmbedSettings, Tier};
use crate::engines::presets::{Level, Preset, ThreadShare};
use crate::engines::{Order, Precision};

/// A setting and what it comes down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// As the document has it.
    pub(super) settings: EmbedSettings,
    /// The precision.
    pub(super) precision: Precision,
    /// The level.
    pub(super) level: Level,
    /// The instructions that both choose.
    pub(super) tier: Tier,
    /// Tokens of a part, after what the level allows.
    pub(super) part_tokens: NonZeroUsize,
}

/// What is to be searched.
#[derive(Debug, Default)]
pub(super) struct Grid {
    /// Each once.
    pub(super) ways: Vec<Way>,
    /// What a reader must know of what was left out.
    pub(super) notes: Vec<String>,
}

/// One place in the search, before it is known what it comes down to.
#[derive(Debug, Clone, Copy)]
struct Place {
    precision: Precision,
    threads: NonZeroUsize,
    batch: NonZeroUsize,
    order: Order,
    level: Level,
    part_tokens: Option<NonZeroUsize>,
    preset: Option<&'static str>,
}

impl Grid {
    /// The grid of a plan, for texts of so many tokens (`tokens`) and bytes (`bytes`) on `effective` CPUs.
    pub(super) fn new(plan: &TunePlan, effective: NonZeroUsize, tokens: &[usize], bytes: &[usize]) -> Self {
        let mut grid = Self::default();
        let alike = bytes.windows(2).all(|pair| pair[0] == pair[1]);
        let mut same = 0;
        // One text has no order, and neither have texts of one length.
        let ordered = |place: &Place| place.order == Order::AsItComes || (place.batch.get() > 1 && !alike);
        for place in places(plan).into_iter().filter(ordered) {
            same += usize::from(!grid.add(place, plan, tokens));
        }
        if same > 0 {
            grid.notes.push(format!(
                "{same} combinations of parts and levels come down to others and are not measured again: a batch that fits \
                 one part is done alike whatever the part"
            ));
        }
        let mut joined: Vec<&str> = Vec::new();
        for preset in &plan.presets {
            for place in of_preset(plan, preset, effective) {
                if !grid.add(place, plan, tokens) && !joined.contains(&preset.name) {
                    joined.push(preset.name);
                }
            }
        }
        if !joined.is_empty() {
            grid.notes.push(format!(
                "preset {}: its settings are among the others, measured once, with its name behind them",
                joined.join(", preset ")
            ));
        }
        grid
    }

    /// Adds a place unless it is one that is there, which then has its preset's name; answers whether it is new. A precision
    /// that does not run here is told of once.
    fn add(&mut self, place: Place, plan: &TunePlan, tokens: &[usize]) -> bool {
        let row = place.level.row();
        let tier = match plan.embed.tier.or_else(|| row.tier(place.precision)) {
            Some(tier) => place.precision.tier(tier).map_err(|why| why.to_string()),
            None => Err("it has no kernels for this CPU".to_owned()),
        };
        let tier = match tier {
            Ok(tier) => tier,
            Err(why) => {
                let note = format!("{} is left out: {why}", place.precision);
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
                return true;
            }
        };
        let longest = longest_batch(tokens, place.batch.get());
        let asked = row.part_tokens(place.part_tokens);
        let allowed = if is_whole(place.batch.get(), longest, asked) { row.part_tokens } else { asked };
        let settings = EmbedSettings {
            precision: place.precision.to_string(),
            threads: place.threads.get(),
            batch: place.batch.get(),
            by_length: place.order == Order::Sorted,
            optimization: place.level.to_string(),
            part_tokens: (allowed < row.part_tokens).then_some(allowed.get()),
            preset: place.preset.map(str::to_owned),
        };
        let way =
            Way { settings, precision: place.precision, level: place.level, tier, part_tokens: allowed };
        match self.ways.iter_mut().find(|other| other.works_as(&way, longest)) {
            Some(other) => {
                if other.settings.preset.is_none() {
                    other.settings.preset = way.settings.preset;
                }
                false
            }
            None => {
                self.ways.push(way);
                true
            }
        }
    }
}

impl Way {
    /// Whether both do the same work, where no batch has more than so many tokens.
    fn works_as(&self, other: &Self, longest: usize) -> bool {
        let whole = |way: &Self| is_whole(way.settings.batch, longest, way.part_tokens);
        let parts = self.part_tokens == other.part_tokens || (whole(self) && whole(other));
        let own = |way: &Self| {
            let EmbedSettings { threads, batch, by_length, .. } = way.settings;
            (way.precision, way.tier, threads, batch, by_length)
        };
        parts && own(self) == own(other)
    }
}

/// Whether a batch of at most so many tokens is one part. A text is never divided.
fn is_whole(batch: usize, longest: usize, part_tokens: NonZeroUsize) -> bool {
    batch == 1 || longest <= part_tokens.get()
}

/// Every combination, the level that does most first, so that a lower one which cannot differ gives way to it.
fn places(plan: &TunePlan) -> Vec<Place> {
    let mut all = Vec::new();
    for &level in &plan.levels {
        for &precision in &plan.embed.precisions {
            for &threads in &plan.threads {
                for &batch in &plan.batches {
                    for &part_tokens in &plan.parts {
                        let place = |&order: &Order| Place {
                            precision,
                            threads,
                            batch,
                            order,
                            level,
                            part_tokens,
                            preset: None,
                        };
                        all.extend(plan.orders.iter().map(place));
                    }
                }
            }
        }
    }
    all
}

/// What a preset sets, in every precision where it sets none.
fn of_preset(plan: &TunePlan, preset: &'static Preset, effective: NonZeroUsize) -> Vec<Place> {
    let own: Vec<Precision> = preset.precision.into_iter().collect();
    let precisions = if own.is_empty() { &plan.embed.precisions } else { &own };
    let place = |&precision: &Precision| Place {
        precision,
        threads: match preset.threads {
            ThreadShare::One => NonZeroUsize::MIN,
            ThreadShare::All => effective,
        },
        batch: preset.batch,
        order: Order::AsItComes,
        level: Level::default(),
        part_tokens: Some(preset.part_tokens),
        preset: Some(preset.name),
    };
    precisions.iter().map(place).collect()
}

/// Tokens that a batch of so many of these texts has at most; a corpus with fewer texts is gone through again.
fn longest_batch(tokens: &[usize], batch: usize) -> usize {
    let mut longest = tokens.to_vec();
    longest.sort_unstable_by(|a, b| b.cmp(a));
    let times = batch.div_ceil(longest.len().max(1));
    longest.iter().take(batch).sum::<usize>().saturating_mul(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::TuningLimits;
    use crate::engines::ModelSource;
    use crate::engines::presets::PRESETS;
    use crate::session::embed::EmbedPlan;

    fn plan() -> TunePlan {
        let count = |n| NonZeroUsize::new(n).unwrap();
        let model: ModelSource = "builtin:tiny".parse().unwrap();
        TunePlan {
            embed: EmbedPlan { precisions: vec![Precision::F32], ..EmbedPlan::new(model) },
            batches: vec![count(1), count(64)],
            threads: vec![count(1), count(2)],
            orders: vec![Order::AsItComes, Order::Sorted],
            levels: vec![Level::Aggressive],
            parts: vec![None],
            presets: Vec::new(),
            limits: TuningLimits::default(),
            seconds: 0.0,
            every_round: None,
        }
    }

    fn names(plan: &TunePlan, tokens: &[usize]) -> Vec<String> {
        let bytes: Vec<usize> = tokens.iter().map(|count| 4 * count).collect();
        let grid = Grid::new(plan, NonZeroUsize::new(2).unwrap(), tokens, &bytes);
        grid.ways.iter().map(|way| way.settings.to_string()).collect()
    }

    #[test]
    fn one_text_has_no_order_and_texts_of_one_length_none_either() {
        let usual = [
            "f32, batch 1, t1",
            "f32, batch 64, t1",
            "f32, batch 64 by length, t1",
            "f32, batch 1, t2",
            "f32, batch 64, t2",
            "f32, batch 64 by length, t2",
        ];
        assert_eq!(names(&plan(), &[40, 50, 60]), usual);
        let alike: Vec<&str> = usual.iter().copied().filter(|name| !name.contains("length")).collect();
        assert_eq!(names(&plan(), &[40, 40]), alike);
    }

    #[test]
    fn parts_and_levels_are_searched_where_a_batch_has_several_parts() {
        let count = NonZeroUsize::new;
        let plan = TunePlan {
            orders: vec![Order::AsItComes],
            threads: vec![NonZeroUsize::MIN],
            parts: vec![None, count(256), count(4096)],
            levels: vec![Level::Aggressive, Level::Basic],
            ..plan()
        };
        // 64 texts of 40 tokens are 2560: 4096 is more than the level's 1024, and basic is a text at a time whatever is asked.
        assert_eq!(
            names(&plan, &[40, 39]),
            [
                "f32, batch 1, t1",
                "f32, batch 64, t1",
                "f32, batch 64, t1, parts of 256",
                "f32, batch 64, t1, basic"
            ]
        );
        // 64 texts of 3 tokens fit any part but that of basic.
        assert_eq!(
            names(&plan, &[3, 2]),
            ["f32, batch 1, t1", "f32, batch 64, t1", "f32, batch 64, t1, basic"]
        );
    }

    #[test]
    fn a_preset_that_is_a_setting_of_the_grid_is_not_measured_twice() {
        let plan = TunePlan { presets: PRESETS.iter().collect(), ..plan() };
        let tokens = [40, 50, 60];
        let found = names(&plan, &tokens);
        for name in [
            "f32, batch 1, t2, preset latency",
            "f32, batch 64, t2, preset throughput",
            "f16, batch 8, t1, parts of 256, preset memory",
        ] {
            assert_eq!(found.iter().filter(|own| *own == name).count(), 1, "{name} in {found:?}");
        }
        assert_eq!(found.len(), 7, "{found:?}");
        let grid = Grid::new(&plan, NonZeroUsize::new(2).unwrap(), &tokens, &tokens);
        assert!(
            grid.notes.iter().any(|note| note.contains("preset latency, preset throughput")),
            "{:?}",
            grid.notes
        );
    }
}
