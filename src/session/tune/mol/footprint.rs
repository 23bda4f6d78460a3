//! Memory of configurations and forms: the resident size of a process of its own that arranges one and scores with it.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::stock::Budget;
use super::{MolPlan, sizes};
use crate::catalog::{ScoreForm, Scorer};
use crate::document::{FormMemory, Machine, MolSettings, MolTuning, Tier, Unknown};
use crate::session::{Observer, Stop};
use crate::sys::resources::{peak_resident_bytes, resident_bytes};

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
        scorer.score(task.settings.batch);
    }
    let (resident, peak) =
        (resident_bytes().with_context(unknown)?, peak_resident_bytes().with_context(unknown)?);
    drop(scorer);
    Ok(Footprint {
        resident_bytes: resident.saturating_sub(before),
        peak_bytes: peak.max(resident).saturating_sub(before),
    })
}

/// Starts the process; a form that the budget refuses is not tried, since the system might end what asks for too much.
fn ask(plan: &MolPlan, budget: Budget, form: ScoreForm, settings: MolSettings) -> anyhow::Result<Footprint> {
    let refused = budget.refuses(form, &sizes(&settings, plan.items, plan.dot_width, form));
    if let Some(why) = refused {
        anyhow::bail!("not measured: {why}");
    }
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

/// The peak of every configuration.
pub(super) fn memories(
    plan: &MolPlan,
    budget: Budget,
    mol: &mut MolTuning,
    observer: &mut dyn Observer,
    stop: &Stop,
) {
    observer.phase("memory", mol.candidates.len(), 0.0);
    for row in &mut mol.candidates {
        if stop.requested() {
            return;
        }
        observer.step(&row.settings);
        match ask(plan, budget, ScoreForm::Fused, row.settings) {
            Ok(footprint) => row.memory_bytes = Some(footprint.peak_bytes),
            Err(error) => {
                let field = "mol.candidates.memory_bytes".to_owned();
                mol.unknown.push(Unknown { field, reason: format!("{}: {error:#}", row.settings) });
            }
        }
    }
}

/// Memory of every form at the sizes of the choice, or of the first configuration where there is none.
pub(super) fn forms(
    plan: &MolPlan,
    budget: Budget,
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
        let [data, model] =
            sizes(&settings, plan.items, plan.dot_width, form).bytes(form).map(|bytes| bytes as u64);
        let footprint = ask(plan, budget, form, settings);
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
