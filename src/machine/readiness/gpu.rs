//! Whether GPUs are free, whole, on their full link and at their full clock.

use std::collections::BTreeSet;

use super::ReadinessVerdict::{Bad, Ok, Warn};
use super::{Answer, remedy};
use crate::document::Gpu;

/// Others that use a GPU share its clock, its memory and its power.
pub(super) fn users(gpus: &[Gpu]) -> Option<Answer> {
    let known: Vec<&Gpu> =
        gpus.iter().filter(|gpu| gpu.utilization_percent.is_some() || gpu.processes.is_some()).collect();
    let busiest = known.iter().filter_map(|gpu| gpu.utilization_percent).max().unwrap_or(0);
    let processes: u32 = known.iter().filter_map(|gpu| gpu.processes).fold(0, u32::saturating_add);
    let stop = || remedy("nvidia-smi, or rocm-smi --showpids   (then stop what is not needed)");
    if known.is_empty() {
        return None;
    }
    Some(if busiest >= 10 {
        (
            Bad,
            format!("a GPU works for others {busiest} % of the time: its figures would be what they leave"),
            stop(),
        )
    } else if processes > 0 {
        let verb = if processes == 1 { "process holds" } else { "processes hold" };
        (Warn, format!("{processes} {verb} memory of the GPUs and may start to work at any time"), stop())
    } else {
        (Ok, "nobody else works on the GPUs".to_owned(), None)
    })
}

/// A link with fewer lanes than both ends have, which is a matter of the slot and no rest of the link.
pub(super) fn link(gpus: &[Gpu]) -> Option<Answer> {
    let widths = gpus.iter().filter_map(|gpu| Some((gpu, gpu.pcie.width.now?, gpu.pcie.width.max?)));
    let (gpu, now, max) = widths.min_by(|a, b| (a.1 * b.2).cmp(&(b.1 * a.2)))?;
    let name = gpu.name.as_deref().unwrap_or("a GPU");
    let reseat = || {
        remedy(
            "move the card to a slot with all lanes, or reseat it; some boards split slots in the firmware",
        )
    };
    Some(if now >= max {
        (Ok, format!("every GPU has all lanes of its link ({max} of {max})"), None)
    } else if now * 4 <= max {
        (
            Bad,
            format!("{name} has {now} of {max} lanes: copies run at a quarter of its link or less"),
            reseat(),
        )
    } else {
        (Warn, format!("{name} has {now} of {max} lanes: copies are that much slower"), reseat())
    })
}

/// Reasons for a lowered clock that are no rest.
pub(super) fn throttle(gpus: &[Gpu]) -> Option<Answer> {
    let told = gpus.iter().any(|gpu| !gpu.throttle.is_empty() || gpu.clocks.sm_hertz.is_some());
    if !told {
        return None;
    }
    let reasons: BTreeSet<&str> = gpus.iter().flat_map(|gpu| &gpu.throttle).map(|reason| &**reason).collect();
    let matching = |words: &[&str]| -> Vec<&str> {
        reasons.iter().copied().filter(|reason| words.iter().any(|word| reason.contains(word))).collect()
    };
    let hard = matching(&["hw_", "thermal"]);
    let soft = matching(&["sw_power_cap", "applications_clocks", "sync_boost", "display_clock"]);
    let cool =
        || remedy("nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER   (then cool it, or raise its limit)");
    Some(if !hard.is_empty() {
        (Bad, format!("a GPU's clock is held down by {}: figures are not its own", hard.join(", ")), cool())
    } else if !soft.is_empty() {
        (Warn, format!("a GPU's clock is held by {}", soft.join(", ")), cool())
    } else {
        (Ok, "nothing holds the GPUs' clocks down".to_owned(), None)
    })
}

/// Devices that show a process only a part of themselves.
pub(super) fn sharing(gpus: &[Gpu]) -> Option<Answer> {
    let part = |gpu: &Gpu| match (gpu.virtualization.as_deref(), gpu.mig) {
        (Some("vgpu"), _) => Some((Bad, "is a virtual GPU: others take turns on the same device")),
        (_, Some(true)) => {
            Some((Warn, "is divided into instances: a process sees one, with its share of memory"))
        }
        (Some(_) | None, Some(false) | None) => None,
    };
    let known = gpus.iter().any(|gpu| gpu.virtualization.is_some() || gpu.mig.is_some());
    let worst = gpus.iter().filter_map(|gpu| Some((part(gpu)?, gpu))).max_by_key(|found| found.0.0);
    match worst {
        Some(((verdict, what), gpu)) => {
            let name = gpu.name.as_deref().unwrap_or("a GPU");
            let command = if verdict == Bad {
                "use a machine with the whole device"
            } else {
                "sudo nvidia-smi -mig 0   (for the whole device)"
            };
            Some((verdict, format!("{name} {what}"), remedy(command)))
        }
        None => known.then(|| (Ok, "every GPU is there as a whole".to_owned(), None)),
    }
}
