//! What a GPU should compute in, by its compute capability or instruction set.

use super::capability;
use crate::document::{Gpu, PrecisionAdvice};

/// What a GPU should compute in.
pub(super) fn precision(index: usize, gpu: &Gpu) -> PrecisionAdvice {
    let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let mut advice = PrecisionAdvice { gpu: index, ..PrecisionAdvice::default() };
    if let Some(found) = capability(gpu) {
        let (matrix, sparsity, attention): (&[&str], bool, Option<&str>) = match found {
            (10.., _) => (&["fp16", "bf16", "tf32", "int8", "fp8", "fp4"], true, Some("FlashAttention 2")),
            (9, _) => (&["fp16", "bf16", "tf32", "int8", "fp8", "fp64"], true, Some("FlashAttention 3")),
            (8, 9) => (&["fp16", "bf16", "tf32", "int8", "int4", "fp8"], true, Some("FlashAttention 2")),
            (8, 0) => (&["fp16", "bf16", "tf32", "int8", "int4", "fp64"], true, Some("FlashAttention 2")),
            (8, _) => (&["fp16", "bf16", "tf32", "int8", "int4"], true, Some("FlashAttention 2")),
            (7, 5) => (&["fp16", "int8", "int4"], false, Some("FlashAttention 1")),
            (7, _) => (&["fp16"], false, None),
            _ => (&[], false, None),
        };
        advice.matrix_units = Some(!matrix.is_empty());
        advice.matrix_precisions = words(matrix);
        advice.structured_sparsity = Some(sparsity);
        advice.flash_attention = attention.map(str::to_owned);
        let first = match found {
            (8.., _) => "bf16",
            (7, _) => "fp16",
            (6, 0) | (5, 3) => "fp16",
            _ => "fp32",
        };
        advice.advised = Some(first.to_owned());
        let more = if matrix.contains(&"fp8") { "; fp8 where accuracy allows" } else { "" };
        let why = match first {
            "bf16" => "its tensor cores take bf16, whose range needs no scaling",
            "fp16" if found.0 == 7 => "its tensor cores take fp16 alone of the float types",
            "fp16" => "it has no tensor cores, but computes fp16 at twice the rate of fp32",
            _ => "it has no tensor cores and computes fp16 at a fraction of the rate of fp32",
        };
        advice.reason = format!("compute capability {}.{}: {why}{more}", found.0, found.1);
        return advice;
    }
    let Some(gfx) = gpu.gfx.as_deref() else {
        advice.reason = "neither a compute capability nor an instruction set is known".to_owned();
        return advice;
    };
    let (matrix, sparsity, attention): (&[&str], bool, Option<&str>) = match gfx {
        "gfx950" => (&["fp16", "bf16", "int8", "fp8", "fp4", "fp64"], true, Some("FlashAttention 2")),
        "gfx942" | "gfx941" | "gfx940" => {
            (&["fp16", "bf16", "tf32", "int8", "fp8", "fp64"], true, Some("FlashAttention 2"))
        }
        "gfx90a" => (&["fp16", "bf16", "int8", "fp64"], false, Some("FlashAttention 2")),
        "gfx908" => (&["fp16", "bf16", "int8"], false, None),
        _ if gfx.starts_with("gfx12") => (&["fp16", "bf16", "int8", "fp8"], true, None),
        _ if gfx.starts_with("gfx11") => (&["fp16", "bf16", "int8"], false, None),
        _ => (&[], false, None),
    };
    advice.matrix_units = Some(!matrix.is_empty());
    advice.matrix_precisions = words(matrix);
    advice.structured_sparsity = Some(sparsity);
    advice.flash_attention = attention.map(str::to_owned);
    advice.advised = Some(if matrix.contains(&"bf16") { "bf16" } else { "fp16" }.to_owned());
    let why = if matrix.is_empty() {
        "no matrix cores, but fp16 at twice the rate of fp32"
    } else {
        "its matrix cores take bf16"
    };
    advice.reason = format!("{gfx}: {why}");
    advice
}

#[cfg(test)]
mod tests {
    use super::super::tests::gpu;
    use super::*;

    #[test]
    fn precision_follows_from_what_the_device_has() {
        for (device, advised, fp8, sparsity) in [
            (gpu("nvidia", Some("9.0"), None), Some("bf16"), true, Some(true)),
            (gpu("nvidia", Some("8.6"), None), Some("bf16"), false, Some(true)),
            (gpu("nvidia", Some("7.5"), None), Some("fp16"), false, Some(false)),
            (gpu("nvidia", Some("6.1"), None), Some("fp32"), false, Some(false)),
            (gpu("nvidia", Some("6.0"), None), Some("fp16"), false, Some(false)),
            (gpu("amd", None, Some("gfx942")), Some("bf16"), true, Some(true)),
            (gpu("amd", None, Some("gfx1031")), Some("fp16"), false, Some(false)),
            (gpu("nvidia", None, None), None, false, None),
        ] {
            let advice = precision(0, &device);
            assert_eq!(advice.advised.as_deref(), advised, "{advice:?}");
            assert_eq!(advice.matrix_precisions.iter().any(|p| p == "fp8"), fp8, "{advice:?}");
            assert_eq!(advice.structured_sparsity, sparsity, "{advice:?}");
            assert!(!advice.reason.is_empty());
        }
    }
}
