//! `perfkit.toml`: suites, margins and budgets, found upward from the working directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::analysis::budget::Budget;
use crate::analysis::compare::Margin;
use crate::catalog::Extensiveness;
use crate::measure::Plan;

mod embed;

pub use embed::{EmbedDefaults, write_embed};

/// The file's name.
pub const FILE_NAME: &str = "perfkit.toml";
/// The settings that hold where no file says otherwise: this project's own.
const DEFAULTS: &str = include_str!("../../perfkit.toml");
/// With fewer samples a median has no interval of 95 %.
const MEDIAN_SAMPLES: usize = 6;
/// No settings file is larger.
const LIMIT_BYTES: u64 = 1 << 20;

/// Settings with every default filled in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Named sets of cases.
    pub suites: BTreeMap<String, Suite>,
    /// The largest slowdown that `regress` tolerates, as a share, where runs or pairs are compared.
    pub max_regression: f64,
    /// The same where there is one run a side, which says nothing of the drift between runs.
    pub max_regression_of_one_run: f64,
    /// Limits that measured cases are judged by.
    pub budgets: Vec<Budget>,
    /// How revisions of the user's program are built and measured.
    pub program: Option<ProgramSettings>,
    /// How `embed` runs where its flags do not say.
    pub embed: EmbedDefaults,
    /// The file they came from; `None` for the defaults.
    pub path: Option<PathBuf>,
}

impl Settings {
    /// The margin of `regress`.
    #[must_use]
    pub fn margin(&self) -> Margin {
        Margin::around(self.max_regression)
    }

    /// The margin where there is one run a side.
    #[must_use]
    pub fn margin_of_one_run(&self) -> Margin {
        Margin::around(self.max_regression_of_one_run)
    }

    /// The folder that commands of the file run in.
    #[must_use]
    pub fn project(&self) -> PathBuf {
        let beside = self.path.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        beside.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| PathBuf::from("."))
    }

    /// A suite by name.
    pub fn suite(&self, name: &str) -> anyhow::Result<&Suite> {
        self.suites.get(name).with_context(|| {
            let known: Vec<&str> = self.suites.keys().map(String::as_str).collect();
            format!("no suite {name:?} in {FILE_NAME}; there are {}", known.join(", "))
        })
    }
}

/// `[program]`: how a revision becomes a program that serves the worker protocol. A file's own only: that of this
/// project says how to build perfkit itself.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSettings {
    /// Shell command that builds it, in the folder of the settings file.
    pub build: String,
    /// The file that it makes, below that folder.
    pub binary: String,
    /// Arguments before `__worker`.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Globs over the cases that a comparison judges; empty means all that the program offers.
    #[serde(default)]
    pub cases: Vec<String>,
    /// Shell command that links it again with its functions in an order drawn from `{seed}`.
    #[serde(default)]
    pub relink: Option<String>,
}

/// Cases that are measured together.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Globs over case text.
    pub cases: Vec<String>,
    /// How many shapes of each benchmark.
    pub extensiveness: Extensiveness,
    /// How each case is sampled.
    pub plan: Plan,
    /// Batches of the embedding pipeline: `BATCHxTOKENS` or `BATCHxmixed`.
    pub embed: Vec<String>,
}

/// What the file holds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    suite: BTreeMap<String, SuiteFile>,
    regress: RegressFile,
    program: Option<ProgramSettings>,
    budget: BTreeMap<String, BudgetFile>,
    embed: embed::EmbedFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SuiteFile {
    cases: Vec<String>,
    extensiveness: Option<String>,
    seconds_per_case: Option<f64>,
    max_samples: Option<usize>,
    embed: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RegressFile {
    max_regression: Option<f64>,
    max_regression_of_one_run: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetFile {
    cases: String,
    #[serde(default)]
    base: Option<String>,
    measure: String,
    #[serde(default)]
    at_most: Option<String>,
    #[serde(default)]
    at_least: Option<String>,
}

/// The settings of the nearest `perfkit.toml` at or above `folder`, over the defaults.
pub fn load(folder: &Path) -> anyhow::Result<Settings> {
    let mut defaults = parse(DEFAULTS).context("the built-in settings")?;
    defaults.program = None;
    let Some(path) = folder.ancestors().map(|f| f.join(FILE_NAME)).find(|path| path.is_file()) else {
        return Ok(defaults);
    };
    let shown = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let length = std::fs::metadata(&path).with_context(|| format!("cannot read {shown}"))?.len();
    ensure!(length <= LIMIT_BYTES, "{shown} is larger than any settings file");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
    let own = parse(&text).with_context(|| format!("in {}", path.display()))?;
    Ok(merge(defaults, own, path))
}

/// The settings of the file at or above the working directory, over the defaults.
pub fn load_here() -> anyhow::Result<Settings> {
    load(&std::env::current_dir().context("cannot tell the working directory")?)
}

/// A file's own rows replace the default rows of the same name.
fn merge(mut settings: Settings, own: Settings, path: PathBuf) -> Settings {
    settings.suites.extend(own.suites);
    if own.max_regression.is_finite() {
        settings.max_regression = own.max_regression;
    }
    if own.max_regression_of_one_run.is_finite() {
        settings.max_regression_of_one_run = own.max_regression_of_one_run;
    }
    settings.program = own.program;
    settings.embed = own.embed;
    settings.budgets.retain(|budget| own.budgets.iter().all(|b| b.name != budget.name));
    settings.budgets.extend(own.budgets);
    settings.path = Some(path);
    settings
}

/// The shares are not numbers where the text does not set it.
fn parse(text: &str) -> anyhow::Result<Settings> {
    let file: File = toml::from_str(text)?;
    let suites = file.suite.into_iter().map(|(name, suite)| {
        let read = read_suite(suite).with_context(|| format!("suite {name:?}"))?;
        Ok((name, read))
    });
    let budgets = file.budget.into_iter().map(|(name, budget)| {
        Budget::new(
            &name,
            &budget.cases,
            budget.base.as_deref(),
            &budget.measure,
            budget.at_most.as_deref(),
            budget.at_least.as_deref(),
        )
        .with_context(|| format!("budget {name:?}"))
    });
    let share = |name: &str, value: Option<f64>| match value {
        Some(share) if !(0.0..=10.0).contains(&share) => bail!("{name} is a share such as 0.05, not {share}"),
        Some(share) => Ok(share),
        None => Ok(f64::NAN),
    };
    Ok(Settings {
        suites: suites.collect::<anyhow::Result<_>>()?,
        max_regression: share("max_regression", file.regress.max_regression)?,
        max_regression_of_one_run: share(
            "max_regression_of_one_run",
            file.regress.max_regression_of_one_run,
        )?,
        program: file.program,
        embed: file.embed.read()?,
        budgets: budgets.collect::<anyhow::Result<_>>()?,
        path: None,
    })
}

fn read_suite(suite: SuiteFile) -> anyhow::Result<Suite> {
    let (extensiveness, plan) = match suite.extensiveness.as_deref() {
        Some("quick") => (Extensiveness::Quick, Plan::QUICK),
        Some("default") | None => (Extensiveness::Default, Plan::DEFAULT),
        Some("full") => (Extensiveness::Full, Plan::FULL),
        Some(other) => bail!("extensiveness is quick, default or full, not {other:?}"),
    };
    let plan = match suite.seconds_per_case {
        Some(seconds) if !(1e-3..=600.0).contains(&seconds) => {
            bail!("seconds_per_case lies between 0.001 and 600, not at {seconds}")
        }
        Some(seconds) => plan.with_budget(seconds),
        None => plan,
    };
    let plan = match suite.max_samples {
        Some(few @ 0..MEDIAN_SAMPLES) => {
            bail!("max_samples is at least {MEDIAN_SAMPLES}, which an interval of a median needs, not {few}")
        }
        Some(most) => Plan { max_samples: most, min_samples: plan.min_samples.min(most), ..plan },
        None => plan,
    };
    Ok(Suite { cases: suite.cases, extensiveness, plan, embed: suite.embed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_every_suite_and_budget() {
        let folder = tempfile::tempdir().unwrap();
        let settings = load(folder.path()).unwrap();
        for suite in ["quick", "default", "full"] {
            assert!(!settings.suite(suite).unwrap().cases.is_empty(), "{suite}");
        }
        assert!(settings.budgets.len() >= 9);
        assert!((settings.max_regression - 0.01).abs() < 1e-12);
        assert!((settings.max_regression_of_one_run - 0.05).abs() < 1e-12);
        assert!(settings.program.is_none(), "how perfkit itself is built is nobody else's default");
        assert!(settings.suite("nightly").unwrap_err().to_string().contains("quick"));
    }

    #[test]
    fn a_file_above_the_working_directory_wins_over_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        let text = "[regress]\nmax_regression = 0.02\n[suite.mine]\ncases = [\"pool\"]\nextensiveness = \"quick\"\n\
                    [budget.tokenize]\ncases = \"embed\"\nmeasure = \"tokenize\"\nat_most = \"1 ms\"\n";
        std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
        let settings = load(&below).unwrap();
        assert!((settings.max_regression - 0.02).abs() < 1e-12);
        assert!(settings.suites.contains_key("mine") && settings.suites.contains_key("quick"));
        assert_eq!(settings.budgets.iter().filter(|b| b.name == "tokenize").count(), 1);
    }

    #[test]
    fn what_a_file_gets_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (text, words) in [
            ("[suit.quick]\n", "suit"),
            ("[suite.q]\ncases=[\"a\"]\nextensiveness=\"slow\"\n", "slow"),
            ("[suite.q]\nseconds_per_case=0\n", "seconds_per_case"),
            ("[suite.q]\nmax_samples=3\n", "max_samples"),
            ("[regress]\nmax_regression=-1\n", "max_regression"),
            ("[regress]\nmax_regression_of_one_run=99\n", "max_regression_of_one_run"),
            ("[program]\nbuild=\"make\"\n", "binary"),
            ("[budget.b]\ncases=\"a\"\nmeasure=\"encode\"\nat_most=\"3 parsecs\"\n", "parsecs"),
            ("[budget.b]\ncases=\"a\"\nmeasure=\"encode\"\n", "at_most"),
            ("not toml", "perfkit.toml"),
        ] {
            std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
            let error = format!("{:#}", load(folder.path()).unwrap_err());
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
