//! What disturbed each sample. Nothing is deleted: a cause is a label beside the sample, for the reader and for means
//! that are shown twice.
//!
//! A cause that was counted comes before one that is inferred from the sample's own size. A sample of several causes
//! has the first of: pre-empted, stolen, migrated, severe, mild.

use crate::document::Cause;
use crate::stats;

/// The share of a sample's wall time that may go elsewhere before it counts as disturbed.
const TOLERATED_SHARE: f64 = 0.05;

/// Samples below which quartiles, and so fences, say nothing.
const SAMPLES_FOR_FENCES: usize = 8;

/// What is known of one sample. Times are seconds, of the whole sample or per iteration, all the same way.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SampleFacts {
    /// Wall time.
    pub wall: f64,
    /// CPU time, of all threads.
    pub cpu: Option<f64>,
    /// Times the scheduler took a CPU away.
    pub switches: Option<u64>,
    /// Time spent waiting for a CPU in the run queue.
    pub wait: Option<f64>,
    /// The CPU that the sample ended on.
    pub cpu_id: Option<u32>,
}

/// The causes of samples in the order they were taken, of one block or run. `stolen_ticks` is how far the virtual
/// machine's steal counter moved meanwhile, where there is one.
#[must_use]
pub fn classify(samples: &[SampleFacts], stolen_ticks: Option<u64>) -> Vec<Cause> {
    let fences = Fences::of(samples);
    let stolen = stolen_ticks.is_some_and(|ticks| ticks > 0);
    let mut previous_cpu = None;
    samples
        .iter()
        .map(|sample| {
            let migrated = previous_cpu.zip(sample.cpu_id).is_some_and(|(before, now)| before != now);
            previous_cpu = sample.cpu_id.or(previous_cpu);
            let size = fences.size(sample.wall);
            if preempted(sample) {
                Cause::Preempted
            } else if stolen && size != Cause::Undisturbed && on_cpu_all_along(sample) {
                Cause::Stolen
            } else if migrated {
                Cause::Migrated
            } else {
                size
            }
        })
        .collect()
}

/// The CPU was taken away, or over 5 % of the time was not ours. Several threads use more CPU time than wall time: of
/// them only the counters can tell.
fn preempted(sample: &SampleFacts) -> bool {
    let tolerated = TOLERATED_SHARE * sample.wall;
    sample.switches.is_some_and(|switches| switches > 0)
        || sample.wait.is_some_and(|wait| wait > tolerated)
        || sample.cpu.is_some_and(|cpu| sample.wall - cpu > tolerated)
}

/// The guest believes that the thread ran all the time: what made the sample long happened outside of it.
fn on_cpu_all_along(sample: &SampleFacts) -> bool {
    sample.cpu.is_some_and(|cpu| (sample.wall - cpu).abs() <= TOLERATED_SHARE * sample.wall)
}

/// Tukey's fences above the upper quartile. Samples that are too fast have no cause among these.
struct Fences {
    inner: f64,
    outer: f64,
}

impl Fences {
    fn of(samples: &[SampleFacts]) -> Self {
        let walls: Vec<f64> = samples.iter().map(|sample| sample.wall).collect();
        let sorted = stats::sorted(&walls);
        let quartiles =
            stats::quantile_of_sorted(&sorted, 0.25).zip(stats::quantile_of_sorted(&sorted, 0.75));
        match quartiles {
            Some((lower, upper)) if sorted.len() >= SAMPLES_FOR_FENCES => {
                // A clock's ticks can make half of the samples equal: then the range is that of a thousandth.
                let range = (upper - lower).max(upper / 1000.0);
                Self { inner: upper + 1.5 * range, outer: upper + 3.0 * range }
            }
            Some(_) | None => Self { inner: f64::INFINITY, outer: f64::INFINITY },
        }
    }

    fn size(&self, wall: f64) -> Cause {
        if wall > self.outer {
            Cause::Severe
        } else if wall > self.inner {
            Cause::Mild
        } else {
            Cause::Undisturbed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Twenty quiet samples of 100 to 101 on CPU 0, with what a test puts among them.
    fn quiet() -> Vec<SampleFacts> {
        (0..20)
            .map(|i| {
                let wall = 100.0 + 0.05 * f64::from(i);
                SampleFacts { wall, cpu: Some(wall), switches: Some(0), wait: Some(0.0), cpu_id: Some(0) }
            })
            .collect()
    }

    fn cause_of(sample: SampleFacts, stolen_ticks: Option<u64>) -> Cause {
        let mut samples = quiet();
        samples[9] = sample;
        let causes = classify(&samples, stolen_ticks);
        assert_eq!(causes.iter().filter(|&&cause| cause != Cause::Undisturbed).count().min(1), 1);
        causes[9]
    }

    #[test]
    fn quiet_samples_are_undisturbed() {
        assert_eq!(classify(&quiet(), Some(3)), [Cause::Undisturbed; 20]);
        assert_eq!(classify(&[], None), []);
    }

    #[test]
    fn each_cause_is_told_from_its_facts() {
        let quiet = quiet()[9];
        let outlier = SampleFacts { wall: 200.0, cpu: Some(199.0), ..quiet };
        let table = [
            (SampleFacts { switches: Some(1), ..quiet }, None, Cause::Preempted),
            (SampleFacts { wait: Some(6.0), ..quiet }, None, Cause::Preempted),
            (SampleFacts { cpu: Some(94.0), ..quiet }, None, Cause::Preempted),
            (outlier, Some(1), Cause::Stolen),
            (outlier, Some(0), Cause::Severe),
            (outlier, None, Cause::Severe),
            (SampleFacts { cpu_id: Some(1), ..quiet }, None, Cause::Migrated),
            (SampleFacts { cpu_id: Some(1), ..outlier }, None, Cause::Migrated),
            (SampleFacts { cpu_id: Some(1), ..outlier }, Some(2), Cause::Stolen),
            (SampleFacts { switches: Some(2), cpu_id: Some(1), ..outlier }, Some(2), Cause::Preempted),
            (SampleFacts { wall: 102.0, cpu: Some(102.0), ..quiet }, None, Cause::Mild),
            (
                SampleFacts { wall: 102.0, cpu: None, switches: None, wait: None, cpu_id: None },
                Some(1),
                Cause::Mild,
            ),
        ];
        for (sample, ticks, expected) in table {
            assert_eq!(cause_of(sample, ticks), expected, "{sample:?} with {ticks:?}");
        }
    }

    #[test]
    fn of_several_threads_only_the_counters_tell() {
        let threads = |wall: f64, switches, wait| SampleFacts {
            wall,
            cpu: Some(3.2 * wall),
            switches: Some(switches),
            wait: Some(wait),
            cpu_id: None,
        };
        let mut samples = vec![threads(100.0, 0, 0.0); 20];
        samples[3] = threads(100.0, 1, 0.0);
        samples[4] = threads(100.0, 0, 6.0);
        samples[5] = threads(300.0, 0, 0.0);
        let causes = classify(&samples, Some(9));
        assert_eq!(causes[3..7], [Cause::Preempted, Cause::Preempted, Cause::Severe, Cause::Undisturbed]);
    }

    #[test]
    fn a_migration_is_seen_once_and_across_an_unknown_cpu() {
        let mut samples = quiet();
        samples.iter_mut().skip(5).for_each(|sample| sample.cpu_id = Some(1));
        samples[5].cpu_id = None;
        let causes = classify(&samples, None);
        assert_eq!(causes[6], Cause::Migrated);
        assert_eq!(causes.iter().filter(|&&cause| cause == Cause::Migrated).count(), 1);
    }

    #[test]
    fn a_coarse_clock_makes_no_outliers_of_its_ticks() {
        let mut samples = vec![SampleFacts { wall: 100.0, ..SampleFacts::default() }; 20];
        samples[2].wall = 100.1;
        samples[3].wall = 150.0;
        let causes = classify(&samples, None);
        assert_eq!(causes[2..4], [Cause::Undisturbed, Cause::Severe]);
    }

    proptest! {
        #[test]
        fn every_sample_has_a_cause(
            walls in prop::collection::vec(any::<f64>(), 0..40),
            cpu in any::<Option<f64>>(),
            wait in any::<Option<f64>>(),
            cpu_id in any::<Option<u32>>(),
            ticks in any::<Option<u64>>(),
        ) {
            let samples: Vec<_> = walls
                .iter()
                .map(|&wall| SampleFacts { wall, cpu, switches: None, wait, cpu_id })
                .collect();
            prop_assert_eq!(classify(&samples, ticks).len(), samples.len());
        }
    }
}
