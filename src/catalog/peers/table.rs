//! Which libraries, in which modes, for which benchmarks.

use super::work::{self, Work};

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
    pub(super) work: &'static [Work],
}

/// A way to use a library.
#[derive(Debug)]
pub struct Mode {
    /// The second half of the implementation's name: `as-installed`.
    pub name: &'static str,
    /// Variables with their values.
    pub settings: &'static [(&'static str, &'static str)],
    /// What a program does beside them, as a command; none where settings are all.
    pub practice: Option<&'static str>,
    /// Whether B of a product is packed once, before the clock, as ours is.
    pub packs: bool,
    /// Fewer threads it is no other than as installed with.
    pub least_threads: usize,
    /// What it is, and why it helps.
    pub about: &'static str,
}

/// The mode in which a library comes.
pub const AS_INSTALLED: &str = "as-installed";

const INSTALLED: Mode = Mode {
    name: AS_INSTALLED,
    settings: &[],
    practice: None,
    packs: false,
    least_threads: 1,
    about: "as it comes, told only the number of threads",
};

const FLOATS: Work = Work::always("matmul/gemm-f32", work::float_product);
const BF16: Work = Work::of_some_builds("matmul/gemm-bf16bf16f32", work::bf16_product, work::has_bf16);
const UNSIGNED_BYTES: Work =
    Work::of_some_builds("matmul/gemm-u8s8s32", work::unsigned_byte_product, work::has_unsigned_bytes);
const SIGNED_BYTES: Work =
    Work::of_some_builds("matmul/gemm-s8s8s32", work::signed_byte_product, work::has_signed_bytes);
/// The largest products that libxsmm is documented for, in multiply-adds.
const SMALL: usize = 64 * 64 * 64;
const VECTORS: &[Work] = &[
    Work::always("similarity/dot-f32", work::dot),
    Work::always("similarity/cosine-f32", work::cosine),
    Work::always("similarity/dot-i8", work::byte_dot),
    Work::always("similarity/hamming-bits", work::hamming),
];

const MKL_BOUND: &[(&str, &str)] = &[
    ("MKL_ENABLE_INSTRUCTIONS", "AVX512"),
    ("MKL_DYNAMIC", "FALSE"),
    ("KMP_AFFINITY", "granularity=fine,compact"),
];
const INTEL_BOUND: &[(&str, &str)] = MKL_BOUND.split_at(1).1;
const OPENMP_BOUND: &[(&str, &str)] = &[("OMP_PROC_BIND", "close"), ("OMP_PLACES", "cores")];

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
                ..INSTALLED
            },
        ],
        work: &[FLOATS, BF16],
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
                settings: MKL_BOUND,
                about: "AVX-512 allowed and each thread bound to a CPU; without effect on other vendors' CPUs",
                ..INSTALLED
            },
            // Not with the instructions of the mode before, which keep its kernels from VNNI and BF16 where a CPU has them.
            Mode {
                name: "prepacked-bound",
                settings: INTEL_BOUND,
                practice: Some("pack weights once (cblas_*_pack, cblas_*_compute)"),
                packs: true,
                about: "B packed once instead of by every call, each thread bound to a CPU",
                ..INSTALLED
            },
        ],
        work: &[FLOATS, BF16, UNSIGNED_BYTES],
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
                ..INSTALLED
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
                settings: OPENMP_BOUND,
                least_threads: 2,
                about: "each thread of libgomp bound to a core, so that no two spin on one",
                ..INSTALLED
            },
            Mode {
                name: "prepacked-bound",
                settings: OPENMP_BOUND,
                practice: Some("pack weights once (the matmul primitive, weights of format_tag any)"),
                packs: true,
                about: "the matmul primitive with B reordered once into the layout that it asks for, threads bound",
                ..INSTALLED
            },
        ],
        work: &[FLOATS, BF16, UNSIGNED_BYTES, SIGNED_BYTES],
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
        modes: &[Mode {
            name: "x86-v4",
            settings: &[],
            practice: Some("build with the feature x86-v4"),
            about: "built with its AVX-512 kernels",
            ..INSTALLED
        }],
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
        name: "libxsmm",
        about: "libxsmm: generated kernels for small matrices, under SeisSol's and others' tensors",
        install: "make a shared library of libxsmm-dev (benches/peers/kernels does) and name it in PERFKIT_LIBXSMM_LIBRARY",
        threads: &[],
        modes: &[INSTALLED],
        work: &[Work { most: Some(SMALL), ..FLOATS }],
    },
    Library {
        name: "simsimd",
        about: "SimSIMD: distances in usearch and others",
        install: "build libsimsimd.so from its sources (benches/peers/kernels does) and name it in PERFKIT_SIMSIMD_LIBRARY",
        threads: &[],
        modes: &[INSTALLED],
        work: VECTORS,
    },
    Library {
        name: "numkong",
        about: "NumKong: SimSIMD's successor",
        install: "build libnumkong.so from its sources, with their NK_TARGET_* definitions, and name it in PERFKIT_NUMKONG_LIBRARY",
        threads: &[],
        modes: &[INSTALLED],
        work: VECTORS,
    },
    Library {
        name: "libc",
        about: "the C library's memcpy and memset",
        install: "this system has no libc.so.6 (glibc)",
        threads: &[],
        modes: &[INSTALLED],
        work: &[
            Work::always("memory/copy-l1-u8", work::copy),
            Work::always("memory/copy-l2-u8", work::copy),
            Work::always("memory/copy-l3-u8", work::copy),
            Work::always("memory/copy-dram-u8", work::copy),
            Work::always("memory/write-l1-u8", work::fill),
            Work::always("memory/write-l2-u8", work::fill),
            Work::always("memory/write-l3-u8", work::fill),
            Work::always("memory/write-dram-u8", work::fill),
        ],
    },
];
