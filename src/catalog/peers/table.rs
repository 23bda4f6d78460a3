//! Which libraries, in which modes, for which benchmarks.

use super::work::{self, Prepare};

/// A library that can stand beside ours.
#[derive(Debug)]
pub struct Library {
    /// As in case names: `openblas`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// What to do where it is absent.
    pub install: &'static str,
    /// The variables that say how many threads it uses; none where it has no threads.
    pub threads: &'static [&'static str],
    /// As installed first, then as documented for speed.
    pub modes: &'static [Mode],
    /// The benchmarks of ours that it can do.
    pub(super) work: &'static [(&'static str, Prepare)],
}

/// A way to use a library.
#[derive(Debug)]
pub struct Mode {
    /// The second half of the implementation's name: `as-installed`.
    pub name: &'static str,
    /// Variables with their values.
    pub settings: &'static [(&'static str, &'static str)],
    /// What it is, and why it helps.
    pub about: &'static str,
}

/// The mode in which a library comes.
pub const AS_INSTALLED: &str = "as-installed";

const INSTALLED: Mode =
    Mode { name: AS_INSTALLED, settings: &[], about: "as it comes, told only the number of threads" };

const FLOATS: (&str, Prepare) = ("matmul/gemm-f32", work::float_product);

/// Every library.
pub static LIBRARIES: &[Library] = &[
    Library {
        name: "openblas",
        about: "OpenBLAS: numpy's and most distributions' BLAS",
        install: "install libopenblas0 or numpy, or name the library in PERFKIT_OPENBLAS_LIBRARY",
        threads: &["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"],
        modes: &[
            INSTALLED,
            Mode {
                name: "coretype-skylakex",
                settings: &[("OPENBLAS_CORETYPE", "SKYLAKEX")],
                about: "its AVX-512 kernels, where it does not recognise a CPU that has them",
            },
        ],
        work: &[FLOATS],
    },
    Library {
        name: "mkl",
        about: "Intel's Math Kernel Library: torch's BLAS",
        install: "install the package mkl for python3, or name libmkl_rt in PERFKIT_MKL_LIBRARY",
        threads: &["MKL_NUM_THREADS", "OMP_NUM_THREADS"],
        modes: &[
            INSTALLED,
            Mode {
                name: "avx512-bound",
                settings: &[
                    ("MKL_ENABLE_INSTRUCTIONS", "AVX512"),
                    ("MKL_DYNAMIC", "FALSE"),
                    ("KMP_AFFINITY", "granularity=fine,compact"),
                ],
                about: "AVX-512 allowed and each thread bound to a CPU; without effect on other vendors' CPUs",
            },
        ],
        work: &[FLOATS],
    },
    Library {
        name: "blis",
        about: "BLIS: the BLAS of several distributions, and the base of AMD's",
        install: "install libblis4, or name the library in PERFKIT_BLIS_LIBRARY",
        threads: &["BLIS_NUM_THREADS", "OMP_NUM_THREADS"],
        modes: &[
            INSTALLED,
            Mode {
                name: "arch-type-0",
                settings: &[("BLIS_ARCH_TYPE", "0")],
                about: "its AVX-512 configuration, where it does not recognise a CPU that has it",
            },
        ],
        work: &[FLOATS],
    },
    Library {
        name: "onednn",
        about: "oneDNN: the kernels of torch's and OpenVINO's CPU layers",
        install: "install the package onednn-cpu-gomp for python3, or name libdnnl in PERFKIT_ONEDNN_LIBRARY",
        threads: &["OMP_NUM_THREADS"],
        modes: &[
            INSTALLED,
            Mode {
                name: "bound",
                settings: &[("OMP_PROC_BIND", "close"), ("OMP_PLACES", "cores")],
                about: "each thread of libgomp bound to a core, so that no two spin on one",
            },
        ],
        work: &[
            FLOATS,
            ("matmul/gemm-u8s8s32", work::unsigned_byte_product),
            ("matmul/gemm-s8s8s32", work::signed_byte_product),
        ],
    },
    #[cfg(all(feature = "peer-gemm", not(feature = "peer-gemm-x86-v4")))]
    Library {
        name: "gemm",
        about: "the crate gemm: candle's matrix products",
        install: "build perfkit with --features peer-gemm",
        threads: &["RAYON_NUM_THREADS"],
        modes: &[INSTALLED],
        work: &[FLOATS],
    },
    // What it is built with is its mode: AVX-512 kernels are a feature that is off unless asked for.
    #[cfg(feature = "peer-gemm-x86-v4")]
    Library {
        name: "gemm",
        about: "the crate gemm: candle's matrix products",
        install: "build perfkit with --features peer-gemm-x86-v4",
        threads: &["RAYON_NUM_THREADS"],
        modes: &[Mode { name: "x86-v4", settings: &[], about: "built with its AVX-512 kernels" }],
        work: &[FLOATS],
    },
    #[cfg(not(feature = "peer-gemm"))]
    Library {
        name: "gemm",
        about: "the crate gemm: candle's matrix products",
        install: "build perfkit with --features peer-gemm",
        threads: &[],
        modes: &[INSTALLED],
        work: &[FLOATS],
    },
    Library {
        name: "matrixmultiply",
        about: "the crate matrixmultiply: ndarray's matrix products",
        install: "build perfkit with --features peer-matrixmultiply",
        threads: &["MATMUL_NUM_THREADS"],
        modes: &[INSTALLED],
        work: &[FLOATS],
    },
    Library {
        name: "faer",
        about: "the crate faer: linear algebra in Rust",
        install: "build perfkit with --features peer-faer",
        threads: &["RAYON_NUM_THREADS"],
        modes: &[INSTALLED],
        work: &[FLOATS],
    },
    Library {
        name: "simsimd",
        about: "SimSIMD: distances in usearch and others",
        install: "build libsimsimd.so from its sources (benches/peers/kernels does) and name it in PERFKIT_SIMSIMD_LIBRARY",
        threads: &[],
        modes: &[INSTALLED],
        work: &[("similarity/dot-f32", work::dot)],
    },
    Library {
        name: "numkong",
        about: "NumKong: SimSIMD's successor",
        install: "build libnumkong.so from its sources and name it in PERFKIT_NUMKONG_LIBRARY",
        threads: &[],
        modes: &[INSTALLED],
        work: &[("similarity/dot-f32", work::dot)],
    },
    Library {
        name: "libc",
        about: "the C library's memcpy and memset",
        install: "this system has no libc.so.6 (glibc)",
        threads: &[],
        modes: &[INSTALLED],
        work: &[
            ("memory/copy-l1-u8", work::copy),
            ("memory/copy-l2-u8", work::copy),
            ("memory/copy-l3-u8", work::copy),
            ("memory/copy-dram-u8", work::copy),
            ("memory/write-l1-u8", work::fill),
            ("memory/write-l2-u8", work::fill),
            ("memory/write-l3-u8", work::fill),
            ("memory/write-dram-u8", work::fill),
        ],
    },
];
