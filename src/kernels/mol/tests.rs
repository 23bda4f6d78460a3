//! Every form against the reference, at the edges of vectors, tiles and panels.

use super::*;
use crate::kernels::matmul::Bf16Method;
use crate::kernels::similarity::{Best, Hit, NO_ROW, best_by_sorting};
use crate::simd::Tier;
use crate::sys::Rng;
use crate::tensor::AlignedBuffer;

/// A model of some extents.
struct Model {
    extents: Extents,
    sample: Sample,
}

impl Model {
    fn new(extents: Extents, queries: usize, items: usize) -> Self {
        let mut rng = Rng::new(7);
        let sample = Sample::of(extents, [queries, items], |count, most| {
            AlignedBuffer::from_fn(count, |_| rng.uniform_f32(-most, most))
        });
        Self { extents, sample }
    }

    fn reference(&self) -> Vec<f64> {
        reference_scores(
            self.extents,
            &self.sample.network(),
            self.sample.queries(),
            self.sample.items(),
            |x| x,
        )
    }
}

/// Sizes at the edges: components 1 and odd, widths beside a vector, hidden units beside a tile and a group of four.
const SIZES: [[usize; 4]; 6] =
    [[1, 1, 1, 1], [2, 3, 5, 7], [8, 8, 32, 128], [3, 5, 17, 33], [8, 4, 64, 128], [5, 1, 15, 30]];

fn models() -> impl Iterator<Item = Model> {
    SIZES.into_iter().flat_map(|[query_components, item_components, width, hidden]| {
        let extents = Extents { query_components, item_components, width, hidden };
        [(1, 1), (2, 31), (3, 32), (1, 33), (2, 70)]
            .map(|(queries, items)| Model::new(extents, queries, items))
    })
}

/// The largest difference, in the logits' own size: twenty at most.
fn worst(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let differences = got.iter().zip(want).map(|(&got, want)| (f64::from(got) - want).abs());
    differences.fold(0.0, |worst, x| if x.is_nan() { f64::INFINITY } else { x.max(worst) })
}

#[test]
fn every_form_equals_its_reference_on_every_tier() {
    for model in models() {
        let want = model.reference();
        let (p, h) = (model.extents.logits(), model.extents.hidden);
        let mut got = vec![f32::NAN; want.len()];
        let mut scratch = vec![f32::NAN; 2 * p + h];
        plain_scores(
            model.extents,
            &model.sample.network(),
            model.sample.queries(),
            model.sample.items(),
            &mut scratch,
            &mut got,
        );
        assert!(worst(&got, &want) < 2e-4, "plain {:?}", model.extents);
        for tier in Tier::available() {
            got.fill(f32::NAN);
            let mut fused =
                Fused::new(tier, model.extents, &model.sample.network(), model.sample.items()).unwrap();
            fused.scores(model.sample.queries(), &mut got);
            assert!(worst(&got, &want) < 2e-4, "fused {tier} {:?}: {}", model.extents, worst(&got, &want));
            // A tier without the pairs' instruction has no such form.
            let paired = Fused::bf16(tier, model.extents, &model.sample.network(), model.sample.items());
            if let Ok(mut paired) = paired {
                got.fill(f32::NAN);
                paired.scores(model.sample.queries(), &mut got);
                assert!(
                    worst(&got, &want) < 0.5,
                    "paired {tier} {:?}: {}",
                    model.extents,
                    worst(&got, &want)
                );
            }
            let bf16 = [Bf16Method::Pairs, Bf16Method::Widened].map(|method| (Precision::Bf16(method), 0.5));
            for (precision, most) in [(Precision::Single, 2e-4)].into_iter().chain(bf16) {
                for pairs in [EVERY_PAIR, 1, 20] {
                    let sizes =
                        [want.len() / model.sample.items().count(model.extents.item_width(), p), pairs];
                    let staged = Staged::new(
                        tier,
                        precision,
                        model.extents,
                        &model.sample.network(),
                        model.sample.items(),
                        sizes,
                    );
                    // A tier without the pairs' instruction.
                    let Ok(mut staged) = staged else { continue };
                    got.fill(f32::NAN);
                    staged.scores(model.sample.queries(), &mut got).unwrap();
                    let worst = worst(&got, &want);
                    assert!(worst < most, "{precision:?} {pairs} {tier} {:?}: {worst}", model.extents);
                }
            }
        }
    }
}

#[test]
fn the_best_items_are_those_of_the_sorted_scores() {
    for model in models() {
        for tier in Tier::available() {
            let mut fused =
                Fused::new(tier, model.extents, &model.sample.network(), model.sample.items()).unwrap();
            let queries = model.sample.queries().count(model.extents.query_width(), model.extents.logits());
            let mut scores = vec![0.0; model.reference().len()];
            fused.scores(model.sample.queries(), &mut scores);
            let mut best = vec![Hit::default(); queries * 40];
            fused.top(model.sample.queries(), &mut best);
            for (best, scores) in best.chunks(40).zip(scores.chunks(scores.len() / queries)) {
                let mut want = best_by_sorting(scores, 40, Best::Largest);
                want.resize(40, Hit { row: NO_ROW, score: 0.0 });
                assert_eq!(best, want, "{tier} {:?}", model.extents);
            }
        }
    }
}

#[test]
fn what_is_not_a_number_stays_in_its_pair() {
    let extents = Extents { query_components: 2, item_components: 2, width: 4, hidden: 8 };
    for poison in [f32::NAN, f32::INFINITY] {
        let mut model = Model::new(extents, 2, 40);
        let want = model.reference();
        model.sample.items[0][33 * 8] = poison;
        for tier in Tier::available() {
            let mut got = vec![0.0; 80];
            Fused::new(tier, extents, &model.sample.network(), model.sample.items())
                .unwrap()
                .scores(model.sample.queries(), &mut got);
            for (pair, (&got, want)) in got.iter().zip(&want).enumerate() {
                let right = if pair % 40 == 33 { !got.is_finite() } else { worst(&[got], &[*want]) < 2e-4 };
                assert!(right, "{tier} {pair}: {got} for {want}");
            }
        }
    }
}

#[test]
fn scores_of_large_gates_are_right() {
    let extents = Extents { query_components: 2, item_components: 4, width: 8, hidden: 16 };
    let mut model = Model::new(extents, 2, 40);
    // Hidden units and gates far beyond where the logistic function is flat.
    model.sample.weights[1]
        .iter_mut()
        .enumerate()
        .for_each(|(i, x)| *x = if i % 2 == 0 { 300.0 } else { -300.0 });
    model.sample.queries[1].iter_mut().for_each(|x| *x *= 100.0);
    let want = model.reference();
    for tier in Tier::available() {
        let mut got = vec![0.0; 80];
        Fused::new(tier, extents, &model.sample.network(), model.sample.items())
            .unwrap()
            .scores(model.sample.queries(), &mut got);
        assert!(worst(&got, &want) < 5e-3, "{tier}: {}", worst(&got, &want));
    }
}
