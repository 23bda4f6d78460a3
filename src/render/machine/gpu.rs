//! The lines about graphics processors and execution providers.

use super::plural;
use crate::document::{Gpu, Machine};
use crate::units::{bytes, bytes_per_second, hertz};

pub(super) fn gpus(machine: &Machine) -> Vec<String> {
    if machine.gpus.is_empty() {
        let why =
            machine.unknown.iter().find(|unknown| unknown.field == "gpus").map(|unknown| &*unknown.reason);
        return vec![why.unwrap_or("none").to_owned()];
    }
    // Devices that are alike are said once.
    let mut lines: Vec<(String, usize)> = Vec::new();
    for line in machine.gpus.iter().map(gpu) {
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => lines.push((line, 1)),
        }
    }
    lines
        .into_iter()
        .map(|(line, count)| if count > 1 { format!("{count} x {line}") } else { line })
        .collect()
}

fn gpu(gpu: &Gpu) -> String {
    let link = |now: Option<u32>, max: Option<u32>| match (now, max) {
        (Some(now), Some(max)) if now != max => Some(format!("{now} of {max}")),
        (now, max) => now.or(max).map(|n| n.to_string()),
    };
    let pcie = link(gpu.pcie.generation.now, gpu.pcie.generation.max)
        .zip(link(gpu.pcie.width.now, gpu.pcie.width.max))
        .map(|(generation, width)| format!("PCIe generation {generation}, lanes {width}"));
    let parts = [
        Some(gpu.name.clone().unwrap_or_else(|| "unnamed".to_owned())),
        gpu.architecture.clone(),
        gpu.compute_capability.as_ref().map(|capability| format!("compute capability {capability}")),
        gpu.gfx.clone(),
        gpu.memory_total_bytes.map(bytes),
        gpu.memory_bytes_per_second.map(|rate| format!("{} memory", bytes_per_second(rate))),
        gpu.clocks.sm_max_hertz.map(|clock| format!("up to {}", hertz(clock))),
        gpu.power_limit_watts.map(|watts| format!("{watts:.0} W")),
        pcie,
        gpu.mig
            .filter(|&on| on)
            .map(|_| format!("divided into {}", plural(gpu.mig_devices.unwrap_or(0) as usize, "instance"))),
        gpu.virtualization.clone().filter(|mode| mode != "none"),
        held(&gpu.throttle),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What holds the clock down; a device at rest is only that.
fn held(reasons: &[String]) -> Option<String> {
    let (rest, others): (Vec<&str>, Vec<&str>) =
        reasons.iter().map(|reason| &**reason).partition(|reason| *reason == "gpu_idle");
    if others.is_empty() {
        return (!rest.is_empty()).then(|| "idle".to_owned());
    }
    Some(format!("clock held by {}", others.join(", ")))
}

/// The providers that can be used, in their order.
pub(super) fn providers(machine: &Machine) -> Vec<String> {
    let execution = &machine.execution;
    if execution.providers.is_empty() {
        return Vec::new();
    }
    let usable: Vec<&str> = execution
        .providers
        .iter()
        .filter(|provider| provider.usable)
        .map(|provider| &*provider.name)
        .collect();
    let threads = plural(execution.intra_op_threads, "thread");
    let mut lines =
        vec![format!("{}; {threads} inside an operation ({})", usable.join(", "), execution.intra_op_reason)];
    let advice = execution.precisions.iter().filter_map(|advice| {
        Some((advice.gpu, format!("{} first ({})", advice.advised.as_ref()?, advice.reason)))
    });
    lines.extend(by_gpu(advice.collect(), machine.gpus.len()));
    let limits = execution.memory_limits.iter().filter(|limit| limit.limit_bytes.is_some());
    let limits = limits.map(|limit| (limit.gpu, format!("memory for one process: {}", limit.formula)));
    lines.extend(by_gpu(limits.collect(), machine.gpus.len()));
    lines
}

/// What is the same of several GPUs once, with their numbers where it is not so of all.
fn by_gpu(said: Vec<(usize, String)>, all: usize) -> Vec<String> {
    let mut lines: Vec<(Vec<usize>, String)> = Vec::new();
    for (gpu, text) in said {
        match lines.iter_mut().find(|line| line.1 == text) {
            Some(line) => line.0.push(gpu),
            None => lines.push((vec![gpu], text)),
        }
    }
    let written = |(gpus, text): (Vec<usize>, String)| {
        let numbers: Vec<String> = gpus.iter().map(ToString::to_string).collect();
        if gpus.len() == all { text } else { format!("GPU {}: {text}", numbers.join(", ")) }
    };
    lines.into_iter().map(written).collect()
}
