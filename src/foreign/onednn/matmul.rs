//! The matmul primitive, which takes its weights in a layout of its own choice: oneDNN's documented way to be fast.
//!
//! A primitive is made for its extents and types; weights described as `any` are reordered once into the layout that the
//! implementation asks for (with the sums of columns that signed bytes need). Memory of ours is handed over by pointer
//! before each run.

use std::ffi::{c_int, c_uint, c_void};
use std::ptr;

use super::super::library::Library;
use super::super::{Extents, Product, Unsupported, Weights};
use super::wide;
use crate::sys::memory::Plain;

/// An object of the library.
type Handle = *mut c_void;
type Destroy = unsafe extern "C" fn(Handle) -> c_int;
/// Of a primitive's description: where to, engine, A, weights, bias, C, attributes.
type DescribeMatmul =
    unsafe extern "C" fn(*mut Handle, Handle, Handle, Handle, Handle, Handle, Handle) -> c_int;
/// Of a reorder's description: where to, from and its engine, to and its engine, attributes.
type DescribeReorder = unsafe extern "C" fn(*mut Handle, Handle, Handle, Handle, Handle, Handle) -> c_int;

/// `dnnl_cpu`.
const CPU: c_int = 1;
/// `dnnl_stream_default_flags`.
const IN_ORDER: c_uint = 1;
/// `dnnl_ab`: rows without gaps.
const ROWS: c_int = 3;
/// `dnnl_format_tag_any`.
const ANY: c_int = 1;
/// `dnnl_query_weights_md`.
const LAYOUT_OF_WEIGHTS: c_int = 131;
/// `dnnl_unimplemented`.
const UNIMPLEMENTED: c_int = 3;
/// `DNNL_ARG_SRC`, which is `DNNL_ARG_FROM` of a reorder too.
const FROM: c_int = 1;
/// `DNNL_ARG_DST`, which is `DNNL_ARG_TO`.
const TO: c_int = 17;
/// `DNNL_ARG_WEIGHTS`.
const WEIGHTS: c_int = 33;
/// The library finds the memory itself.
const ALLOCATE: Handle = ptr::without_provenance_mut(usize::MAX);

/// A type of number that the library knows.
pub(super) trait Element: Plain {
    /// Its `dnnl_data_type_t`.
    const TYPE: c_int;
}

impl Element for u16 {
    /// Bfloat16, which is the only thing that we keep in 16 bits here.
    const TYPE: c_int = 2;
}
impl Element for f32 {
    const TYPE: c_int = 3;
}
#[expect(clippy::use_self, reason = "the type of the constant is C's, and the same by chance")]
impl Element for i32 {
    const TYPE: c_int = 4;
}
impl Element for i8 {
    const TYPE: c_int = 5;
}
impl Element for u8 {
    const TYPE: c_int = 6;
}

/// `dnnl_exec_arg_t`.
#[repr(C)]
struct Argument {
    index: c_int,
    memory: Handle,
}

/// The functions that a product needs.
#[derive(Clone, Copy)]
struct Functions {
    create_engine: unsafe extern "C" fn(*mut Handle, c_int, usize) -> c_int,
    destroy_engine: Destroy,
    create_stream: unsafe extern "C" fn(*mut Handle, Handle, c_uint) -> c_int,
    wait: unsafe extern "C" fn(Handle) -> c_int,
    destroy_stream: Destroy,
    create_layout: unsafe extern "C" fn(*mut Handle, c_int, *const i64, c_int, c_int) -> c_int,
    destroy_layout: Destroy,
    create_memory: unsafe extern "C" fn(*mut Handle, Handle, Handle, *mut c_void) -> c_int,
    set_memory: unsafe extern "C" fn(Handle, *mut c_void) -> c_int,
    destroy_memory: Destroy,
    describe_matmul: DescribeMatmul,
    describe_reorder: DescribeReorder,
    query_layout: unsafe extern "C" fn(Handle, c_int, c_int) -> Handle,
    destroy_description: Destroy,
    create_primitive: unsafe extern "C" fn(*mut Handle, Handle) -> c_int,
    execute: unsafe extern "C" fn(Handle, Handle, c_int, *const Argument) -> c_int,
    destroy_primitive: Destroy,
}

impl Functions {
    fn of(library: Library) -> Result<Self, Unsupported> {
        let destroy = |name: &str| {
            // SAFETY: every `dnnl_*_destroy` takes the object and answers a status.
            unsafe { library.function::<Destroy>(&[name]) }
        };
        Ok(Self {
            // SAFETY: `(dnnl_engine_t*, dnnl_engine_kind_t, size_t)`.
            create_engine: unsafe { library.function(&["dnnl_engine_create"]) }?,
            destroy_engine: destroy("dnnl_engine_destroy")?,
            // SAFETY: `(dnnl_stream_t*, dnnl_engine_t, unsigned)`.
            create_stream: unsafe { library.function(&["dnnl_stream_create"]) }?,
            // SAFETY: `(dnnl_stream_t)`.
            wait: unsafe { library.function(&["dnnl_stream_wait"]) }?,
            destroy_stream: destroy("dnnl_stream_destroy")?,
            // SAFETY: `(dnnl_memory_desc_t*, int, const int64_t*, dnnl_data_type_t, dnnl_format_tag_t)`.
            create_layout: unsafe { library.function(&["dnnl_memory_desc_create_with_tag"]) }?,
            destroy_layout: destroy("dnnl_memory_desc_destroy")?,
            // SAFETY: `(dnnl_memory_t*, const_dnnl_memory_desc_t, dnnl_engine_t, void*)`.
            create_memory: unsafe { library.function(&["dnnl_memory_create"]) }?,
            // SAFETY: `(dnnl_memory_t, void*)`.
            set_memory: unsafe { library.function(&["dnnl_memory_set_data_handle"]) }?,
            destroy_memory: destroy("dnnl_memory_destroy")?,
            // SAFETY: a description, an engine, four layouts, attributes.
            describe_matmul: unsafe { library.function(&["dnnl_matmul_primitive_desc_create"]) }?,
            // SAFETY: a description, a layout, an engine, a layout, an engine, attributes.
            describe_reorder: unsafe { library.function(&["dnnl_reorder_primitive_desc_create"]) }?,
            // SAFETY: `(const_dnnl_primitive_desc_t, dnnl_query_t, int)`, which answers a layout of the description.
            query_layout: unsafe { library.function(&["dnnl_primitive_desc_query_md"]) }?,
            destroy_description: destroy("dnnl_primitive_desc_destroy")?,
            // SAFETY: `(dnnl_primitive_t*, const_dnnl_primitive_desc_t)`.
            create_primitive: unsafe { library.function(&["dnnl_primitive_create"]) }?,
            // SAFETY: `(const_dnnl_primitive_t, dnnl_stream_t, int, const dnnl_exec_arg_t*)`.
            execute: unsafe { library.function(&["dnnl_primitive_execute"]) }?,
            destroy_primitive: destroy("dnnl_primitive_destroy")?,
        })
    }

    /// A matrix of `rows` x `columns`.
    fn layout<T: Element>(&self, rows: i64, columns: i64, tag: c_int) -> Result<Owned, Unsupported> {
        let extents = [rows, columns];
        made("layout", self.destroy_layout, |to| {
            // SAFETY: two extents are read, as many as are told.
            unsafe { (self.create_layout)(to, 2, extents.as_ptr(), T::TYPE, tag) }
        })
    }

    fn memory(&self, layout: Handle, engine: &Owned, at: *mut c_void) -> Result<Owned, Unsupported> {
        made("memory", self.destroy_memory, |to| {
            // SAFETY: a layout and an engine that live, and memory that is only read or written while a primitive runs.
            unsafe { (self.create_memory)(to, layout, engine.0, at) }
        })
    }

    fn primitive(&self, description: &Owned) -> Result<Owned, Unsupported> {
        made("primitive", self.destroy_primitive, |to| {
            // SAFETY: the description lives.
            unsafe { (self.create_primitive)(to, description.0) }
        })
    }

    /// Runs a primitive to its end.
    fn run(&self, primitive: &Owned, stream: &Owned, arguments: &[Argument]) -> c_int {
        let count = c_int::try_from(arguments.len()).unwrap_or(0);
        // SAFETY: the primitive, its stream and its memories live, and there are as many arguments as told.
        let status = unsafe { (self.execute)(primitive.0, stream.0, count, arguments.as_ptr()) };
        // SAFETY: the stream lives.
        let waited = unsafe { (self.wait)(stream.0) };
        if status == 0 { waited } else { status }
    }
}

/// An object of the library, destroyed when nobody needs it.
struct Owned(Handle, Destroy);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the library made it, and nobody else destroys it.
        unsafe { (self.1)(self.0) };
    }
}

/// What a function of the library makes.
fn made(what: &str, destroy: Destroy, make: impl FnOnce(*mut Handle) -> c_int) -> Result<Owned, Unsupported> {
    let mut handle = ptr::null_mut();
    match make(&raw mut handle) {
        0 => Ok(Owned(handle, destroy)),
        UNIMPLEMENTED => {
            Err(Unsupported::refused(format!("oneDNN has no {what} for these types on this CPU")))
        }
        status => Err(Unsupported::refused(format!("oneDNN answers status {status} to a {what}"))),
    }
}

/// A product that is ready to run. Fields are dropped from the first to the last: the engine after all that it made.
struct Matmul {
    functions: Functions,
    primitive: Owned,
    a: Owned,
    b: Owned,
    c: Owned,
    stream: Owned,
    engine: Owned,
}

impl Matmul {
    fn new<A: Element, B: Element, C: Element>(
        functions: Functions,
        extents: Extents,
        weights_tag: c_int,
    ) -> Result<(Self, Owned), Unsupported> {
        let [m, k, n] = wide(extents);
        let f = functions;
        let engine = made("engine", f.destroy_engine, |to| {
            // SAFETY: a kind, and the first engine of it.
            unsafe { (f.create_engine)(to, CPU, 0) }
        })?;
        let stream = made("stream", f.destroy_stream, |to| {
            // SAFETY: the engine lives.
            unsafe { (f.create_stream)(to, engine.0, IN_ORDER) }
        })?;
        let (a, b, c) =
            (f.layout::<A>(m, k, ROWS)?, f.layout::<B>(k, n, weights_tag)?, f.layout::<C>(m, n, ROWS)?);
        let none = ptr::null_mut();
        let description = made("product", f.destroy_description, |to| {
            // SAFETY: the engine and the layouts live; no bias and no attributes are null.
            unsafe { (f.describe_matmul)(to, engine.0, a.0, b.0, none, c.0, none) }
        })?;
        // SAFETY: the description lives, and longer than its layout is used.
        let chosen = unsafe { (f.query_layout)(description.0, LAYOUT_OF_WEIGHTS, 0) };
        let at = if weights_tag == ANY { ALLOCATE } else { none };
        let matmul = Self {
            functions,
            primitive: f.primitive(&description)?,
            a: f.memory(a.0, &engine, none)?,
            b: f.memory(chosen, &engine, at)?,
            c: f.memory(c.0, &engine, none)?,
            stream,
            engine,
        };
        Ok((matmul, description))
    }

    /// Reorders the weights into the layout that `description` has chosen.
    fn pack<B: Element>(&self, description: &Owned, extents: Extents, b: &[B]) -> Result<(), Unsupported> {
        let [_, k, n] = wide(extents);
        let f = &self.functions;
        let rows = f.layout::<B>(k, n, ROWS)?;
        // SAFETY: the description lives, and longer than its layout is used.
        let chosen = unsafe { (f.query_layout)(description.0, LAYOUT_OF_WEIGHTS, 0) };
        let (engine, none) = (self.engine.0, ptr::null_mut());
        let reorder = made("reorder", f.destroy_description, |to| {
            // SAFETY: both layouts and the engine live; no attributes are null.
            unsafe { (f.describe_reorder)(to, rows.0, engine, chosen, engine, none) }
        })?;
        let reorder = f.primitive(&reorder)?;
        // The library takes a pointer to what may be written, and reads of this one alone.
        let from = f.memory(rows.0, &self.engine, b.as_ptr().cast_mut().cast())?;
        let arguments = [Argument { index: FROM, memory: from.0 }, Argument { index: TO, memory: self.b.0 }];
        match f.run(&reorder, &self.stream, &arguments) {
            0 => Ok(()),
            status => Err(Unsupported::refused(format!("oneDNN answers status {status} to a reorder"))),
        }
    }

    /// `c = a b`; the weights are those that were packed where `b` is none.
    fn run<A: Element, B: Element, C: Element>(&self, a: &[A], b: Option<&[B]>, c: &mut [C]) {
        let f = &self.functions;
        let set = |memory: &Owned, at: *mut c_void| {
            // SAFETY: the memory lives, and what it points to does until the run below is over.
            let status = unsafe { (f.set_memory)(memory.0, at) };
            assert_eq!(status, 0, "oneDNN answers status {status}");
        };
        set(&self.a, a.as_ptr().cast_mut().cast());
        if let Some(b) = b {
            set(&self.b, b.as_ptr().cast_mut().cast());
        }
        set(&self.c, c.as_mut_ptr().cast());
        let arguments = [
            Argument { index: FROM, memory: self.a.0 },
            Argument { index: WEIGHTS, memory: self.b.0 },
            Argument { index: TO, memory: self.c.0 },
        ];
        let status = f.run(&self.primitive, &self.stream, &arguments);
        assert_eq!(status, 0, "oneDNN answers status {status}");
    }
}

/// A product by the primitive, its weights in rows or reordered once.
pub(super) fn product<A: Element, B: Element, C: Element>(
    library: Library,
    extents: Extents,
    weights: Weights<'_, B>,
) -> Result<Product<A, B, C>, Unsupported> {
    let functions = Functions::of(library)?;
    Ok(match weights {
        Weights::EachCall => {
            let (matmul, _) = Matmul::new::<A, B, C>(functions, extents, ROWS)?;
            Box::new(move |a, b, c| {
                extents.hold(a, b, c);
                matmul.run(a, Some(b), c);
            })
        }
        Weights::PackedOnce(b) => {
            assert_eq!(b.len(), extents.k * extents.n, "B is not of {}x{}", extents.k, extents.n);
            let (matmul, description) = Matmul::new::<A, B, C>(functions, extents, ANY)?;
            matmul.pack(&description, extents, b)?;
            Box::new(move |a, b, c| {
                extents.hold(a, b, c);
                matmul.run::<A, B, C>(a, None, c);
            })
        }
    })
}
