//! The formulas against counting, against the published figures, and against the roofs.

use super::counted::{self, Counts, count};
use super::*;

const AMAZON: Mol = Mol {
    query_components: 8,
    item_components: 8,
    width: 32,
    gate_hidden: 128,
    batch: 32,
    items: 1_000_000,
    precision: Precision::Bf16,
    fusion: Fusion::Full,
    item_side: Items::Cached,
    query_side: None,
    top: None,
};

fn counts_of(work: &Work) -> Counts {
    Counts { flops: work.matrix_flops() + work.elementwise_flops(), transcendentals: work.transcendentals() }
}

#[test]
fn formulas_count_what_an_implementation_does() {
    let precision = Precision::F32;
    for [batch, items, width] in [[1, 1, 1], [2, 5, 7], [3, 4, 16]] {
        let work = Dot { batch, items, width, precision, top: None }.work();
        assert_eq!(counts_of(&work), count(|| counted::dot(batch, items, width)));
        let [m, k, n] = [batch, items, width];
        let work = Matmul { m, k, n, precision }.work();
        assert_eq!(counts_of(&work), count(|| counted::dot(m, n, k)));
        for fusion in Fusion::ALL {
            let attention =
                Attention { batch, tokens: items, heads: 2, head_width: width, precision, fusion };
            let counted = count(|| counted::attention(batch, items, 2, width));
            assert_eq!(counts_of(&attention.work()), counted, "{attention:?}");
        }
    }
}

#[test]
fn formulas_of_mixtures_count_what_an_implementation_does() {
    for components in [[1, 1], [2, 3], [8, 8]] {
        for (item_width, query_side) in
            [(None, None), (Some(5), None), (None, Some([6, 10])), (Some(3), Some([4, 9]))]
        {
            let [query_components, item_components] = components;
            let mol = Mol {
                query_components,
                item_components,
                width: 4,
                gate_hidden: 6,
                batch: 3,
                items: 5,
                item_side: item_width.map_or(Items::Cached, |width| Items::OnTheFly { width }),
                query_side,
                ..AMAZON
            };
            let plain =
                counted::Mol { components, width: 4, hidden: 6, batch: 3, items: 5, item_width, query_side };
            assert_eq!(counts_of(&mol.work()), count(|| plain.run()), "{mol:?}");
        }
    }
}

#[test]
fn formulas_of_encoders_count_what_an_implementation_does() {
    for [layers, width, heads, intermediate, batch, tokens] in [[1, 4, 2, 8, 1, 3], [2, 6, 3, 5, 2, 4]] {
        let precision = Precision::F32;
        for fusion in Fusion::ALL {
            let encoder = Encoder { layers, width, heads, intermediate, batch, tokens, precision, fusion };
            let plain = counted::Encoder { layers, width, heads, intermediate, batch, tokens };
            assert_eq!(counts_of(&encoder.work()), count(|| plain.run()), "{encoder:?}");
        }
    }
}

/// Operations a pair, those of the elementwise steps, transcendentals, and the intensities of a batch of 1, 8, 32 and 128.
struct Published {
    sizes: [usize; 3],
    dot_width: usize,
    flops: [f64; 3],
    ratios: [f64; 2],
    fused: [f64; 4],
    dots_materialised: f64,
    eager: f64,
    dot: [f64; 4],
}

#[test]
fn the_published_table_is_reproduced() {
    let table = [
        Published {
            sizes: [8, 8, 32],
            dot_width: 64,
            flops: [36_864.0, 1536.0, 256.0],
            ratios: [288.0, 5.0],
            fused: [57.0, 439.0, 1536.0, 4096.0],
            dots_materialised: 132.0,
            eager: 11.4,
            dot: [1.0, 6.4, 16.0, 25.6],
        },
        Published {
            sizes: [8, 4, 64],
            dot_width: 50,
            flops: [20_480.0, 1088.0, 192.0],
            ratios: [205.0, 5.8],
            fused: [35.0, 269.0, 931.0, 2409.0],
            dots_materialised: 137.0,
            eager: 9.6,
            dot: [1.0, 6.1, 14.0, 20.9],
        },
        Published {
            sizes: [8, 4, 128],
            dot_width: 256,
            flops: [24_576.0, 1088.0, 192.0],
            ratios: [48.0, 2.1],
            fused: [23.0, 176.0, 647.0, 1966.0],
            dots_materialised: 148.0,
            eager: 11.4,
            dot: [1.0, 7.5, 25.6, 64.0],
        },
    ];
    let near = |got: f64, want: f64, what: &str| {
        assert!((got / want - 1.0).abs() < 0.05, "{what}: {got} for {want}");
    };
    for row in table {
        let [query_components, item_components, width] = row.sizes;
        let mol =
            |batch, fusion| Mol { query_components, item_components, width, batch, fusion, ..AMAZON }.work();
        let dot = |batch| {
            Dot { batch, items: AMAZON.items, width: row.dot_width, precision: Precision::Bf16, top: None }
                .work()
        };
        let one = mol(1, Fusion::Full);
        let pairs = 1e6;
        assert_eq!(one.matrix_flops() / pairs, row.flops[0]);
        assert_eq!(one.elementwise_flops() / pairs, row.flops[1]);
        assert_eq!(one.transcendentals() / pairs, row.flops[2]);
        near(one.matrix_flops() / dot(1).matrix_flops(), row.ratios[0], "ratio of operations");
        for (batch, (fused, dots)) in [1, 8, 32, 128].into_iter().zip(row.fused.into_iter().zip(row.dot)) {
            near(mol(batch, Fusion::Full).intensity().unwrap(), fused, "fused");
            near(dot(batch).intensity().unwrap(), dots, "dot product");
            // It hardly grows with the batch: what every step moves is a pair's own.
            assert!(
                mol(batch, Fusion::Eager).intensity().unwrap() < 1.05 * row.eager,
                "eager, batch {batch}"
            );
        }
        near(mol(32, Fusion::Eager).intensity().unwrap(), row.eager, "eager");
        near(mol(32, Fusion::Epilogue).intensity().unwrap(), row.dots_materialised, "dots materialised");
    }
}

#[test]
fn a_count_without_the_gates_is_nine_times_too_low() {
    let work = AMAZON.work();
    let logits = work.parts.iter().find(|part| part.name == "component logits").unwrap();
    assert_eq!(work.matrix_flops() / logits.matrix_flops, 9.0);
}

#[test]
fn a_dot_product_never_passes_half_its_width_unless_only_the_best_are_kept() {
    let dot = |batch, top| {
        Dot { batch, items: 1_000_000, width: 64, precision: Precision::Bf16, top }
            .work()
            .intensity()
            .unwrap()
    };
    for batch in [1, 32, 1024, 1 << 20] {
        assert!(dot(batch, None) < 32.0);
    }
    assert!(dot(1024, Some(10)) > 500.0);
}

#[test]
fn rescoring_gathered_items_is_a_batch_of_one() {
    // Items that no other query shares.
    let alone = Mol { batch: 1, items: 400, ..AMAZON }.work();
    assert!(alone.intensity().unwrap() < 57.3);
}

#[test]
fn devices_have_the_ridges_and_the_batches_that_are_published() {
    let roofs = |name: &str| Roofs::of_profile(profile(name).unwrap(), Precision::Bf16);
    for (name, ridge) in [("a100", 153.0), ("h200", 206.0), ("h100", 295.0)] {
        let got = roofs(name).ridge().unwrap();
        assert!((got - ridge).abs() < 1.0, "{name}: {got}");
        let batch = smallest_batch(got, |batch| Mol { batch, ..AMAZON }.work()).unwrap();
        assert!((3..=8).contains(&batch), "{name}: {batch}");
        let at = |batch| roofs(name).outlook(&Mol { batch, ..AMAZON }.work()).unwrap().bound;
        assert_eq!((at(batch - 1), at(batch)), (Bound::Memory, Bound::Compute), "{name}");
        let eager = |batch| Mol { batch, fusion: Fusion::Eager, ..AMAZON }.work();
        assert_eq!(smallest_batch(got, eager), None, "{name}");
    }
    // One core of the machine of the study, and single precision.
    let single = |batch| Mol { batch, precision: Precision::F32, ..AMAZON }.work();
    assert_eq!(smallest_batch(250.0 / 35.0, single), Some(1));
}

#[test]
fn what_no_sheet_states_is_said() {
    for profile in PROFILES {
        assert!(!profile.source.is_empty());
        for precision in Precision::ALL {
            let roofs = Roofs::of_profile(profile, precision);
            let outlook = roofs.outlook(&Mol { precision, ..AMAZON }.work());
            let known = roofs.flops_per_second.is_ok() && roofs.bytes_per_second.is_ok();
            assert_eq!(outlook.is_ok(), known, "{} {}", profile.name, precision.name());
            if let Err(why) = outlook {
                assert!(why.len() > 10, "{}: {why}", profile.name);
            }
        }
    }
    assert!(profile("h100").is_some() && profile("pentium").is_none());
}

#[test]
fn fusion_never_adds_memory_traffic() {
    let works: [&dyn Fn(Fusion) -> Work; 3] = [
        &|fusion| Mol { fusion, ..AMAZON }.work(),
        &|fusion| {
            Attention { batch: 4, tokens: 128, heads: 12, head_width: 32, precision: Precision::F32, fusion }
                .work()
        },
        &|fusion| {
            Encoder {
                layers: 6,
                width: 384,
                heads: 12,
                intermediate: 1536,
                batch: 8,
                tokens: 128,
                precision: Precision::F32,
                fusion,
            }
            .work()
        },
    ];
    for work in works {
        let bytes = Fusion::ALL.map(|fusion| work(fusion).dram_bytes);
        assert!(bytes[0] > bytes[1] && bytes[1] > bytes[2], "{bytes:?}");
        assert!(Fusion::ALL.iter().all(|&fusion| work(fusion).core_bytes >= work(fusion).dram_bytes));
    }
}

mod measured {
    use super::*;
    use crate::analysis::fixtures::{cost, document, measured, peak};

    /// Ceilings of round numbers, and a fused case of 256 pairs that takes so long.
    fn run(exponentials: bool, seconds: f64) -> crate::document::Document {
        let case = "mol/score-f32/fused@avx512/8x32x8x8x32x128/t1";
        let mut all = vec![
            peak("peak/fma-f32/chains@avx512/1x4096/t1", 100e9),
            measured(case, seconds, cost(1e6, 1e5, 0.1, 1e5)),
            measured("mol/score-f32/eager@avx512/8x32x8x8x32x128/t1", 1.0, cost(1e6, 1e5, 0.1, 1e5)),
        ];
        if exponentials {
            all.push(peak("peak/exp-f32/chains@avx512/1x4096/t1", 10e9));
        }
        document(all)
    }

    #[test]
    fn a_time_is_predicted_from_the_runs_own_ceilings() {
        // 256 pairs of 36,864 operations at 100 G, 1,536 at half of that, and 256 exponentials at 10 G.
        let want = 256.0 * (368.64e-9 + 30.72e-9 + 25.6e-9);
        let predictions = predictions(&run(true, 2.0 * want));
        assert_eq!(predictions.len(), 1, "the eager form is the memory's");
        let got = *predictions[0].predicted_seconds.as_ref().unwrap();
        assert!((got / want - 1.0).abs() < 0.01, "{got} for {want}");
        let error = median_error(&predictions).unwrap();
        assert!((error - 0.5).abs() < 0.01, "{error}");
    }

    #[test]
    fn without_a_ceiling_nothing_is_predicted_and_the_reason_stands_there() {
        let predictions = predictions(&run(false, 1.0));
        let why = predictions[0].predicted_seconds.as_ref().unwrap_err();
        assert!(why.contains("f32 exp"), "{why}");
        assert_eq!(median_error(&predictions), None);
    }

    #[test]
    fn a_documents_ceilings_are_roofs() {
        let mut document = run(true, 1.0);
        let read =
            crate::analysis::fixtures::bandwidth("memory/read-dram-u8/stream@avx512/1x268435456/t1", 20e9);
        document.outcomes.push(crate::document::Outcome::Measured(Box::new(read)));
        let roofs = Roofs::measured(&document, Precision::F32);
        let ridge = roofs.ridge().unwrap();
        assert!((ridge - 5.0).abs() < 0.05, "{ridge}");
        let why = Roofs::measured(&document, Precision::Bf16).ridge().unwrap_err();
        assert_eq!(why, "no bf16 peak was measured");
    }
}
