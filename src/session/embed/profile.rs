//! The stage profile: what a batch costs besides its time, counted over batches of their own after the timed ones, and the
//! roofs that its parts stand under.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use super::Session;
use crate::analysis::roofline::Wanted;
use crate::catalog;
use crate::document::{Case, Measurement};
use crate::engines::{Engine, Precision, Stages};
use crate::measure::{self, Plan};
use crate::session::bench::roof_cases;
use crate::sys::allocations;
use crate::sys::clock::as_seconds;
use crate::sys::counters::Hardware;
use crate::sys::energy::{Energy, processor_celsius};
use crate::sys::{Clock, Monotonic, Team};

/// Seconds over which energy is counted: the counters move a thousand times a second.
const ENERGY_SECONDS: f64 = 0.25;
/// Seconds of sampling a roof.
const ROOF_SECONDS: f64 = 0.06;
/// The memory level that a layer's parts work in: blocks of tokens are as large as that cache allows.
const LEVEL: &str = "memory/read-l2-u8";

/// Facts by name, and what is unknown with its reason.
#[derive(Debug, Default)]
pub(super) struct Profile {
    pub(super) facts: BTreeMap<String, f64>,
    pub(super) notes: Vec<String>,
}

impl Session<'_> {
    /// Measures the roofs of this precision's tier and thread count.
    pub(super) fn roofs(&self, case: &Case, flops: f64) -> Profile {
        let cost = crate::document::Cost { flops, ..crate::document::Cost::default() };
        let machine = &self.resources.machine;
        let wanted = crate::analysis::roofline::wanted_ceilings(machine, case, &cost);
        let tier = case.tier.ours().map(crate::document::Tier::f32_tier);
        let level = tier.map(|tier| Wanted::Bandwidth { benchmark: LEVEL.to_owned(), tier });
        // Attention is in single precision whatever the products are in.
        let single = tier.filter(|_| self.precision != Precision::F32);
        let single = single.map(|tier| Wanted::Peak { dtype: Precision::F32.to_string(), tier });
        let mut profile = Profile::default();
        for (name, wanted) in wanted
            .iter()
            .map(|wanted| ("peak_flops_per_second", wanted))
            .chain(single.iter().map(|wanted| ("f32_peak_flops_per_second", wanted)))
            .chain(level.iter().map(|level| ("l2_bytes_per_second", level)))
        {
            let rates = roof_cases(wanted, case, machine).into_iter().filter_map(|case| self.rate(&case));
            match rates.reduce(f64::max) {
                Some(rate) => {
                    profile.facts.insert(name.to_owned(), rate);
                }
                None => profile.notes.push(format!("{name} is unknown: nothing measures it here")),
            }
        }
        profile
    }

    /// Operations, or bytes where there are none, a second of the fastest sample of a roof.
    fn rate(&self, case: &Case) -> Option<f64> {
        let benchmark = catalog::find(&case.benchmark)?;
        let cost = benchmark.cost_of(&case.implementation, &case.shape)?;
        let mut workload = benchmark.prepare(case, &self.resources).ok()?;
        let plan = Plan::QUICK.with_budget(ROOF_SECONDS);
        let samples = measure::sample(&mut *workload, &plan, &self.clock, &|| false).ok()?;
        let fastest = samples.seconds.iter().copied().reduce(f64::min)?;
        let amount = if cost.flops > 0.0 { cost.flops } else { cost.core_bytes };
        Some(amount / fastest).filter(|rate| rate.is_finite())
    }

    /// Runs batches of a measured case once more and counts.
    pub(super) fn profile(&self, measurement: &Measurement) -> anyhow::Result<Profile> {
        let case = &measurement.case;
        let hardware = Hardware::open();
        // After the counters, so that the threads inherit them.
        let team = Team::new(self.plan.threads)?;
        let mut engine = self.benchmark.engine(self.tier(), team)?;
        let texts = self.benchmark.texts(&case.shape)?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut stages = Stages::new();
        for _ in 0..2 {
            engine.embed(&texts, &mut stages)?;
        }
        let mut profile = Profile::default();
        let mut run = || {
            // It was embedded twice.
            let _ = engine.embed(&texts, &mut stages);
        };
        profile.count_allocations(&mut run);
        profile.count_events(hardware, &mut run);
        profile.count_energy(measurement, &mut run);
        Ok(profile)
    }
}

impl Profile {
    #[expect(clippy::cast_precision_loss, reason = "counts of a batch")]
    fn count_allocations(&mut self, run: &mut dyn FnMut()) {
        let before = allocations::so_far();
        run();
        match before.zip(allocations::so_far()) {
            Some((before, after)) => self.facts.extend([
                ("allocations".to_owned(), (after.count - before.count) as f64),
                ("allocated_bytes".to_owned(), (after.bytes - before.bytes) as f64),
            ]),
            None => self.notes.push("allocations are unknown: this program does not count them".to_owned()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a batch are far below 2^53")]
    fn count_events(&mut self, hardware: Result<Hardware, String>, run: &mut dyn FnMut()) {
        match hardware {
            Ok(mut hardware) => {
                let counts = hardware.count(run);
                self.facts.extend(counts.into_iter().map(|(name, count)| (name.to_owned(), count as f64)));
            }
            Err(reason) => self.notes.push(format!(
                "cycles, instructions, cache misses and the share of vector instructions are unknown: {reason}"
            )),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of batches"
    )]
    fn count_energy(&mut self, measurement: &Measurement, run: &mut dyn FnMut()) {
        match processor_celsius() {
            Ok(degrees) => {
                self.facts.insert("processor_celsius".to_owned(), degrees);
            }
            Err(reason) => self.notes.push(format!("the temperature is unknown: {reason}")),
        }
        let energy = match Energy::open() {
            Ok(energy) => energy,
            Err(reason) => return self.notes.push(format!("energy is unknown: {reason}")),
        };
        let batch = crate::stats::median(&measurement.seconds.samples).unwrap_or(ENERGY_SECONDS);
        let batches =
            NonZeroUsize::new((ENERGY_SECONDS / batch.max(1e-6)) as usize).unwrap_or(NonZeroUsize::MIN);
        let clock = Monotonic::new();
        let (start, before) = (clock.now(), energy.read());
        (0..batches.get()).for_each(|_| run());
        let (after, end) = (energy.read(), clock.now());
        if let Some((before, after)) = before.zip(after) {
            let joules = energy.joules(&before, &after);
            self.facts.extend([
                ("package_joules".to_owned(), joules / batches.get() as f64),
                ("package_watts".to_owned(), joules / as_seconds(end.saturating_sub(start)).max(1e-9)),
            ]);
        }
    }
}
