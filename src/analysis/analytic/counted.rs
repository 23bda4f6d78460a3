//! The same models as plain code on a number that counts what is done with it.

use std::cell::Cell;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What was done since the last [`count`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) flops: f64,
    pub(super) transcendentals: f64,
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { flops: 0.0, transcendentals: 0.0 }) };
}

/// What `work` does.
pub(super) fn count(work: impl FnOnce()) -> Counts {
    COUNTS.set(Counts::default());
    work();
    COUNTS.get()
}

fn flop() {
    let counts = COUNTS.get();
    COUNTS.set(Counts { flops: counts.flops + 1.0, ..counts });
}

fn transcendental() {
    let counts = COUNTS.get();
    COUNTS.set(Counts { transcendentals: counts.transcendentals + 1.0, ..counts });
}

/// A number whose arithmetic is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(f64);

macro_rules! counted {
    ($trait:ident, $method:ident, $operator:tt) => {
        impl $trait for Number {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                flop();
                Self(self.0 $operator other.0)
            }
        }
    };
}
counted!(Add, add, +);
counted!(Sub, sub, -);
counted!(Mul, mul, *);
counted!(Div, div, /);

impl Neg for Number {
    type Output = Self;
    fn neg(self) -> Self {
        flop();
        Self(-self.0)
    }
}

impl Number {
    const ZERO: Self = Self(0.0);

    fn exp(self) -> Self {
        transcendental();
        Self(self.0.exp())
    }

    fn sqrt(self) -> Self {
        transcendental();
        Self(self.0.sqrt())
    }

    /// The error function, whose value does not matter here.
    fn erf(self) -> Self {
        transcendental();
        Self(self.0.tanh())
    }

    fn larger(self, other: Self) -> Self {
        flop();
        Self(self.0.max(other.0))
    }
}

/// So many numbers.
fn numbers(count: usize) -> Vec<Number> {
    (0..count).map(|i| Number((i % 7) as f64 * 0.25 - 0.6)).collect()
}

/// `c = a b`.
pub(super) fn matmul(a: &[Number], b: &[Number], [m, k, n]: [usize; 3]) -> Vec<Number> {
    let mut c = vec![Number::ZERO; m * n];
    for row in 0..m {
        for column in 0..n {
            for depth in 0..k {
                c[row * n + column] = c[row * n + column] + a[row * k + depth] * b[depth * n + column];
            }
        }
    }
    c
}

/// A product with weights of its own.
fn product(a: &[Number], [m, k, n]: [usize; 3]) -> Vec<Number> {
    matmul(a, &numbers(k * n), [m, k, n])
}

fn add_bias(x: &mut [Number], columns: usize) {
    let bias = numbers(columns);
    for row in x.chunks_exact_mut(columns) {
        row.iter_mut().zip(&bias).for_each(|(x, &bias)| *x = *x + bias);
    }
}

/// `x / (1 + e^-x)` by a quotient and a product.
fn silu(x: Number) -> Number {
    x * (Number(1.0) / (Number(1.0) + (-x).exp()))
}

fn softmax(row: &mut [Number]) {
    let largest = row.iter().fold(Number(f64::NEG_INFINITY), |largest, &x| largest.larger(x));
    let mut sum = Number::ZERO;
    for x in row.iter_mut() {
        *x = (*x - largest).exp();
        sum = sum + *x;
    }
    row.iter_mut().for_each(|x| *x = *x / sum);
}

/// Queries with items, every product of both.
pub(super) fn dot(batch: usize, items: usize, width: usize) {
    matmul(&numbers(batch * width), &numbers(width * items), [batch, width, items]);
}

/// The sizes of a mixture of logits.
pub(super) struct Mol {
    pub(super) components: [usize; 2],
    pub(super) width: usize,
    pub(super) hidden: usize,
    pub(super) batch: usize,
    pub(super) items: usize,
    /// Width of an item's embedding where it is projected here.
    pub(super) item_width: Option<usize>,
    /// Width of a query's embedding and units of its projection.
    pub(super) query_side: Option<[usize; 2]>,
}

impl Mol {
    /// Scores every pair.
    pub(super) fn run(&self) {
        let [of_query, of_item] = self.components;
        let (p, d, h) = (of_query * of_item, self.width, self.hidden);
        let queries = match self.query_side {
            Some([width, hidden]) => {
                let x = numbers(self.batch * width);
                let gated = product(&x, [self.batch, width, hidden]);
                let beside = product(&x, [self.batch, width, hidden]);
                drop(beside);
                let _ = product(&product(&x, [self.batch, width, h]), [self.batch, h, p]);
                product(&gated, [self.batch, hidden, of_query * d])
            }
            None => numbers(self.batch * of_query * d),
        };
        let items = match self.item_width {
            Some(width) => {
                let x = numbers(self.items * width);
                let _ = product(&product(&x, [self.items, width, h]), [self.items, h, p]);
                product(&x, [self.items, width, of_item * d])
            }
            None => numbers(self.items * of_item * d),
        };
        let (query_gate, item_gate) = (numbers(p), numbers(p));
        for query in queries.chunks_exact(of_query * d) {
            for item in items.chunks_exact(of_item * d) {
                // Items' components in rows, the query's in columns.
                let mut logits = matmul(item, query, [of_item, d, of_query]);
                logits.iter_mut().for_each(|x| *x = *x / Number(0.05));
                let mut hidden = product(&logits, [1, p, h]);
                add_bias(&mut hidden, h);
                hidden.iter_mut().for_each(|x| *x = silu(*x));
                let mut gates = product(&hidden, [1, h, p]);
                add_bias(&mut gates, p);
                for ((gate, &q), &x) in gates.iter_mut().zip(&query_gate).zip(&item_gate) {
                    *gate = silu(q * x + *gate);
                }
                softmax(&mut gates);
                let _ = gates.iter().zip(&logits).fold(Number::ZERO, |sum, (&g, &l)| sum + g * l);
            }
        }
    }
}

/// Attention of a text, a head.
fn head(tokens: usize, width: usize) {
    let sides = numbers(tokens * width);
    let mut scores = matmul(&sides, &sides, [tokens, width, tokens]);
    for row in scores.chunks_exact_mut(tokens) {
        row.iter_mut().for_each(|x| *x = *x * Number(0.5));
        softmax(row);
    }
    matmul(&scores, &sides, [tokens, tokens, width]);
}

/// Attention of a batch.
pub(super) fn attention(batch: usize, tokens: usize, heads: usize, width: usize) {
    (0..batch * heads).for_each(|_| head(tokens, width));
}

fn normalise(x: &mut [Number], width: usize) {
    let (gain, bias) = (numbers(width), numbers(width));
    for row in x.chunks_exact_mut(width) {
        let count = Number(width as f64);
        let mean = row.iter().fold(Number::ZERO, |sum, &x| sum + x) / count;
        let mut variance = Number::ZERO;
        for x in row.iter_mut() {
            *x = *x - mean;
            variance = variance + *x * *x;
        }
        let deviation = (variance / count + Number(1e-12)).sqrt();
        for ((x, &gain), &bias) in row.iter_mut().zip(&gain).zip(&bias) {
            *x = *x / deviation * gain + bias;
        }
    }
}

/// The sizes of an encoder.
pub(super) struct Encoder {
    pub(super) layers: usize,
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) intermediate: usize,
    pub(super) batch: usize,
    pub(super) tokens: usize,
}

impl Encoder {
    /// Embeds the batch.
    pub(super) fn run(&self) {
        let (rows, d, f) = (self.batch * self.tokens, self.width, self.intermediate);
        let table = numbers(rows * d);
        let mut x: Vec<Number> = table.iter().map(|&x| x + x + x).collect();
        normalise(&mut x, d);
        for _ in 0..self.layers {
            let mut projections = product(&x, [rows, d, 3 * d]);
            add_bias(&mut projections, 3 * d);
            attention(self.batch, self.tokens, self.heads, d / self.heads);
            let mut out = product(&x, [rows, d, d]);
            add_bias(&mut out, d);
            x.iter_mut().zip(&out).for_each(|(x, &out)| *x = *x + out);
            normalise(&mut x, d);
            let mut between = product(&x, [rows, d, f]);
            add_bias(&mut between, f);
            for x in &mut between {
                *x = *x * Number(0.5) * (Number(1.0) + (*x * Number(0.7)).erf());
            }
            let mut out = product(&between, [rows, f, d]);
            add_bias(&mut out, d);
            x.iter_mut().zip(&out).for_each(|(x, &out)| *x = *x + out);
            normalise(&mut x, d);
        }
        for text in x.chunks_exact(self.tokens * d) {
            let mut mean = vec![Number::ZERO; d];
            for token in text.chunks_exact(d) {
                mean.iter_mut().zip(token).for_each(|(mean, &x)| *mean = *mean + x);
            }
            mean.iter_mut().for_each(|x| *x = *x / Number(self.tokens as f64));
            let length = mean.iter().fold(Number::ZERO, |sum, &x| sum + x * x).sqrt();
            mean.iter_mut().for_each(|x| *x = *x / length);
        }
    }
}
