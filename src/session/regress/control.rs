//! The control's history on this host: what measuring the base against itself gave, this time and before.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::analysis::compare::{ControlReport, Margin};
use crate::analysis::sequential::control::{Control, ControlVerdict};
use crate::document::{to_json_line, write_atomically};
use crate::session::cache;

/// Values kept of earlier runs: the newest.
const KEPT: usize = 300;
/// No history is longer.
const LIMIT_BYTES: u64 = 1 << 20;

/// Values of earlier runs on this host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct History {
    /// ln(base / base) of each control block, the oldest first.
    effects: Vec<f64>,
    #[serde(skip)]
    path: Option<PathBuf>,
}

impl History {
    /// What this host kept; nothing where it kept nothing, or nothing that can be read.
    #[must_use]
    pub(super) fn of_host(fingerprint: &str) -> Self {
        let name: String = fingerprint.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
        let path = cache::folder().ok().map(|folder| folder.join("control").join(format!("{name}.json")));
        let read = path.as_ref().and_then(|path| {
            let length = std::fs::metadata(path).ok()?.len();
            let text = (length <= LIMIT_BYTES).then(|| std::fs::read_to_string(path).ok())??;
            serde_json::from_str::<Self>(&text).ok()
        });
        let effects = read.map(|history| history.effects).unwrap_or_default();
        Self { effects: effects.into_iter().filter(|effect| effect.is_finite()).collect(), path }
    }

    /// The verdict on the control of this run, alone and together with what was kept. A failure of either voids the
    /// run; the history then starts anew, or one bad hour would void every run after it.
    #[must_use]
    pub(super) fn judge(&self, own: &[f64], margin: Margin) -> ControlReport {
        let control = Control::new(margin);
        let together: Vec<f64> = self.effects.iter().chain(own).copied().collect();
        let (alone, pooled) = (control.judge(own), control.judge(&together));
        let worse = if alone.verdict == ControlVerdict::Failed { alone } else { pooled };
        ControlReport {
            verdict: worse.verdict,
            blocks: own.len(),
            host_blocks: self.effects.len(),
            ln_e: worse.ln_e,
        }
    }

    /// Keeps this run's values for the next. A folder that cannot be written loses the history, not the run.
    pub(super) fn keep(mut self, own: &[f64], report: &ControlReport) {
        if report.verdict == ControlVerdict::Failed {
            self.effects.clear();
        } else {
            self.effects.extend(own);
        }
        let surplus = self.effects.len().saturating_sub(KEPT);
        self.effects.drain(..surplus);
        let (Some(path), Ok(text)) = (&self.path, to_json_line(&self)) else { return };
        if let Some(folder) = path.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        let _ = write_atomically(path, text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: Margin = Margin { lower: 0.005, upper: 0.015 };

    #[test]
    fn evidence_is_pooled_with_what_the_host_kept() {
        let none = History::default();
        assert_eq!(none.judge(&[0.0; 3], MARGIN).verdict, ControlVerdict::TooFew);
        let kept = History { effects: vec![0.0; 20], path: None };
        let report = kept.judge(&[0.0; 3], MARGIN);
        assert_eq!((report.verdict, report.blocks, report.host_blocks), (ControlVerdict::Holds, 3, 20));
    }

    #[test]
    fn a_bias_is_found_and_then_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control").join("x.json");
        let biased = History { effects: vec![0.01; 12], path: Some(path.clone()) };
        let report = biased.judge(&[0.01; 3], MARGIN);
        assert_eq!(report.verdict, ControlVerdict::Failed);
        biased.keep(&[0.01; 3], &report);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.trim(), "{\"effects\":[]}");
    }
}
