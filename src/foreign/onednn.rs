//! oneDNN, by the matrix products of its C interface: the functions that take matrices as they lie, and the matmul
//! primitive.

use std::ffi::{c_char, c_int, c_uint};

use super::library::Library;
use super::search::Search;
use super::{Extents, Identity, OpenError, Peer, Product, Unsupported, Weights};

mod matmul;

const SEARCH: Search = Search {
    variable: "PERFKIT_ONEDNN_LIBRARY",
    names: &["libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"],
    packages: &[("lib", "libdnnl")],
};

/// The bits of `dnnl_cpu_isa_t`, the widest first: a set holds the bits of what it extends.
const INSTRUCTIONS: &[(c_uint, &str)] = &[
    (0x1fef, "avx512_core_amx_fp16"),
    (0xfef, "avx512_core_amx"),
    (0x1ef, "avx512_core_fp16"),
    (0xef, "avx512_core_bf16"),
    (0x67, "avx512_core_vnni"),
    (0x27, "avx512_core"),
    (0x1f, "avx2_vnni_2"),
    (0xf, "avx2_vnni"),
    (0x7, "avx2"),
    (0x3, "avx"),
    (0x1, "sse41"),
];

type Sgemm = unsafe extern "C" fn(
    c_char,
    c_char,
    i64,
    i64,
    i64,
    f32,
    *const f32,
    i64,
    *const f32,
    i64,
    f32,
    *mut f32,
    i64,
) -> c_int;

/// `dnnl_gemm_u8s8s32` and `dnnl_gemm_s8s8s32`: as `dnnl_sgemm`, with offsets of each matrix; A is of type `A`.
type ByteGemm<A> = unsafe extern "C" fn(
    c_char,
    c_char,
    c_char,
    i64,
    i64,
    i64,
    f32,
    *const A,
    i64,
    A,
    *const i8,
    i64,
    i8,
    f32,
    *mut i32,
    i64,
    *const i32,
) -> c_int;

/// Not transposed.
const N: c_char = b'N'.cast_signed() as c_char;
/// One offset for all of C.
const FIXED: c_char = b'F'.cast_signed() as c_char;

#[repr(C)]
struct Version {
    major: c_int,
    minor: c_int,
    patch: c_int,
}

struct Onednn(Library);

/// Finds and loads it.
pub(super) fn open() -> Result<Box<dyn Peer>, OpenError> {
    Ok(Box::new(Onednn(Library::find(&SEARCH)?)))
}

impl Onednn {
    fn version(&self) -> Option<String> {
        // SAFETY: `const dnnl_version_t* dnnl_version(void)`, a structure that begins with these three numbers.
        let version =
            unsafe { self.0.function::<unsafe extern "C" fn() -> *const Version>(&["dnnl_version"]) }.ok()?;
        // SAFETY: it takes nothing.
        let version = unsafe { version() };
        // SAFETY: null, or a structure of the library that lives as long as it does.
        let Version { major, minor, patch } = unsafe { version.as_ref() }?;
        Some(format!("{major}.{minor}.{patch}"))
    }

    fn instructions(&self) -> Option<String> {
        // SAFETY: `dnnl_cpu_isa_t dnnl_get_effective_cpu_isa(void)`; the enumeration is an unsigned int in C.
        let isa =
            unsafe { self.0.function::<unsafe extern "C" fn() -> c_uint>(&["dnnl_get_effective_cpu_isa"]) }
                .ok()?;
        // SAFETY: it takes nothing.
        let isa = unsafe { isa() };
        let known = INSTRUCTIONS.iter().find(|(bits, _)| isa & bits == *bits);
        Some(known.map_or_else(|| format!("instruction set {isa:#x}"), |(_, name)| (*name).to_owned()))
    }

    fn byte_product<A: Default + matmul::Element>(
        &self,
        name: &str,
        extents: Extents,
        weights: Weights<'_, i8>,
    ) -> Result<Product<A, i8, i32>, Unsupported> {
        if let Weights::PackedOnce(_) = weights {
            return matmul::product(self.0, extents, weights);
        }
        // SAFETY: the two callers name functions of this signature.
        let gemm = unsafe { self.0.function::<ByteGemm<A>>(&[name]) }?;
        let [m, k, n] = wide(extents);
        Ok(Box::new(move |a, b, c| {
            extents.hold(a, b, c);
            let zero = A::default();
            let offset = 0_i32;
            // SAFETY: the pointers are to m x k, k x n and m x n numbers, as held above, and to one offset.
            let status = unsafe {
                gemm(
                    N,
                    N,
                    FIXED,
                    m,
                    n,
                    k,
                    1.0,
                    a.as_ptr(),
                    k,
                    zero,
                    b.as_ptr(),
                    n,
                    0,
                    0.0,
                    c.as_mut_ptr(),
                    n,
                    &raw const offset,
                )
            };
            assert_eq!(status, 0, "oneDNN answers status {status}");
        }))
    }
}

impl Peer for Onednn {
    fn identity(&self) -> Identity {
        Identity {
            version: self.version().unwrap_or_else(|| "of an unknown version".to_owned()),
            dispatched: self.instructions(),
            path: Some(self.0.path()),
            found_by: self.0.found_by(),
        }
    }

    fn float_product(
        &self,
        extents: Extents,
        weights: Weights<'_, f32>,
    ) -> Result<Product<f32, f32, f32>, Unsupported> {
        if let Weights::PackedOnce(_) = weights {
            return matmul::product(self.0, extents, weights);
        }
        // SAFETY: `dnnl_status_t dnnl_sgemm(char, char, dnnl_dim_t, ...)` has this signature.
        let sgemm = unsafe { self.0.function::<Sgemm>(&["dnnl_sgemm"]) }?;
        let [m, k, n] = wide(extents);
        Ok(Box::new(move |a, b, c| {
            extents.hold(a, b, c);
            // SAFETY: the pointers are to m x k, k x n and m x n numbers, as held above, in rows of k, n and n.
            let status =
                unsafe { sgemm(N, N, m, n, k, 1.0, a.as_ptr(), k, b.as_ptr(), n, 0.0, c.as_mut_ptr(), n) };
            assert_eq!(status, 0, "oneDNN answers status {status}");
        }))
    }

    /// By the primitive in both cases: there is no function that takes matrices as they lie.
    fn bf16_product(
        &self,
        extents: Extents,
        weights: Weights<'_, u16>,
    ) -> Result<Product<u16, u16, f32>, Unsupported> {
        matmul::product(self.0, extents, weights)
    }

    fn unsigned_byte_product(
        &self,
        extents: Extents,
        weights: Weights<'_, i8>,
    ) -> Result<Product<u8, i8, i32>, Unsupported> {
        self.byte_product("dnnl_gemm_u8s8s32", extents, weights)
    }

    fn signed_byte_product(
        &self,
        extents: Extents,
        weights: Weights<'_, i8>,
    ) -> Result<Product<i8, i8, i32>, Unsupported> {
        self.byte_product("dnnl_gemm_s8s8s32", extents, weights)
    }
}

/// An extent of a slice is below `i64::MAX`.
fn wide(Extents { m, k, n }: Extents) -> [i64; 3] {
    [m, k, n].map(|extent| i64::try_from(extent).unwrap_or(i64::MAX))
}
