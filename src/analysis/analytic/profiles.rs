//! Hardware by name: what its makers state, with where they state it. What is not stated, or could not be checked, is `None` with
//! the reason. Tensor and matrix rates are dense ones: sheets that state them "with sparsity" say twice as much.

use super::Precision;

/// A stated rate of arithmetic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Operations per second.
    pub flops_per_second: Option<f64>,
    /// By which units; or why it is not known.
    pub note: &'static str,
}

/// A device or processor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// As on the command line.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Single precision, half precision and bfloat16.
    pub peaks: [Peak; 3],
    /// Of its memory.
    pub bytes_per_second: Option<f64>,
    /// Which document states it.
    pub source: &'static str,
}

impl Profile {
    /// The peak of a precision.
    #[must_use]
    pub const fn peak(&self, precision: Precision) -> Peak {
        match precision {
            Precision::F32 => self.peaks[0],
            Precision::F16 => self.peaks[1],
            Precision::Bf16 => self.peaks[2],
        }
    }
}

/// The profile of a name.
#[must_use]
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

const fn stated(teraflops: f64, note: &'static str) -> Peak {
    Peak { flops_per_second: Some(teraflops * 1e12), note }
}

const fn unknown(note: &'static str) -> Peak {
    Peak { flops_per_second: None, note }
}

/// Makers of processors state neither rates of arithmetic nor the clock that all cores keep while they do it.
const NO_CPU_PEAK: Peak = unknown(
    "its maker states no rate of arithmetic, and no clock that all cores keep under it: measure there, and use --from",
);

/// Every profile.
pub static PROFILES: &[Profile] = &[
    Profile {
        name: "a100",
        title: "NVIDIA A100 SXM 80 GB",
        peaks: [
            stated(19.5, "CUDA cores"),
            stated(312.0, "tensor cores, dense"),
            stated(312.0, "tensor cores, dense"),
        ],
        bytes_per_second: Some(2039e9),
        source: "NVIDIA A100 Tensor Core GPU data sheet (A100 80GB SXM)",
    },
    Profile {
        name: "h100",
        title: "NVIDIA H100 SXM",
        peaks: [
            stated(67.0, "CUDA cores"),
            stated(989.4, "tensor cores, dense (1,979 with sparsity)"),
            stated(989.4, "tensor cores, dense (1,979 with sparsity)"),
        ],
        bytes_per_second: Some(3350e9),
        source: "NVIDIA H100 Tensor Core GPU data sheet (H100 SXM)",
    },
    Profile {
        name: "h200",
        title: "NVIDIA H200 SXM",
        peaks: [
            stated(67.0, "CUDA cores"),
            stated(989.4, "tensor cores, dense (1,979 with sparsity)"),
            stated(989.4, "tensor cores, dense (1,979 with sparsity)"),
        ],
        bytes_per_second: Some(4800e9),
        source: "NVIDIA H200 Tensor Core GPU data sheet (H200 SXM)",
    },
    Profile {
        name: "l4",
        title: "NVIDIA L4",
        peaks: [
            stated(30.3, "CUDA cores"),
            stated(121.0, "tensor cores, dense (242 with sparsity)"),
            stated(121.0, "tensor cores, dense (242 with sparsity)"),
        ],
        bytes_per_second: Some(300e9),
        source: "NVIDIA L4 Tensor Core GPU data sheet",
    },
    Profile {
        name: "t4",
        title: "NVIDIA T4",
        peaks: [
            stated(8.1, "CUDA cores"),
            stated(65.0, "tensor cores"),
            unknown("its tensor cores have no bfloat16"),
        ],
        bytes_per_second: Some(320e9),
        source: "NVIDIA T4 Tensor Core GPU product brief (256 bits of GDDR6 at 10 Gbit/s)",
    },
    Profile {
        name: "rtx4090",
        title: "NVIDIA GeForce RTX 4090",
        peaks: [
            stated(82.6, "CUDA cores"),
            stated(165.2, "tensor cores, dense, summed in single precision"),
            stated(165.2, "tensor cores, dense, summed in single precision"),
        ],
        bytes_per_second: Some(1008e9),
        source: "NVIDIA Ada GPU Architecture white paper, appendix A",
    },
    Profile {
        name: "mi300x",
        title: "AMD Instinct MI300X",
        peaks: [
            stated(163.4, "vector and matrix units"),
            stated(1307.4, "matrix units, dense"),
            stated(1307.4, "matrix units, dense"),
        ],
        bytes_per_second: Some(5300e9),
        source: "AMD Instinct MI300X Accelerator data sheet",
    },
    Profile {
        name: "graviton4",
        title: "AWS Graviton 4 (96 cores)",
        peaks: [NO_CPU_PEAK; 3],
        bytes_per_second: Some(537.6e9),
        source: "AWS announcement of Graviton4, November 2023: 12 channels of DDR5-5600",
    },
    Profile {
        name: "epyc9005",
        title: "AMD EPYC 9005 (one socket)",
        peaks: [NO_CPU_PEAK; 3],
        bytes_per_second: None,
        source: "the series' data sheet could not be checked; 12 channels, whose speed depends on the board",
    },
    Profile {
        name: "xeon6",
        title: "Intel Xeon 6 6900P (one socket)",
        peaks: [NO_CPU_PEAK; 3],
        bytes_per_second: Some(844.8e9),
        source: "Intel Xeon 6900P product brief: 12 channels of MRDIMM at 8800 MT/s",
    },
    Profile {
        name: "m4max",
        title: "Apple M4 Max (40-core GPU)",
        peaks: [unknown("Apple states no rate of arithmetic"); 3],
        bytes_per_second: Some(546e9),
        source: "Apple newsroom, 30 October 2024: M4 Max",
    },
];
