//! Hardware by name: its stated rates, with the document that each was read in (November 2026). Where the maker's own sheet could
//! not be opened, that is a page which reproduces it, named as such. What no such document states is an error with the
//! reason. Tensor and matrix rates are dense ones: sheets that state them "with sparsity" say twice as much.

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
    /// Of its memory; or why it is not known.
    pub bytes_per_second: Result<f64, &'static str>,
    /// The titles of the documents that state the figures.
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

/// No document that was read states a rate of arithmetic of processors, or the clock that all cores keep under it.
const NO_CPU_PEAK: Peak = unknown(
    "no document that was read states its rate of arithmetic, or the clock that all cores keep under it: measure there, and use --from",
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
        bytes_per_second: Ok(2039e9),
        source: "\"NVIDIA A100 40GB with NVLINK\" (documentation of PC2, Paderborn) for the arithmetic; \"NVIDIA A100 Specs: Full Guide\" (Thunder Compute) for the memory",
    },
    Profile {
        name: "h100",
        title: "NVIDIA H100 SXM",
        peaks: [
            stated(67.0, "CUDA cores"),
            stated(989.4, "tensor cores, dense (1,979 with sparsity)"),
            stated(989.4, "tensor cores, dense (1,979 with sparsity)"),
        ],
        bytes_per_second: Ok(3350e9),
        source: "\"NVIDIA H100\" (data sheet as reproduced by HPC Tech), halved where it says with sparsity; \"H100\" (Glenn K. Lockwood) for the dense 989.4",
    },
    Profile {
        name: "h200",
        title: "NVIDIA H200 SXM",
        peaks: [
            stated(67.0, "CUDA cores, as of the H100, whose chip it has"),
            stated(989.4, "tensor cores, dense, as of the H100, whose chip it has"),
            stated(989.4, "tensor cores, dense, as of the H100, whose chip it has"),
        ],
        bytes_per_second: Ok(4800e9),
        source: "\"NVIDIA H200\" (AI Wiki): the H100's chip, and the memory; \"NVIDIA H100\" (data sheet as reproduced by HPC Tech) for the arithmetic",
    },
    Profile {
        name: "l4",
        title: "NVIDIA L4",
        peaks: [
            stated(30.3, "CUDA cores"),
            stated(121.0, "tensor cores, dense (242 with sparsity)"),
            stated(121.0, "tensor cores, dense, as of half precision"),
        ],
        bytes_per_second: Ok(300e9),
        source: "\"NVIDIA L4 vs L40S\" (Grokipedia) for the tensor cores, halved, and the memory; \"NVIDIA L4 vs NVIDIA Tesla M40\" (FPSBench) for the CUDA cores; \"NVIDIA L4 vs NVIDIA A100 40GB\" (HMC Tech): bfloat16 is as fast as half precision",
    },
    Profile {
        name: "t4",
        title: "NVIDIA T4",
        peaks: [
            stated(8.1, "CUDA cores"),
            stated(65.0, "tensor cores"),
            unknown("its tensor cores have no bfloat16"),
        ],
        bytes_per_second: Ok(320e9),
        source: "\"Nvidia presenta la nueva Tesla T4\" (Geektopia, 13 September 2018) for the arithmetic; \"NVIDIA Tesla T4 Graphics Card\" (SysRqmts) for the memory",
    },
    Profile {
        name: "rtx4090",
        title: "NVIDIA GeForce RTX 4090",
        peaks: [
            stated(82.6, "CUDA cores"),
            stated(165.2, "tensor cores, dense, summed in single precision"),
            stated(165.2, "tensor cores, dense, summed in single precision"),
        ],
        bytes_per_second: Ok(1008e9),
        source: "\"NVIDIA GeForce RTX 4090\" (WareDB)",
    },
    Profile {
        name: "mi300x",
        title: "AMD Instinct MI300X",
        peaks: [
            stated(163.4, "vector and matrix units"),
            stated(1307.4, "matrix units, dense"),
            stated(1307.4, "matrix units, dense"),
        ],
        bytes_per_second: Ok(5300e9),
        source: "\"Analytical per-kernel roofline\" (source file of Advanced Micro Devices, 2026): table of peaks of the MI300X",
    },
    Profile {
        name: "graviton4",
        title: "AWS Graviton 4 (96 cores)",
        peaks: [NO_CPU_PEAK; 3],
        bytes_per_second: Ok(537.6e9),
        source: "\"AWS Graviton4\" (WikiChip): 12 channels of DDR5-5600, of 8 bytes each",
    },
    Profile {
        name: "epyc9005",
        title: "AMD EPYC 9005 (one socket)",
        peaks: [NO_CPU_PEAK; 3],
        bytes_per_second: Err(
            "no document that was read states it; it depends on the board and on the modules",
        ),
        source: "\"AMD EPYC 9005 Architecture\" (kad8.com), which states no rate",
    },
    Profile {
        name: "xeon6",
        title: "Intel Xeon 6 6900P (one socket)",
        peaks: [NO_CPU_PEAK; 3],
        bytes_per_second: Ok(844.8e9),
        source: "\"Intel Launches Granite Rapids Xeon 6900P series\" (Tom's Hardware): 12 channels of MRDIMM at 8800 MT/s, of 8 bytes each",
    },
    Profile {
        name: "m4max",
        title: "Apple M4 Max (40-core GPU)",
        peaks: [unknown("no document that was read states its rate of arithmetic"); 3],
        bytes_per_second: Ok(546e9),
        source: "\"Apple Announces M4 Max Chip\" (MacRumors, 30 October 2024)",
    },
];
