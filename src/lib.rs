//! perfkit measures what a machine can do for text embedding, how close the work comes to it, what to
//! change, and whether today's commit made it slower.
//!
//! The layers, from the bottom up (imports run down only; `tests/tidy.rs` holds them):
//!
//! | layer | modules |
//! | --- | --- |
//! | 0 | [`units`], [`stats`], [`simd`], [`sys`], [`workload`] |
//! | 1 | [`kernels`], [`document`], [`tensor`], [`telemetry`], [`foreign`] |
//! | 2 | [`engines`], [`gpu`] |
//! | 3 | [`machine`], [`measure`], [`catalog`], [`analysis`], [`interchange`] |
//! | 4 | [`session`], [`worker`] |
//! | 5 | [`render`] |
//! | 6 | [`cli`] |

pub mod stats;
pub mod units;
pub mod workload;

#[expect(
    unsafe_code,
    reason = "intrinsics and masked loads; every block names the token that proves the tier"
)]
pub mod simd;
#[expect(unsafe_code, reason = "the operating system's calls: clocks, affinity, memory maps, resource use")]
pub mod sys;

pub mod document;
#[expect(
    unsafe_code,
    reason = "functions of other projects' libraries, by the signatures of their documentation"
)]
pub mod foreign;
pub mod kernels;
pub mod telemetry;
pub mod tensor;

pub mod engines;
pub mod gpu;

pub mod analysis;
pub mod catalog;
pub mod interchange;
pub mod machine;
pub mod measure;

pub mod session;
pub mod worker;

pub mod render;

pub mod cli;
