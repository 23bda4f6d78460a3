//! Which execution providers a machine can use, in which order, and with which settings: pure functions of its facts and
//! of the libraries that lie where systems put them.

mod memory;
mod precision;

use super::root::Root;
use crate::document::{Execution, Gpu, Machine, Provider};

pub use memory::memory_limit;
use precision::precision;

/// Libraries that providers need beside a device and its driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Libraries {
    /// Starts of file names that were found; `None` where nobody looked.
    found: Option<Vec<&'static str>>,
}

/// What is looked for.
static WANTED: [&str; 5] =
    ["libcudnn.so", "libnvinfer.so", "libmigraphx_c.so", "libopenvino_c.so", "libhsa-runtime64.so"];

/// Where systems put libraries.
static FOLDERS: [&str; 12] = [
    "usr/lib",
    "usr/lib64",
    "usr/local/lib",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/local/cuda/lib64",
    "opt/rocm/lib",
    "opt/rocm/lib64",
    "opt/intel/openvino/runtime/lib/intel64",
    "opt/intel/openvino/runtime/lib/aarch64",
    "usr/local/lib/x86_64-linux-gnu",
    "opt/tensorrt/lib",
];

impl Libraries {
    /// Those below a root.
    pub(super) fn below(root: &Root) -> Self {
        let is_there = |wanted: &&'static str| {
            FOLDERS.iter().any(|folder| {
                ["", ".1", ".2", ".5", ".6", ".8", ".9", ".10", ".11"]
                    .iter()
                    .any(|version| root.exists(&format!("{folder}/{wanted}{version}")))
            })
        };
        Self { found: Some(WANTED.into_iter().filter(is_there).collect()) }
    }

    /// Nobody looked.
    pub(super) const fn not_looked_for() -> Self {
        Self { found: None }
    }

    /// What is to be said of one that is needed: `Ok` with words for a usable provider, `Err` with the reason.
    fn need(&self, library: &str, of: &str) -> Result<String, String> {
        match &self.found {
            None => Ok(format!("whether {of} ({library}) is installed was not looked for")),
            Some(found) if found.contains(&library) => Ok(format!("{of} is installed")),
            Some(_) => Err(format!("{of} is not where systems put libraries ({library})")),
        }
    }
}

/// The choice for a machine.
pub(super) fn choose(machine: &Machine, libraries: &Libraries) -> Execution {
    let mut providers: Vec<Provider> =
        PROVIDERS.iter().map(|(name, judge)| provider(name, judge(machine, libraries))).collect();
    // The order of the table is the order of trying, but what can be used stands before what cannot.
    providers.sort_by_key(|provider| !provider.usable);
    let (intra_op_threads, intra_op_reason) = intra_op_threads(machine);
    Execution {
        providers,
        intra_op_threads,
        intra_op_reason,
        precisions: machine.gpus.iter().enumerate().map(|(index, gpu)| precision(index, gpu)).collect(),
        memory_limits: (0..machine.gpus.len())
            .map(|index| memory_limit(&machine.gpus[index], index, 0, 0))
            .collect(),
    }
}

/// Whether a machine has what a provider needs: what speaks for it, or why not.
type Judge = fn(&Machine, &Libraries) -> Result<String, String>;

/// TensorRT comes before CUDA, whose kernels it replaces by better ones; each graphics provider before the processor.
static PROVIDERS: &[(&str, Judge)] = &[
    ("TensorRT", tensorrt),
    ("CUDA", cuda),
    ("MIGraphX", migraphx),
    ("ROCm", rocm),
    ("CoreML", coreml),
    ("OpenVINO", openvino),
    ("CPU", cpu),
];

fn provider(name: &str, judged: Result<String, String>) -> Provider {
    let usable = judged.is_ok();
    Provider { name: name.to_owned(), usable, reason: judged.unwrap_or_else(|reason| reason) }
}

/// The NVIDIA device with the highest capability that a driver serves.
fn nvidia(machine: &Machine) -> Result<(&Gpu, (u32, u32)), String> {
    let of_maker: Vec<&Gpu> =
        machine.gpus.iter().filter(|gpu| gpu.vendor.as_deref() == Some("nvidia")).collect();
    if of_maker.is_empty() {
        return Err("there is no NVIDIA GPU".to_owned());
    }
    let served: Vec<&Gpu> = of_maker.into_iter().filter(|gpu| gpu.driver_version.is_some()).collect();
    if served.is_empty() {
        return Err("no NVIDIA driver serves the GPU: install one".to_owned());
    }
    let best = served.into_iter().filter_map(|gpu| Some((gpu, capability(gpu)?))).max_by_key(|found| found.1);
    best.ok_or_else(|| "the GPU's compute capability is not known".to_owned())
}

fn capability(gpu: &Gpu) -> Option<(u32, u32)> {
    let (major, minor) = gpu.compute_capability.as_deref()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn named(gpu: &Gpu) -> &str {
    gpu.name.as_deref().unwrap_or("an unnamed GPU")
}

fn cuda(machine: &Machine, libraries: &Libraries) -> Result<String, String> {
    // ONNX Runtime's builds for CUDA 12 hold code from capability 5.2 on, those for CUDA 13 from 7.5 on.
    const LEAST: (u32, u32) = (5, 2);
    let (gpu, found) = nvidia(machine)?;
    if found < LEAST {
        return Err(format!(
            "compute capability {}.{} is below 5.2, for which no kernels are built",
            found.0, found.1
        ));
    }
    let cudnn = libraries
        .need("libcudnn.so", "cuDNN")
        .unwrap_or_else(|missing| format!("{missing}; wheels of Python bring it along"));
    Ok(format!("{}, compute capability {}.{}; {cudnn}", named(gpu), found.0, found.1))
}

fn tensorrt(machine: &Machine, libraries: &Libraries) -> Result<String, String> {
    // TensorRT 10 dropped Volta and older.
    const LEAST: (u32, u32) = (7, 5);
    let (gpu, found) = nvidia(machine)?;
    if found < LEAST {
        return Err(format!(
            "compute capability {}.{} is below 7.5, which TensorRT 10 needs",
            found.0, found.1
        ));
    }
    let library = libraries.need("libnvinfer.so", "TensorRT")?;
    Ok(format!("{}, compute capability {}.{}; {library}", named(gpu), found.0, found.1))
}

/// The AMD device that a driver for computing serves.
fn amd(machine: &Machine) -> Result<(&Gpu, &str), String> {
    let of_maker: Vec<&Gpu> =
        machine.gpus.iter().filter(|gpu| gpu.vendor.as_deref() == Some("amd")).collect();
    if of_maker.is_empty() {
        return Err("there is no AMD GPU".to_owned());
    }
    let served = of_maker.iter().filter(|gpu| gpu.memory_total_bytes.is_some());
    served.filter_map(|gpu| Some((*gpu, gpu.gfx.as_deref()?))).next().ok_or_else(|| {
        "no compute driver of AMD's serves the GPU, or its instruction set is not known".to_owned()
    })
}

/// Instruction sets that AMD supports ROCm on.
static ROCM: [&str; 9] =
    ["gfx908", "gfx90a", "gfx942", "gfx950", "gfx1030", "gfx1100", "gfx1101", "gfx1200", "gfx1201"];

fn migraphx(machine: &Machine, libraries: &Libraries) -> Result<String, String> {
    let (gpu, gfx) = amd(machine)?;
    if !ROCM.contains(&gfx) {
        return Err(format!("AMD does not support ROCm on {gfx}"));
    }
    let library = libraries.need("libmigraphx_c.so", "MIGraphX")?;
    Ok(format!("{}, {gfx}; {library}", named(gpu)))
}

fn rocm(machine: &Machine, libraries: &Libraries) -> Result<String, String> {
    let (gpu, gfx) = amd(machine)?;
    if !ROCM.contains(&gfx) {
        return Err(format!("AMD does not support ROCm on {gfx}"));
    }
    let library = libraries.need("libhsa-runtime64.so", "ROCm's runtime")?;
    Ok(format!("{}, {gfx}; {library}; ONNX Runtime 1.23 removed this provider for MIGraphX", named(gpu)))
}

fn is_apple(machine: &Machine) -> bool {
    machine.cpu.vendor.as_deref() == Some("Apple")
        || machine.cpu.brand.as_deref().is_some_and(|b| b.starts_with("Apple M"))
}

fn coreml(machine: &Machine, _: &Libraries) -> Result<String, String> {
    let os = machine.environment.os.as_deref().unwrap_or("an unknown system");
    if !os.starts_with("macOS") {
        return Err(format!("it exists on macOS only, and this is {os}"));
    }
    if !is_apple(machine) {
        return Ok("a Mac with an Intel processor: its GPU is used, there is no Neural Engine".to_owned());
    }
    Ok(format!("Apple's {}", APPLE_UNITS))
}

/// Which unit of an Apple processor takes a model: the Neural Engine computes in half precision from a few MiB of cache
/// and reads weights at less of the memory's rate than the GPU, so that it wins where weights are few.
const APPLE_UNITS: &str = "Neural Engine for models up to 200 MiB of half-precision weights (MiniLM, BERT base), GPU for larger ones";

fn openvino(machine: &Machine, libraries: &Libraries) -> Result<String, String> {
    let architecture = machine.cpu.architecture.as_deref().unwrap_or("an unknown architecture");
    let has = |name: &str| machine.cpu.features.iter().any(|feature| feature == name);
    let fits = match architecture {
        "x86_64" if has("sse4_2") => "a processor with SSE4.2",
        "aarch64" => "an ARM processor of 64 bits",
        "x86_64" => return Err("the processor has no SSE4.2".to_owned()),
        other => return Err(format!("it is not built for {other}")),
    };
    let library = libraries.need("libopenvino_c.so", "OpenVINO")?;
    let gpu = machine.gpus.iter().find(|gpu| gpu.vendor.as_deref() == Some("intel"));
    let gpu = gpu.map(|gpu| format!("; it can use {} too", named(gpu))).unwrap_or_default();
    Ok(format!("{fits}; {library}{gpu}"))
}

fn cpu(machine: &Machine, _: &Libraries) -> Result<String, String> {
    let tier = machine.cpu.tiers.last().map_or("baseline", |tier| tier.name());
    Ok(format!("always there; the highest tier is {tier}"))
}

/// One thread a core: two threads of a core share its multipliers, and matrix products keep them busy with one.
fn intra_op_threads(machine: &Machine) -> (usize, String) {
    let usable = machine.limits.effective_cpus.max(1);
    let fast = machine.cpu.kinds.iter().filter(|_| machine.cpu.kinds.len() > 1).max_by(|a, b| {
        let rank =
            |kind: &crate::document::CoreKind| (kind.capacity.unwrap_or(0), kind.max_hertz.unwrap_or(0.0));
        rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let cores = machine.limits.allowed_cores.or(machine.cpu.cores).unwrap_or(usable).max(1);
    let (most, why) = match fast {
        Some(kind) if kind.cores < cores && kind.cores > 1 => (
            kind.cores,
            format!(
                "one for each {}: a slower kind would make the others wait",
                kind.name.as_deref().unwrap_or("fast core")
            ),
        ),
        _ => (cores, "one for each core that this process may use".to_owned()),
    };
    match machine.limits.quota_cpus {
        Some(quota) if usable <= most => {
            (usable, format!("the quota of {quota:.2} CPUs carries no more without being stopped"))
        }
        _ if usable < most => (usable, "this process may use no more CPUs".to_owned()),
        _ => (most, why),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(super) fn gpu(vendor: &str, capability: Option<&str>, gfx: Option<&str>) -> Gpu {
        Gpu {
            vendor: Some(vendor.to_owned()),
            name: Some("a device".to_owned()),
            compute_capability: capability.map(str::to_owned),
            gfx: gfx.map(str::to_owned),
            driver_version: Some("1".to_owned()),
            memory_total_bytes: Some(16 << 30),
            ..Gpu::default()
        }
    }

    fn machine(gpus: Vec<Gpu>) -> Machine {
        let mut machine = Machine { gpus, ..Machine::default() };
        machine.cpu.architecture = Some("x86_64".to_owned());
        machine.cpu.features = vec!["sse4_2".to_owned()];
        machine.environment.os = Some("Debian GNU/Linux 12".to_owned());
        (machine.cpu.cores, machine.limits.effective_cpus) = (Some(8), 16);
        machine
    }

    fn all() -> Libraries {
        Libraries { found: Some(WANTED.to_vec()) }
    }

    fn usable(execution: &Execution) -> Vec<&str> {
        execution
            .providers
            .iter()
            .filter(|provider| provider.usable)
            .map(|provider| &*provider.name)
            .collect()
    }

    #[test]
    fn providers_need_device_driver_capability_and_library() {
        let none = Libraries { found: Some(Vec::new()) };
        let mut undriven = gpu("nvidia", Some("9.0"), None);
        undriven.driver_version = None;
        for (name, gpus, libraries, wanted) in [
            (
                "hopper",
                vec![gpu("nvidia", Some("9.0"), None)],
                all(),
                vec!["TensorRT", "CUDA", "OpenVINO", "CPU"],
            ),
            (
                "hopper without libraries",
                vec![gpu("nvidia", Some("9.0"), None)],
                none.clone(),
                vec!["CUDA", "CPU"],
            ),
            ("volta", vec![gpu("nvidia", Some("7.0"), None)], all(), vec!["CUDA", "OpenVINO", "CPU"]),
            ("kepler", vec![gpu("nvidia", Some("3.5"), None)], none.clone(), vec!["CPU"]),
            ("no driver", vec![undriven], none.clone(), vec!["CPU"]),
            (
                "instinct",
                vec![gpu("amd", None, Some("gfx942"))],
                all(),
                vec!["MIGraphX", "ROCm", "OpenVINO", "CPU"],
            ),
            ("navi 22", vec![gpu("amd", None, Some("gfx1031"))], none.clone(), vec!["CPU"]),
            ("nothing", vec![], none, vec!["CPU"]),
        ] {
            let execution = choose(&machine(gpus), &libraries);
            assert_eq!(usable(&execution), wanted, "{name}");
            assert_eq!(execution.providers.len(), PROVIDERS.len());
            assert!(execution.providers.iter().all(|provider| !provider.reason.is_empty()));
        }
        let mut mac = machine(vec![]);
        mac.environment.os = Some("macOS 15.1".to_owned());
        mac.cpu.vendor = Some("Apple".to_owned());
        let execution = choose(&mac, &Libraries::not_looked_for());
        assert_eq!(execution.providers[0].name, "CoreML");
        assert!(execution.providers[0].reason.contains("Neural Engine"));
    }

    #[test]
    fn threads_are_cores_within_quota_and_of_the_fast_kind() {
        let mut plain = machine(vec![]);
        assert_eq!(intra_op_threads(&plain).0, 8);
        (plain.limits.quota_cpus, plain.limits.effective_cpus) = (Some(2.5), 2);
        assert_eq!(intra_op_threads(&plain).0, 2);
        let mut hybrid = machine(vec![]);
        let kind = |name: &str, cores, capacity| crate::document::CoreKind {
            name: Some(name.to_owned()),
            cores,
            capacity: Some(capacity),
            ..crate::document::CoreKind::default()
        };
        hybrid.cpu.kinds = vec![kind("P-core", 6, 1024), kind("E-core", 8, 600)];
        hybrid.cpu.cores = Some(14);
        assert_eq!(intra_op_threads(&hybrid).0, 6);
    }
}
