//! `tune mol`: every configuration of a mixture of logits measured in turn with the dot product beside it, then those within
//! the limits raced until the fastest of them is known.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::quality::{self, QualityRow};
use crate::analysis::tune::{Goods, Lap, MARGIN, Race, Standing, front};
use crate::catalog::{ScoreForm, Scorer, ScorerSizes};
use crate::document::{
    DotBeside, FormMemory, Machine, MolCandidate, MolChoice, MolSettings, MolTuning, Tier, Tuning,
    TuningAdvice, TuningLimits, Unknown,
};
use crate::session::{Observer, Stop};
use crate::sys::clock::as_seconds;
use crate::sys::resources::{peak_resident_bytes, resident_bytes};
use crate::sys::{Clock, Monotonic, Rng};
use crate::units;

/// Rounds that every configuration has, whatever it looks like.
const EXHAUSTIVE_ROUNDS: usize = 3;
/// Queries of a lap at least, in so many batches at least and at most.
const LAP_QUERIES: usize = 32;
const LAP_BATCHES: [usize; 2] = [2, 8];

/// Where the quality comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QualitySource {
    /// Nowhere.
    Unknown,
    /// A table of the user's.
    Table(PathBuf),
    /// Vectors, of which the recall of so many nearest is measured.
    Vectors(PathBuf, usize),
}

/// What to search.
#[derive(Debug, Clone)]
pub struct MolPlan {
    /// Components of a query.
    pub query_components: Vec<usize>,
    /// Components of an item.
    pub item_components: Vec<usize>,
    /// Widths of a component.
    pub widths: Vec<usize>,
    /// Hidden units of the gates' network.
    pub gate_hidden: Vec<usize>,
    /// Sizes of batches.
    pub batches: Vec<usize>,
    /// Items that every query is scored against.
    pub items: usize,
    /// Width of the embeddings of the dot product beside them.
    pub dot_width: usize,
    /// Limits of latency and memory.
    pub limits: TuningLimits,
    /// Least quality.
    pub quality_minimum: Option<f64>,
    /// Where the quality comes from.
    pub quality: QualitySource,
    /// The race ends after so many seconds; the rounds that every configuration has are not cut.
    pub seconds: f64,
    /// Of every random choice.
    pub seed: u64,
    /// The program that measures memory in a process of its own.
    pub worker: Option<PathBuf>,
}

impl MolPlan {
    /// Every configuration with every size of a batch.
    #[must_use]
    pub fn settings(&self) -> Vec<MolSettings> {
        let mut all = Vec::new();
        for &query_components in &self.query_components {
            for &item_components in &self.item_components {
                for &width in &self.widths {
                    for &gate_hidden in &self.gate_hidden {
                        all.extend(self.batches.iter().map(|&batch| MolSettings {
                            query_components,
                            item_components,
                            width,
                            gate_hidden,
                            batch,
                        }));
                    }
                }
            }
        }
        all
    }
}

/// Runs the search.
///
/// # Errors
/// A table or vectors that cannot be read, or sizes that this machine does not hold.
pub fn tune_mol(
    plan: &MolPlan,
    machine: &Machine,
    observer: &mut dyn Observer,
    stop: &Stop,
) -> anyhow::Result<Tuning> {
    let clock = Monotonic::new();
    let start = clock.now();
    let tier = Tier::best_f32();
    let mut tuning = Tuning::begin("mol", "mixture of logits", machine, plan.seed, plan.limits);
    let mut mol = MolTuning {
        items: plan.items,
        tier: tier.to_string(),
        dot_width: plan.dot_width,
        quality_minimum: plan.quality_minimum,
        ..MolTuning::default()
    };
    mol.candidates = plan
        .settings()
        .into_iter()
        .map(|settings| MolCandidate { settings, ..MolCandidate::default() })
        .collect();
    qualities(plan, &mut mol)?;
    memories(plan, &mut mol, observer, stop);
    leave_out(plan, &mut mol);
    race(plan, tier, machine, &mut mol, &mut tuning, observer, stop)?;
    let at = mol.choice.as_ref().map(|choice| choice.settings);
    forms(plan, at, &mut mol, observer, stop);
    tuning.seconds = as_seconds(clock.now().saturating_sub(start));
    tuning.mol = Some(mol);
    Ok(tuning)
}

/// Fills in the quality, from wherever it is to come.
fn qualities(plan: &MolPlan, mol: &mut MolTuning) -> anyhow::Result<()> {
    let rank = |settings: &MolSettings| {
        settings.query_components.min(settings.item_components).saturating_mul(settings.width)
    };
    let reason = match &plan.quality {
        QualitySource::Unknown => "not measured: give a table with --quality, or vectors with --vectors",
        QualitySource::Table(path) => {
            let table: Vec<QualityRow> = quality::read_table(path)?;
            mol.quality_source = Some("a table that the user gave".to_owned());
            for row in &mut mol.candidates {
                row.quality = quality::look_up(&table, &row.settings);
            }
            "the table that was given has no row for it"
        }
        QualitySource::Vectors(path, depth) => {
            let vectors = quality::read_vectors(path)?;
            mol.quality_source = Some(format!(
                "recall of the {depth} nearest among {} vectors of {} numbers, by the dot product of rank min(PQ, PX) d in \
                 their principal directions; the gates are not trained",
                vectors.count(),
                vectors.dimensions
            ));
            let mut ranks: Vec<usize> = mol.candidates.iter().map(|row| rank(&row.settings)).collect();
            ranks.sort_unstable();
            ranks.dedup();
            let recalls = quality::measure(vectors, &ranks, *depth, plan.seed)?;
            for row in &mut mol.candidates {
                let at = ranks.binary_search(&rank(&row.settings)).ok();
                row.quality = at.and_then(|at| recalls[at]);
            }
            "the vectors are too few for so many nearest"
        }
    };
    if mol.candidates.iter().any(|row| row.quality.is_none()) {
        let unknown = Unknown { field: "mol.candidates.quality".to_owned(), reason: reason.to_owned() };
        mol.unknown.push(unknown);
    }
    Ok(())
}

/// What a process of its own arranges and scores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FootprintTask {
    form: String,
    settings: MolSettings,
    items: usize,
    dot_width: usize,
}

/// What that took of memory, without what the program had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    resident_bytes: u64,
    peak_bytes: u64,
}

/// Arranges a form and scores with it, in this process, which does nothing else.
///
/// # Errors
/// There is no such form, it cannot be arranged, or the system does not tell the resident size.
pub fn footprint(task: &FootprintTask) -> anyhow::Result<Footprint> {
    let form = ScoreForm::named(&task.form).with_context(|| format!("there is no form {:?}", task.form))?;
    let sizes = sizes(&task.settings, task.items, task.dot_width, form);
    let unknown = || "the system does not tell the resident size";
    let before = resident_bytes().with_context(unknown)?;
    let mut scorer = Scorer::new(form, sizes, Tier::best_f32(), 1, &Machine::default())?;
    for _ in 0..2 {
        scorer.score();
    }
    let (resident, peak) =
        (resident_bytes().with_context(unknown)?, peak_resident_bytes().with_context(unknown)?);
    drop(scorer);
    Ok(Footprint {
        resident_bytes: resident.saturating_sub(before),
        peak_bytes: peak.max(resident).saturating_sub(before),
    })
}

fn sizes(settings: &MolSettings, items: usize, dot_width: usize, form: ScoreForm) -> ScorerSizes {
    ScorerSizes {
        queries: settings.batch,
        items,
        query_components: settings.query_components,
        item_components: settings.item_components,
        width: if form == ScoreForm::Dot { dot_width } else { settings.width },
        gate_hidden: settings.gate_hidden,
    }
}

fn ask(plan: &MolPlan, form: ScoreForm, settings: MolSettings) -> anyhow::Result<Footprint> {
    let program =
        plan.worker.as_ref().context("there is no program to measure it in a process of its own")?;
    let task = FootprintTask {
        form: form.name().to_owned(),
        settings,
        items: plan.items,
        dot_width: plan.dot_width,
    };
    let output = std::process::Command::new(program)
        .arg("__mol-footprint")
        .arg(serde_json::to_string(&task)?)
        .stdin(std::process::Stdio::null())
        .output()
        .context("the process that measures memory cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "the process that measures memory failed: {}", said.trim());
    serde_json::from_slice(&output.stdout).context("the process that measures memory answered something else")
}

fn memories(plan: &MolPlan, mol: &mut MolTuning, observer: &mut dyn Observer, stop: &Stop) {
    observer.phase("memory", mol.candidates.len(), 0.0);
    for row in &mut mol.candidates {
        if stop.requested() {
            return;
        }
        observer.step(&row.settings);
        match ask(plan, ScoreForm::Fused, row.settings) {
            Ok(footprint) => row.memory_bytes = Some(footprint.peak_bytes),
            Err(error) => {
                let field = "mol.candidates.memory_bytes".to_owned();
                mol.unknown.push(Unknown { field, reason: format!("{}: {error:#}", row.settings) });
            }
        }
    }
}

/// Configurations that cannot be the choice, whatever their speed.
fn leave_out(plan: &MolPlan, mol: &mut MolTuning) {
    for row in &mut mol.candidates {
        row.dropped = match (plan.quality_minimum, row.quality, plan.limits.memory_bytes, row.memory_bytes) {
            (Some(least), Some(quality), _, _) if quality < least => {
                Some("its quality is below the limit".to_owned())
            }
            (Some(_), None, _, _) => Some("its quality is not measured".to_owned()),
            (_, _, Some(limit), Some(bytes)) if bytes > limit => {
                Some("its memory is beyond the limit".to_owned())
            }
            (_, _, Some(_), None) => Some("its memory is unknown".to_owned()),
            _ => None,
        };
    }
}

/// A configuration or a dot product, ready to score.
struct Runner {
    scorer: Scorer,
    settings: MolSettings,
    flops: f64,
}

fn runners(plan: &MolPlan, tier: Tier, machine: &Machine, mol: &MolTuning) -> anyhow::Result<Vec<Runner>> {
    let mixtures = mol.candidates.iter().map(|row| (ScoreForm::Fused, row.settings));
    let smallest = mol.candidates.first().map(|row| row.settings).unwrap_or_default();
    let dots = plan.batches.iter().map(|&batch| (ScoreForm::Dot, MolSettings { batch, ..smallest }));
    let runner = |(form, settings): (ScoreForm, MolSettings)| {
        let sizes = sizes(&settings, plan.items, plan.dot_width, form);
        let cannot = || format!("{} {settings} with {} items", form.name(), plan.items);
        let scorer = Scorer::new(form, sizes, tier, plan.seed, machine).with_context(cannot)?;
        Ok(Runner { scorer, settings, flops: sizes.flops(form).with_context(cannot)? })
    };
    mixtures.chain(dots).map(runner).collect()
}

fn race(
    plan: &MolPlan,
    tier: Tier,
    machine: &Machine,
    mol: &mut MolTuning,
    tuning: &mut Tuning,
    observer: &mut dyn Observer,
    stop: &Stop,
) -> anyhow::Result<()> {
    let mut runners = runners(plan, tier, machine, mol)?;
    let within: Vec<usize> =
        (0..mol.candidates.len()).filter(|&i| mol.candidates[i].dropped.is_none()).collect();
    // One takes every lap, for the figures; the other those of configurations within the limits, for the choice.
    let mut all = Race::new(runners.len(), plan.limits.latency_seconds);
    let mut decision = Race::new(within.len(), plan.limits.latency_seconds);
    let clock = Monotonic::new();
    let mut rng = Rng::new(plan.seed);
    for runner in &mut runners {
        // The first batch touches what the others find.
        runner.scorer.score();
    }
    let start = clock.now();
    for round in 0.. {
        let spent = as_seconds(clock.now().saturating_sub(start));
        let mut next: Vec<usize> = if round < EXHAUSTIVE_ROUNDS {
            (0..runners.len()).collect()
        } else if spent < plan.seconds {
            decision.next_round().into_iter().map(|i| within[i]).collect()
        } else {
            break;
        };
        if next.is_empty() {
            break;
        }
        rng.shuffle(&mut next);
        observer.phase("race", next.len(), (plan.seconds - spent).max(0.0));
        let mut laps = Vec::with_capacity(next.len());
        for i in next {
            if stop.requested() {
                tuning.interrupted = true;
                break;
            }
            observer.step(&runners[i].settings);
            laps.push((i, lap(&mut runners[i], &clock)));
        }
        if tuning.interrupted {
            break;
        }
        let of_choice = |(i, lap): &(usize, Lap)| Some((within.binary_search(i).ok()?, lap.clone()));
        decision.take(laps.iter().filter_map(of_choice).collect());
        all.take(laps);
    }
    settle(plan, &runners, &all, &within, &decision, mol);
    Ok(())
}

/// Scores some batches.
#[expect(clippy::cast_precision_loss, reason = "some queries")]
fn lap(runner: &mut Runner, clock: &Monotonic) -> Lap {
    let batch = runner.settings.batch;
    let [least, most] = LAP_BATCHES;
    let count = LAP_QUERIES.div_ceil(batch).clamp(least, most);
    let mut lap = Lap::default();
    for _ in 0..count {
        let start = clock.now();
        std::hint::black_box(runner.scorer.score());
        lap.batches.push(as_seconds(clock.now().saturating_sub(start)));
    }
    lap.unit_seconds = lap.batches.iter().sum::<f64>() / (count * batch) as f64;
    lap
}

/// Writes what the rounds gave into the document.
#[expect(clippy::cast_precision_loss, reason = "queries of a batch, bytes of a memory")]
fn settle(
    plan: &MolPlan,
    runners: &[Runner],
    all: &Race,
    within: &[usize],
    decision: &Race,
    mol: &mut MolTuning,
) {
    let rate = |i: usize| all.unit_seconds(i).map(|seconds| 1.0 / seconds);
    let flops = |i: usize| Some(rate(i)? * runners[i].flops / runners[i].settings.batch as f64);
    let first_dot = mol.candidates.len();
    mol.dots = (first_dot..runners.len())
        .map(|i| DotBeside {
            batch: runners[i].settings.batch,
            rounds: all.rounds(i),
            queries_per_second: rate(i),
            latency_seconds: all.latency(i).0,
            flops_per_second: flops(i),
        })
        .collect();
    let dots = mol.dots.clone();
    for (i, row) in mol.candidates.iter_mut().enumerate() {
        row.rounds = all.rounds(i);
        row.queries_per_second = rate(i);
        row.flops_per_second = flops(i);
        (row.latency_seconds, row.batches) = all.latency(i);
        let dot = dots.iter().find(|dot| dot.batch == row.settings.batch);
        row.times_dot = dot
            .and_then(|dot| dot.queries_per_second)
            .zip(row.queries_per_second)
            .map(|(dot, own)| dot / own);
        row.meets_limits = row.dropped.is_none() && all.in_time(i);
    }
    for (&i, standing) in within.iter().zip(decision.standings()) {
        if let Standing::Dropped(why) = standing {
            mol.candidates[i].dropped = Some(why);
        }
    }
    let goods: Vec<Option<Goods>> = mol
        .candidates
        .iter()
        .map(|row| {
            Some(Goods {
                rate: row.queries_per_second.filter(|_| row.meets_limits)?,
                latency_seconds: row.latency_seconds?,
                memory_bytes: row.memory_bytes.map(|bytes| bytes as f64),
                quality: row.quality,
            })
        })
        .collect();
    for (row, on_front) in mol.candidates.iter_mut().zip(front(&goods)) {
        row.on_front = on_front;
    }
    let result = decision.result();
    if let Some(leader) = result.leader {
        let i = within[leader];
        mol.choice = Some(MolChoice {
            settings: mol.candidates[i].settings,
            shown_slower: result.slower,
            shown_equivalent: result.equivalent,
            undecided: result.undecided,
            margin: MARGIN,
        });
        mol.advice = advice(plan, mol, i, all.worst(i));
    }
}

/// What to set and to watch, from what was measured of the choice.
fn advice(plan: &MolPlan, mol: &MolTuning, i: usize, worst: Option<(f64, f64)>) -> Vec<TuningAdvice> {
    let chosen = &mol.candidates[i];
    let mut all = Vec::new();
    let mut say = |action: String, because: String| all.push(TuningAdvice { action, because });
    let rate = |row: &MolCandidate| row.queries_per_second.map(|rate| units::rate(rate, "queries/s"));
    let others: Vec<String> = mol
        .candidates
        .iter()
        .filter(|row| MolSettings { batch: chosen.settings.batch, ..row.settings } == chosen.settings)
        .filter_map(|row| Some(format!("{} at {}", rate(row)?, row.settings.batch)))
        .collect();
    say(
        format!("score {} queries together", chosen.settings.batch),
        format!("measured {}", others.join(", ")),
    );
    if let Some(bytes) = chosen.memory_bytes {
        say(
            format!(
                "reserve {} for {} items, beside the program",
                units::bytes(bytes),
                units::count(plan.items as u64)
            ),
            "the largest resident size of a process that arranged the items and scored them".to_owned(),
        );
    }
    if let Some((slowest_batch, slowest_round)) = worst {
        say(
            format!("warn where a batch takes longer than {}", units::seconds(slowest_batch)),
            format!("the longest of the {} batches that were measured", chosen.batches),
        );
        let least = 1.0 / slowest_round;
        say(
            format!("warn where a thread scores fewer than {}", units::rate(least, "queries/s")),
            format!("the slowest of the {} rounds that were measured", chosen.rounds),
        );
    }
    if let (Some(quality), Some(source)) = (chosen.quality, &mol.quality_source) {
        say(format!("watch that the quality stays near {quality:.4}"), source.clone());
    }
    all
}

/// Memory of every form at the sizes of the choice, or of the first configuration where there is none.
fn forms(
    plan: &MolPlan,
    at: Option<MolSettings>,
    mol: &mut MolTuning,
    observer: &mut dyn Observer,
    stop: &Stop,
) {
    let Some(settings) = at.or_else(|| mol.candidates.first().map(|row| row.settings)) else { return };
    observer.phase("memory of forms", ScoreForm::ALL.len(), 0.0);
    for form in ScoreForm::ALL {
        if stop.requested() {
            return;
        }
        observer.step(&form.name());
        let [data, model] = sizes(&settings, plan.items, plan.dot_width, form)
            .numbers(form)
            .map(|numbers| (numbers * size_of::<f32>()) as u64);
        let footprint = ask(plan, form, settings);
        mol.forms.push(FormMemory {
            form: form.name().to_owned(),
            data_bytes: data,
            model_bytes: model,
            resident_bytes: footprint.as_ref().ok().map(|footprint| footprint.resident_bytes),
            peak_bytes: footprint.as_ref().ok().map(|footprint| footprint.peak_bytes),
            why: footprint.err().map(|error| format!("{error:#}")),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Silent;

    fn plan() -> MolPlan {
        MolPlan {
            query_components: vec![2, 4],
            item_components: vec![2],
            widths: vec![8, 16],
            gate_hidden: vec![16],
            batches: vec![1, 4],
            items: 40,
            dot_width: 16,
            limits: TuningLimits::default(),
            quality_minimum: None,
            quality: QualitySource::Unknown,
            seconds: 0.0,
            seed: 5,
            worker: None,
        }
    }

    fn search(plan: &MolPlan) -> MolTuning {
        tune_mol(plan, &Machine::default(), &mut Silent, &Stop::default()).unwrap().mol.unwrap()
    }

    #[test]
    fn every_configuration_is_measured_with_the_dot_product_beside_it() {
        let mol = search(&plan());
        assert_eq!(mol.candidates.len(), 8);
        assert_eq!(mol.dots.iter().map(|dot| dot.batch).collect::<Vec<_>>(), [1, 4]);
        for row in &mol.candidates {
            assert_eq!(row.rounds, EXHAUSTIVE_ROUNDS, "{}", row.settings);
            assert!(row.queries_per_second.unwrap() > 0.0 && row.times_dot.unwrap() > 0.0);
            assert_eq!((row.quality, row.memory_bytes), (None, None));
        }
        let choice = mol.choice.unwrap();
        assert_eq!(choice.shown_slower + choice.shown_equivalent + choice.undecided, 7);
        let chosen = mol.candidates.iter().find(|row| row.settings == choice.settings).unwrap();
        assert!(chosen.on_front && chosen.meets_limits);
        let reasons: Vec<&str> = mol.unknown.iter().map(|unknown| &*unknown.field).collect();
        assert!(
            reasons.contains(&"mol.candidates.quality") && reasons.contains(&"mol.candidates.memory_bytes")
        );
        assert!(mol.advice.iter().all(|advice| !advice.because.is_empty()) && mol.advice.len() >= 3);
        assert!(mol.forms.iter().all(|form| form.peak_bytes.is_none() && form.why.is_some()));
    }

    #[test]
    fn limits_leave_out_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("quality.csv");
        std::fs::write(&table, "pq,px,d,quality\n2,2,8,0.5\n4,2,16,0.9\n").unwrap();
        let plan = MolPlan {
            quality: QualitySource::Table(table),
            quality_minimum: Some(0.8),
            limits: TuningLimits { latency_seconds: Some(100.0), ..TuningLimits::default() },
            ..plan()
        };
        let mol = search(&plan);
        for row in &mol.candidates {
            let within = row.settings.query_components == 4 && row.settings.width == 16;
            assert_eq!(row.meets_limits, within, "{}: {:?}", row.settings, row.dropped);
            assert!(within || row.dropped.as_ref().unwrap().contains("quality"));
            assert!(row.queries_per_second.is_some(), "measured all the same");
        }
        assert_eq!(mol.choice.unwrap().settings.width, 16);
        let too_late = MolPlan {
            limits: TuningLimits { latency_seconds: Some(1e-9), ..TuningLimits::default() },
            quality: QualitySource::Unknown,
            quality_minimum: None,
            ..plan
        };
        let mol = search(&too_late);
        assert_eq!(mol.choice, None);
        assert!(mol.candidates.iter().all(|row| !row.on_front && !row.meets_limits));
    }

    #[test]
    fn a_process_tells_what_a_form_takes() {
        let settings =
            MolSettings { query_components: 4, item_components: 4, width: 32, gate_hidden: 64, batch: 4 };
        let task = FootprintTask { form: "eager".to_owned(), settings, items: 50, dot_width: 64 };
        // How much it is, a process of its own tells: here other tests take and give back memory meanwhile.
        let footprint = footprint(&task).unwrap();
        assert!(footprint.peak_bytes >= footprint.resident_bytes);
        assert!(super::footprint(&FootprintTask { form: "round".to_owned(), ..task }).is_err());
    }
}
