//! The right answer, and the ordinary loops.

use super::{Extents, Network, Side, TEMPERATURE, check};

/// The scores of every query with every item, a row a query, in double precision; `between` is what the logits and the
/// hidden units become on their way into the network's products.
///
/// # Panics
/// When a slice is not of the extents.
#[must_use]
pub fn reference_scores(
    extents: Extents,
    network: &Network<'_>,
    queries: Side<'_>,
    items: Side<'_>,
    between: fn(f64) -> f64,
) -> Vec<f64> {
    check(extents, network);
    let (p, h) = (extents.logits(), extents.hidden);
    let count = items.count(extents.item_width(), p);
    let mut scores = Vec::with_capacity(queries.count(extents.query_width(), p) * count);
    let (mut logits, mut hidden, mut gates) = (vec![0.0; p], vec![0.0; h], vec![0.0; p]);
    let mut inputs = vec![0.0; p];
    each_pair(extents, queries, items, |query, item| {
        for (logit, (x, q)) in logits.iter_mut().zip(components(extents, query.0, item.0)) {
            let dot: f64 = x.iter().zip(q).map(|(&x, &q)| f64::from(x) * f64::from(q)).sum();
            *logit = dot / f64::from(TEMPERATURE);
        }
        inputs.iter_mut().zip(&logits).for_each(|(input, &logit)| *input = between(logit));
        layer(&inputs, network.into_hidden, network.hidden_bias, &mut hidden);
        hidden.iter_mut().for_each(|x| *x = between(*x / (1.0 + (-*x).exp())));
        layer(&hidden, network.out_of_hidden, network.bias, &mut gates);
        for ((gate, &q), &x) in gates.iter_mut().zip(query.1).zip(item.1) {
            let z = f64::from(q) * f64::from(x) + *gate;
            *gate = z / (1.0 + (-z).exp());
        }
        let largest = gates.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut score) = (0.0, 0.0);
        for (&gate, &logit) in gates.iter().zip(&logits) {
            let share = (gate - largest).exp();
            sum += share;
            score += share * logit;
        }
        scores.push(score / sum);
    });
    scores
}

/// `out = weights^T input + bias` with a row of weights an input.
fn layer(input: &[f64], weights: &[f32], bias: &[f32], out: &mut [f64]) {
    for (out, &bias) in out.iter_mut().zip(bias) {
        *out = f64::from(bias);
    }
    for (&x, row) in input.iter().zip(weights.chunks_exact(out.len())) {
        for (out, &weight) in out.iter_mut().zip(row) {
            *out += x * f64::from(weight);
        }
    }
}

/// [`reference_scores`] in single precision, a pair at a time by the ordinary loops with the C library's exponential. `scratch` is room for
/// `2 P + H` numbers.
///
/// # Panics
/// When a slice is not of the extents.
pub fn plain_scores(
    extents: Extents,
    network: &Network<'_>,
    queries: Side<'_>,
    items: Side<'_>,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    check(extents, network);
    let (p, h) = (extents.logits(), extents.hidden);
    let (logits, rest) = scratch[..2 * p + h].split_at_mut(p);
    let (gates, hidden) = rest.split_at_mut(p);
    let mut out = out.iter_mut();
    each_pair(extents, queries, items, |query, item| {
        for (logit, (x, q)) in logits.iter_mut().zip(components(extents, query.0, item.0)) {
            *logit = x.iter().zip(q).map(|(x, q)| x * q).sum::<f32>() / TEMPERATURE;
        }
        plain_layer(logits, network.into_hidden, network.hidden_bias, hidden);
        hidden.iter_mut().for_each(|x| *x /= 1.0 + (-*x).exp());
        plain_layer(hidden, network.out_of_hidden, network.bias, gates);
        for ((gate, q), x) in gates.iter_mut().zip(query.1).zip(item.1) {
            let z = q * x + *gate;
            *gate = z / (1.0 + (-z).exp());
        }
        let largest = gates.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (mut sum, mut score) = (0.0, 0.0);
        for (gate, logit) in gates.iter().zip(logits.iter()) {
            let share = (gate - largest).exp();
            sum += share;
            score += share * logit;
        }
        if let Some(out) = out.next() {
            *out = score / sum;
        }
    });
}

/// [`layer`] in single precision.
fn plain_layer(input: &[f32], weights: &[f32], bias: &[f32], out: &mut [f32]) {
    out.copy_from_slice(bias);
    for (x, row) in input.iter().zip(weights.chunks_exact(out.len())) {
        for (out, weight) in out.iter_mut().zip(row) {
            *out += x * weight;
        }
    }
}

/// An item's and a query's component of each logit.
fn components<'a>(
    extents: Extents,
    query: &'a [f32],
    item: &'a [f32],
) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
    let of_query = move |x| query.chunks_exact(extents.width).map(move |q| (x, q));
    item.chunks_exact(extents.width).flat_map(of_query)
}

/// Every query with every item, a row of items a query: the components and the gates of each.
fn each_pair<'a>(
    extents: Extents,
    queries: Side<'a>,
    items: Side<'a>,
    mut work: impl FnMut((&'a [f32], &'a [f32]), (&'a [f32], &'a [f32])),
) {
    let p = extents.logits();
    let each = |side: Side<'a>, width| side.components.chunks_exact(width).zip(side.gates.chunks_exact(p));
    for query in each(queries, extents.query_width()) {
        for item in each(items, extents.item_width()) {
            work(query, item);
        }
    }
}
