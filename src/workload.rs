//! A workload: the thing that runs inside the clock, whatever it is made of.

use std::collections::BTreeMap;

/// Work that can be timed. `run` alone stands inside the clock.
pub trait Workload {
    /// Does the work once, on inputs prepared before.
    fn run(&mut self);

    /// What the last run can tell about itself (stages, tokens, ...). Read outside the clock.
    fn facts(&mut self) -> Facts {
        Facts::default()
    }

    /// Compares the output of the last run with the reference answer.
    fn check(&self) -> Result<(), Mismatch>;

    /// The output of the last run, so that a test can alter one element and see [`Workload::check`] fail.
    fn output(&mut self) -> OutputMut<'_>;
}

/// Facts that only the workload knows, besides its time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Seconds spent in each named stage of the last run, in order.
    pub stages: Vec<(&'static str, f64)>,
    /// Seconds that the last run took by its own pair of clock reads (only where it has stages).
    pub total_seconds: Option<f64>,
    /// Tokens handled by one run, without padding.
    pub tokens: Option<u64>,
    /// Texts handled by one run.
    pub texts: Option<u64>,
    /// Seconds on a device other than the CPU.
    pub device_seconds: Option<f64>,
    /// Anything else worth storing, by name with its unit last (`knee_l1_bytes`).
    pub extra: BTreeMap<&'static str, f64>,
}

/// The answer was not the reference's.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("element {element}: got {got}, reference {reference}, tolerance {tolerance}")]
pub struct Mismatch {
    /// Index of the first wrong element in the output.
    pub element: usize,
    /// What the kernel wrote.
    pub got: f64,
    /// What the reference says.
    pub reference: f64,
    /// The largest difference that counts as equal there.
    pub tolerance: f64,
}

/// A view of a workload's output.
#[derive(Debug)]
pub enum OutputMut<'a> {
    /// Single-precision numbers.
    F32(&'a mut [f32]),
    /// Double-precision numbers.
    F64(&'a mut [f64]),
    /// Signed bytes.
    I8(&'a mut [i8]),
    /// Bytes.
    U8(&'a mut [u8]),
    /// 32-bit integers.
    I32(&'a mut [i32]),
    /// 64-bit words.
    U64(&'a mut [u64]),
}

impl OutputMut<'_> {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F64(x) => x.len(),
            Self::I8(x) => x.len(),
            Self::U8(x) => x.len(),
            Self::I32(x) => x.len(),
            Self::U64(x) => x.len(),
        }
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes element `index` wrong: clearly, but by no more than a bug would.
    pub fn alter(&mut self, index: usize) {
        match self {
            Self::F32(x) => x[index] = x[index] * 1.01 + 0.01,
            Self::F64(x) => x[index] = x[index] * 1.01 + 0.01,
            Self::I8(x) => x[index] = x[index].wrapping_add(1),
            Self::U8(x) => x[index] ^= 1,
            Self::I32(x) => x[index] = x[index].wrapping_add(1),
            Self::U64(x) => x[index] ^= 1,
        }
    }
}

/// Compares floats against an f64 reference: equal when within `relative` of the reference or `absolute`.
pub fn compare_floats<'a>(
    got: impl IntoIterator<Item = &'a f32>,
    reference: &[f64],
    relative: f64,
    absolute: f64,
) -> Result<(), Mismatch> {
    let mut count = 0;
    for (element, (&got, &reference)) in got.into_iter().zip(reference).enumerate() {
        count += 1;
        let tolerance = absolute.max(relative * reference.abs());
        let difference = (f64::from(got) - reference).abs();
        if difference > tolerance || (difference.is_nan() && !(got.is_nan() && reference.is_nan())) {
            return Err(Mismatch { element, got: f64::from(got), reference, tolerance });
        }
    }
    if count == reference.len() {
        Ok(())
    } else {
        Err(Mismatch { element: count, got: f64::NAN, reference: f64::NAN, tolerance: 0.0 })
    }
}

/// Compares exact values; integers must be equal.
pub fn compare_exact<T: Copy + PartialEq>(
    got: &[T],
    reference: &[T],
    to_f64: impl Fn(T) -> f64,
) -> Result<(), Mismatch> {
    if got.len() != reference.len() {
        return Err(Mismatch {
            element: got.len().min(reference.len()),
            got: f64::NAN,
            reference: f64::NAN,
            tolerance: 0.0,
        });
    }
    match got.iter().zip(reference).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(element) => Err(Mismatch {
            element,
            got: to_f64(got[element]),
            reference: to_f64(reference[element]),
            tolerance: 0.0,
        }),
    }
}
