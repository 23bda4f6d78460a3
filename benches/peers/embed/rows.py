"""What is measured, against which engines, and what the goals are."""

# Lines of the corpus that ships, spread over it: two batches of 32. Fewer than all, so that a contest takes seconds.
LINES = 64
# Rounds of alternating processes where ours stands against itself.
ALTERNATIONS = 5

# Engines that compute in a precision. ONNX Runtime has no kernels of bfloat16 on CPUs, and candle's BERT is in f32.
ENGINES = {
    "f32": ["onnxruntime", "openvino", "candle", "rten"],
    "bf16": ["openvino"],
    "int8": ["onnxruntime", "openvino", "rten"],
}


class Contest:
    """Ours in turns with each engine, at a batch of so many texts of so many tokens."""

    def __init__(self, batch, tokens, precision, goals):
        self.batch, self.tokens, self.precision, self.goals = batch, tokens, precision, goals
        self.name = f"{batch}x{tokens}-{precision}"

    def texts(self, engine):
        """candle takes seconds for a batch of long texts, so that six rounds of two batches, sorted besides, would be minutes:
        it gets one small batch."""
        long = self.tokens == "mixed" or self.tokens > 64
        return min(self.batch, 16) if engine == "candle" and long else self.batch

    def goal(self, engine):
        """At least so many times as fast, for `openvino`, `openvino-static`, `openvino-sorted`; none without a goal."""
        return self.goals.get(engine, self.goals.get(engine.removesuffix("-static"), self.goals.get("every")))


MIXED = {"openvino": 3.0, "openvino-sorted": 1.2}
CONTESTS = [
    Contest(32, 64, "f32", {"openvino": 1.15, "onnxruntime": 1.25, "candle": 3.5}),
    Contest(32, 64, "bf16", {"openvino": 1.2}),
    Contest(32, 64, "int8", {"openvino": 1.3, "onnxruntime": 2.4}),
    Contest(1, 16, "f32", {"every": 1.3}),
    Contest(1, 16, "bf16", {"every": 1.3}),
    Contest(1, 16, "int8", {"every": 1.3}),
    Contest(LINES, "mixed", "f32", MIXED),
    Contest(LINES, "mixed", "int8", MIXED),
    Contest(32, 256, "f32", {}),
]

# The contest whose memory has a goal: at most this share of that engine's.
MEMORY = ("32x256-f32", "onnxruntime", 0.5)
# Precisions in which one and two threads alternate, and how many times as fast two must be.
THREADS = (["f32", "bf16", "int8"], 1.9)
# Seconds from the start of the process to the first vector of one short text.
COLD_START = 0.060
# Of the measured peak of the arithmetic, in single precision at 32x64.
SHARE_OF_PEAK = 0.90
# The least cosine to single precision on the whole corpus.
COSINES = {"bf16": 0.9999, "int8": 0.997}
# Bytes of a process that loads no model.
BASE_MEMORY = 50e6
