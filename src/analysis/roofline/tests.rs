//! Placement by the rules, on documents small enough to work out by hand.

use std::num::NonZeroUsize;

use super::*;
use crate::analysis::fixtures::{bandwidth, cost, document, machine, measured, peak};
use crate::document::Tier;

fn roofs() -> Vec<Measurement> {
    vec![
        bandwidth("memory/read-l1-u8/load@avx512/1/t1", 400e9),
        bandwidth("memory/read-l2-u8/load@avx512/1/t1", 200e9),
        bandwidth("memory/read-l3-u8/load@avx512/1/t1", 100e9),
        bandwidth("memory/read-dram-u8/load@avx512/1/t1", 30e9),
        bandwidth("memory/triad-l3-u8/load@avx512/1/t1", 80e9),
        bandwidth("memory/copy-l2-u8/load@avx512/1/t1", 150e9),
        peak("peak/fma-f32/fma@avx512/1/t1", 200e9),
        peak("peak/fma-f32/fma@baseline/1/t1", 30e9),
    ]
}

fn placed(case: &str, seconds: f64, cost: crate::document::Cost) -> Placement {
    let mut all = roofs();
    all.push(measured(case, seconds, cost));
    place(&document(all)).pop().unwrap()
}

/// The document tells what its machine has; the one that reads it may have other tiers.
#[test]
fn a_peer_stands_under_the_best_roofs_of_the_document_s_machine() {
    let case: Case = "matmul/gemm-f32/openblas@peer/8x8x8/t1".parse().unwrap();
    let work = cost(1000.0, 100.0, 0.25, 256.0);
    for (tiers, best) in [
        (vec![Tier::Baseline, Tier::Avx2], Tier::Avx2),
        (vec![Tier::Baseline, Tier::Avx2, Tier::Avx512], Tier::Avx512),
        (vec![Tier::Baseline, Tier::Neon], Tier::Neon),
        (vec![], Tier::Baseline),
    ] {
        let mut machine = machine();
        machine.cpu.tiers = tiers;
        let peak = Wanted::Peak { dtype: "f32".to_owned(), tier: best };
        assert!(wanted_ceilings(&machine, &case, &work).contains(&peak), "{best}");
    }
}

#[test]
fn the_working_set_and_the_threads_choose_the_level() {
    let one = NonZeroUsize::MIN;
    let two = NonZeroUsize::new(2).unwrap();
    for (bytes, threads, level) in [
        (0.0, one, Level::L1),
        (49152.0, one, Level::L1),
        (49153.0, one, Level::L2),
        (90000.0, two, Level::L1),
        (2e6, one, Level::L3),
        (2e6, two, Level::L2),
        (32.0 * 1048576.0, one, Level::L3),
        (40e6, two, Level::Dram),
    ] {
        assert_eq!(level_of(&machine(), bytes, threads), level, "{bytes} {threads}");
    }
    assert_eq!(level_of(&crate::document::Machine::default(), 1.0, one), Level::Dram);
}

#[test]
fn the_written_share_chooses_the_pattern() {
    for (share, pattern) in [
        (0.0, Pattern::Read),
        (1.0 / 128.0, Pattern::Read),
        (1.0 / 3.0, Pattern::Triad),
        (0.42, Pattern::Triad),
        (0.5, Pattern::Copy),
        (0.75, Pattern::Copy),
        (1.0, Pattern::Write),
    ] {
        assert_eq!(Pattern::of(&cost(1.0, 100.0, share, 1.0)), pattern, "{share}");
    }
}

#[test]
fn the_lower_roof_binds_and_the_share_is_of_time() {
    // 0.25 FLOP per byte in L2: 50 GFLOP/s by bytes, 200 by arithmetic. 1 MB at 200 GB/s is 5 us; it took 10.
    let memory_bound = placed("pool/mean-f32/rows@avx512/1x1/t1", 10e-6, cost(0.25e6, 1e6, 0.0, 1e6));
    let ceiling = memory_bound.ceiling.unwrap();
    assert_eq!((ceiling.kind, ceiling.name.as_str()), (CeilingKind::Bandwidth, "L2 read, avx512, 1 thread"));
    assert!((memory_bound.fraction.unwrap() - 0.5).abs() < 1e-2);
    // 100 FLOP per byte in L3: arithmetic binds at 200 GFLOP/s.
    let compute_bound = placed("matmul/gemm-f32/packed@avx512/8x8x8/t1", 1e-3, cost(1e8, 1e6, 0.0, 2e6));
    assert_eq!(compute_bound.ceiling.unwrap().what, "f32");
    assert!((compute_bound.fraction.unwrap() - 0.5).abs() < 1e-2);
}

#[test]
fn a_vnni_case_uses_the_memory_roofs_of_avx512_and_bits_have_no_arithmetic_roof() {
    let bits = placed("similarity/hamming-bits/words@avx512vnni/8x8/t1", 10e-6, cost(1e6, 1e6, 0.0, 1e6));
    assert_eq!(bits.ceiling.unwrap().name, "L2 read, avx512, 1 thread");
}

#[test]
fn above_its_roof_a_share_is_withheld_and_the_ceiling_named_for_another_measurement() {
    let mut all = roofs();
    all.push(measured("pool/mean-f32/rows@avx512/1x1/t1", 4.8e-6, cost(0.25e6, 1e6, 0.0, 1e6)));
    let document = document(all);
    let fraction = place(&document).pop().unwrap().fraction;
    assert!(fraction.as_ref().is_err_and(|why| why.starts_with("above 102 %")), "{fraction:?}");
    let passed: Vec<String> = passed_ceilings(&document).iter().map(ToString::to_string).collect();
    assert_eq!(passed, ["memory/read-l2-u8/load@avx512/1/t1"]);
}

#[test]
fn a_missing_roof_is_said() {
    let two_threads = placed("pool/mean-f32/rows@avx512/1x1/t2", 10e-6, cost(1.0, 1e6, 0.0, 1e6));
    assert_eq!(
        two_threads.fraction,
        Err("no ceiling measured for L1 read on avx512 with 2 thread(s)".replace("L1", "L2"))
    );
}

#[test]
fn embeddings_stand_under_the_arithmetic_peak_alone() {
    let embed = placed("embed/tiny-f32/native@avx512/8x32/t1", 1e-3, cost(5e7, 1e9, 0.5, 1e9));
    assert_eq!(embed.ceiling.unwrap().kind, CeilingKind::Compute);
    assert!((embed.fraction.unwrap() - 0.25).abs() < 1e-2);
}

#[test]
fn a_speedup_names_the_plain_code_of_the_same_shape() {
    let mut all = roofs();
    let small = cost(1e5, 1e6, 0.0, 1e6);
    all.push(measured("pool/mean-f32/plain@baseline/1x1/t1", 40e-6, small));
    all.push(measured("pool/mean-f32/plain@baseline/2x2/t1", 90e-6, small));
    all.push(measured("pool/mean-f32/rows@avx512/1x1/t1", 10e-6, small));
    let placements = place(&document(all));
    assert_eq!(placements[0].speedup_over_plain, None);
    assert!((placements[2].speedup_over_plain.unwrap() - 4.0).abs() < 1e-2);
}

#[test]
fn ceilings_above_physics_are_withheld_with_their_reason() {
    let mut all = roofs();
    // 16 lanes x 2 pipes x 2 x 4 GHz = 256 GFLOP/s.
    all.push(peak("peak/fma-f32/fma@avx512/2/t1", 300e9));
    all.push(bandwidth("memory/read-l1-u8/load@avx512/2/t1", 900e9));
    let document = document(all);
    assert_eq!(rejected_ceilings(&document).len(), 2);
    assert!(ceilings(&document).iter().all(|c| c.per_second < 401e9 && c.case.shape.count(0) == 1));
}
