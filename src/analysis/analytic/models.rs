//! The formulas: each counts what its model does from the sizes alone.

use super::{Fusion, Part, Precision, Work};

/// Bytes of a score, which is of single precision.
const SCORE: f64 = 4.0;
/// Bytes of a kept item: its score and its number.
const HIT: f64 = 8.0;

/// Where the items' side comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items {
    /// Projected before, once: components and gates are read.
    Cached,
    /// From embeddings so wide, in every batch.
    OnTheFly {
        /// Width of an item's embedding.
        width: usize,
    },
}

/// Every query's dot product with every item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    /// Queries.
    pub batch: usize,
    /// Items.
    pub items: usize,
    /// Width of an embedding.
    pub width: usize,
    /// Of the operands.
    pub precision: Precision,
    /// Items kept of each query without storing the scores of the others; all scores are stored without.
    pub top: Option<usize>,
}

impl Dot {
    /// What it costs.
    #[must_use]
    pub fn work(&self) -> Work {
        let [b, n, d] = [self.batch, self.items, self.width].map(float);
        let bytes = self.precision.bytes();
        let moved = (n * d + b * d) * bytes + out(b, n, self.top);
        Work {
            title: format!("dot product of width {}, batch {}, {} items", self.width, self.batch, self.items),
            precision: self.precision,
            parts: vec![Part::matrix("dot products", 2.0 * b * n * d)],
            core_bytes: moved,
            dram_bytes: moved,
        }
    }
}

/// Bytes of the answer: every score, or the best of each query.
fn out(batch: f64, items: f64, top: Option<usize>) -> f64 {
    match top {
        None => batch * items * SCORE,
        Some(top) => batch * float(top).min(items) * HIT,
    }
}

/// Mixture of logits of every query with every item (RAILS, arXiv:2407.15462).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mol {
    /// Components of a query, `P_Q`.
    pub query_components: usize,
    /// Components of an item, `P_X`.
    pub item_components: usize,
    /// Width of a component, `d`.
    pub width: usize,
    /// Hidden units of the gates' networks, `H`.
    pub gate_hidden: usize,
    /// Queries.
    pub batch: usize,
    /// Items.
    pub items: usize,
    /// Of the operands and of what is materialised.
    pub precision: Precision,
    /// What goes to memory.
    pub fusion: Fusion,
    /// Where the items' side comes from.
    pub item_side: Items,
    /// The projection of the queries: width of a query's embedding and hidden units. Without it they come projected.
    pub query_side: Option<[usize; 2]>,
    /// Items kept of each query without storing the scores of the others.
    pub top: Option<usize>,
}

impl Mol {
    /// `P`.
    #[must_use]
    pub const fn logits(&self) -> usize {
        self.query_components * self.item_components
    }

    /// What it costs.
    #[must_use]
    pub fn work(&self) -> Work {
        let [b, n] = [self.batch, self.items].map(float);
        let pairs = b * n;
        let [p, d, h] = [self.logits(), self.width, self.gate_hidden].map(float);
        let mut parts = vec![
            Part::matrix("component logits", 2.0 * pairs * p * d),
            Part::matrix("gate network", 4.0 * pairs * p * h),
            // A hidden unit: its bias, and x / (1 + e^-x) as a negation, an addition, a quotient and a product.
            Part::elementwise("gate network's SiLU", 5.0 * pairs * h, pairs * h),
            // A logit: over the temperature; q x + bias + network (three); SiLU (four).
            Part::elementwise("gates", 8.0 * pairs * p, pairs * p),
            // A comparison, a difference, an addition and a quotient; then a product and an addition.
            Part::elementwise("softmax and weighted sum", 6.0 * pairs * p, pairs * p),
        ];
        let (query_parts, query_bytes) = self.query_side();
        let (item_parts, item_bytes) = self.item_side();
        parts.extend(query_parts);
        parts.extend(item_parts);
        let bytes = self.precision.bytes();
        let network = (2.0 * p * h + h + p) * bytes;
        let answer = out(b, n, self.top);
        let tensors = pairs * bytes * (17.0 * p + 4.0 * h);
        let materialised = match self.fusion {
            Fusion::Eager => tensors,
            Fusion::Epilogue => 2.0 * pairs * bytes * p,
            Fusion::Full => 0.0,
        };
        let each_query = pairs * (float(self.item_components) * d + p) * bytes;
        Work {
            title: self.title(),
            precision: self.precision,
            parts,
            core_bytes: each_query + query_bytes + item_bytes + network + tensors + answer,
            dram_bytes: query_bytes + item_bytes + network + materialised + answer,
        }
    }

    fn title(&self) -> String {
        format!(
            "mixture of logits {}x{}x{}, gate {}, batch {}, {} items, {}, items {}, {}{}",
            self.query_components,
            self.item_components,
            self.width,
            self.gate_hidden,
            self.batch,
            self.items,
            self.precision.name(),
            match self.item_side {
                Items::Cached => "cached",
                Items::OnTheFly { .. } => "projected on the fly",
            },
            self.fusion.words(),
            self.top.map_or_else(String::new, |top| format!(", the best {top} kept on the way")),
        )
    }

    /// Of the queries: a gated projection (two layers side by side into so many units, their product, one layer out) and the
    /// gate's network of two layers, once a batch.
    fn query_side(&self) -> (Vec<Part>, f64) {
        let [b, p, h] = [self.batch, self.logits(), self.gate_hidden].map(float);
        let components = float(self.query_components) * float(self.width);
        let bytes = self.precision.bytes();
        let Some([width, hidden]) = self.query_side.map(|side| side.map(float)) else {
            return (Vec::new(), b * (components + p) * bytes);
        };
        let weights = 2.0 * width * hidden + hidden * components + width * h + h * p;
        let parts = vec![
            Part::matrix("query projection", b * (4.0 * width * hidden + 2.0 * hidden * components)),
            Part::matrix("query gate", b * (2.0 * width * h + 2.0 * h * p)),
        ];
        (parts, (b * width + weights) * bytes)
    }

    /// Of the items: read as they were projected, or projected by one layer and the gate's network of two.
    fn item_side(&self) -> (Vec<Part>, f64) {
        let [n, p, h] = [self.items, self.logits(), self.gate_hidden].map(float);
        let components = float(self.item_components) * float(self.width);
        let bytes = self.precision.bytes();
        match self.item_side {
            Items::Cached => (Vec::new(), n * (components + p) * bytes),
            Items::OnTheFly { width } => {
                let width = float(width);
                let parts = vec![
                    Part::matrix("item projection", 2.0 * n * width * components),
                    Part::matrix("item gate", n * (2.0 * width * h + 2.0 * h * p)),
                ];
                (parts, (n * width + width * components + width * h + h * p) * bytes)
            }
        }
    }
}

/// `C = A B`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matmul {
    /// Rows of A.
    pub m: usize,
    /// Columns of A.
    pub k: usize,
    /// Columns of B.
    pub n: usize,
    /// Of the operands; the answer is of single precision.
    pub precision: Precision,
}

impl Matmul {
    /// What it costs.
    #[must_use]
    pub fn work(&self) -> Work {
        let [m, k, n] = [self.m, self.k, self.n].map(float);
        let moved = (m * k + k * n) * self.precision.bytes() + m * n * SCORE;
        Work {
            title: format!("matrix product {}x{}x{}, {}", self.m, self.k, self.n, self.precision.name()),
            precision: self.precision,
            parts: vec![Part::matrix("product", 2.0 * m * k * n)],
            core_bytes: moved,
            dram_bytes: moved,
        }
    }
}

/// Scaled dot-product attention of a batch of texts, without a mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Texts.
    pub batch: usize,
    /// Tokens of each.
    pub tokens: usize,
    /// Heads.
    pub heads: usize,
    /// Width of a head.
    pub head_width: usize,
    /// Of the operands and of what is materialised.
    pub precision: Precision,
    /// What goes to memory: scores and shares unless fused. The epilogue form keeps the shares.
    pub fusion: Fusion,
}

impl Attention {
    /// What it costs.
    #[must_use]
    pub fn work(&self) -> Work {
        let [b, t, heads, w] = [self.batch, self.tokens, self.heads, self.head_width].map(float);
        let scores = b * heads * t * t;
        let bytes = self.precision.bytes();
        let sides = 4.0 * b * t * heads * w * bytes;
        // The products write and read a matrix of scores; scaling and softmax in between read and write it as well.
        let materialised = match self.fusion {
            Fusion::Eager => 6.0 * scores * bytes,
            Fusion::Epilogue => 2.0 * scores * bytes,
            Fusion::Full => 0.0,
        };
        Work {
            title: format!(
                "attention of {} texts, {} tokens, {} heads of {}, {}, {}",
                self.batch,
                self.tokens,
                self.heads,
                self.head_width,
                self.precision.name(),
                self.fusion.words()
            ),
            precision: self.precision,
            parts: vec![
                Part::matrix("scores", 2.0 * scores * w),
                // Scaled; a comparison, a difference, an addition and a quotient.
                Part::elementwise("softmax", 5.0 * scores, scores),
                Part::matrix("weighted values", 2.0 * scores * w),
            ],
            core_bytes: sides + 6.0 * scores * bytes,
            dram_bytes: sides + materialised,
        }
    }
}

/// An encoder as BERT's: embeddings of three tables summed and normalised, layers of attention and two linear layers with
/// GELU between, the mean of the tokens, and that to unit length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoder {
    /// Layers.
    pub layers: usize,
    /// Width of a token.
    pub width: usize,
    /// Heads.
    pub heads: usize,
    /// Units between the two linear layers.
    pub intermediate: usize,
    /// Texts.
    pub batch: usize,
    /// Tokens of each.
    pub tokens: usize,
    /// Of the operands and of what is materialised.
    pub precision: Precision,
    /// What goes to memory besides the weights: full fusion is what keeps every token's numbers in the caches.
    pub fusion: Fusion,
}

impl Encoder {
    /// What it costs.
    #[must_use]
    pub fn work(&self) -> Work {
        let [layers, d, f, b, t] =
            [self.layers, self.width, self.intermediate, self.batch, self.tokens].map(float);
        let bytes = self.precision.bytes();
        let tokens = b * t;
        let attention = Attention {
            batch: self.batch,
            tokens: self.tokens,
            heads: self.heads,
            head_width: self.width / self.heads.max(1),
            precision: self.precision,
            fusion: self.fusion,
        };
        let inner = attention.work();
        let norms = 2.0 * layers + 1.0;
        let parts = vec![
            Part::matrix("queries, keys, values", layers * 6.0 * tokens * d * d),
            Part::matrix("attention's products", layers * inner.matrix_flops()),
            Part::elementwise(
                "attention's softmax",
                layers * inner.elementwise_flops(),
                layers * inner.transcendentals(),
            ),
            Part::matrix("attention's output", layers * 2.0 * tokens * d * d),
            Part::matrix("two linear layers", layers * 4.0 * tokens * d * f),
            // Biases of the projections, the output, and both linear layers; two residuals.
            Part::elementwise("biases and residuals", layers * tokens * (7.0 * d + f), 0.0),
            // x (1 + erf(x / sqrt(2))) / 2: three products and an addition.
            Part::elementwise("GELU", layers * tokens * 4.0 * f, layers * tokens * f),
            // The mean (an addition each and a quotient), the variance (three each, and a quotient), an addition before the
            // root, and a quotient, a product and an addition each.
            Part::elementwise("normalisation", norms * tokens * (7.0 * d + 3.0), norms * tokens),
            // Two additions of three tables' rows; the mean of the tokens; and its length, by which it is divided.
            Part::elementwise(
                "embedding, pooling and unit length",
                2.0 * tokens * d + b * (t * d + d) + b * 3.0 * d,
                b,
            ),
        ];
        let weights = layers * (4.0 * d * d + 2.0 * d * f + 9.0 * d + f) + 2.0 * d;
        let ends = tokens * 3.0 * d * bytes + b * d * SCORE;
        // Layer by layer, read and written: each product's operand and result, and each step between that is not fused into it.
        let products = layers * tokens * (d + 3.0 * d + d + d + d + f + f + d) * bytes;
        let between = layers * tokens * (2.0 * 6.0 * d + 4.0 * d + 2.0 * f) * bytes;
        let scores = layers * (inner.core_bytes - 4.0 * tokens * d * bytes);
        let materialised = match self.fusion {
            Fusion::Eager => products + between + scores,
            Fusion::Epilogue => products + layers * (inner.dram_bytes - 4.0 * tokens * d * bytes),
            Fusion::Full => 0.0,
        };
        Work {
            title: format!(
                "encoder of {} layers, width {}, {} heads, {} between, {} texts of {} tokens, {}, {}",
                self.layers,
                self.width,
                self.heads,
                self.intermediate,
                self.batch,
                self.tokens,
                self.precision.name(),
                self.fusion.words()
            ),
            precision: self.precision,
            parts,
            core_bytes: weights * bytes + ends + products + between + scores,
            dram_bytes: weights * bytes + ends + materialised,
        }
    }
}

/// A count as a number; sizes are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}
