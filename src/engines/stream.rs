//! A stream of texts through engines in bounded memory: in order, in any order, or as soon as a text has waited long
//! enough.
//!
//! A reader puts texts into a queue that holds so many and no more; workers take batches out of it; what they make is
//! handed over on the thread that asked. A text counts as held from when it is read until its vector was handed over.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use super::{Engine, EngineError};
use crate::sys::Clock;
use crate::telemetry::{Stages, Trace};

/// A batch is closed early when its texts have so many bytes together, and no more wait in a queue.
const BATCH_BYTES: usize = 32 << 20;
/// How often somebody who waits looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// In what order vectors come, and when a batch is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// In the order of the texts; a batch is closed when it is full.
    #[default]
    Sequential,
    /// As they are done, by a worker a thread.
    Parallel,
    /// In order; a batch is closed when it is full or its oldest text has waited long enough.
    Timed,
}

static MODES: &[(Mode, &str)] =
    &[(Mode::Sequential, "sequential"), (Mode::Parallel, "parallel"), (Mode::Timed, "timed")];

impl Mode {
    /// Every mode.
    pub fn all() -> impl Iterator<Item = Self> {
        MODES.iter().map(|(mode, _)| *mode)
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        MODES.iter().find(|(mode, _)| *mode == self).map_or("sequential", |(_, name)| name)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Mode {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        MODES.iter().find(|(_, name)| *name == text).map(|(mode, _)| *mode).ok_or_else(|| {
            let names: Vec<&str> = MODES.iter().map(|(_, name)| *name).collect();
            EngineError::Input(format!(
                "there is no way to stream {:?}; there are {}",
                super::config::shown(text),
                names.join(", ")
            ))
        })
    }
}

/// How texts are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streaming {
    /// The order.
    pub mode: Mode,
    /// Texts of a batch, at most where the engine says how many it wants.
    pub batch: NonZeroUsize,
    /// Batches that may wait beside those that are worked on.
    pub buffer: NonZeroUsize,
    /// Nanoseconds that a text waits for others at most, where the mode is [`Mode::Timed`].
    pub max_wait: u64,
}

/// Vectors of neighbouring texts.
#[derive(Debug)]
pub struct Finished {
    /// The number of the first text in the stream.
    pub first: u64,
    /// A vector a text.
    pub embeddings: super::Embeddings,
}

/// What a stream came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Nanoseconds from the first text to the last vector.
    pub nanoseconds: u64,
    /// Batches that were closed.
    pub batches: u64,
    /// Batches that did not fit the memory and were done in halves.
    pub halved: u64,
    /// The most texts that were held at a time.
    pub most_texts: usize,
    /// The most bytes of text that were held at a time.
    pub most_bytes: usize,
    /// It was stopped before the end.
    pub stopped: bool,
}

/// Why a stream ended early: the reader's error, the engine's, or the receiver's.
#[derive(Debug)]
pub enum StreamError<E> {
    /// A text could not be read, or a vector not handed over.
    Outside(E),
    /// A text could not be embedded.
    Engine(EngineError),
}

/// A text on its way.
#[derive(Debug)]
struct Waiting {
    index: u64,
    text: String,
    arrived: u64,
}

/// When the next batch is to be closed.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// Now, with so many texts.
    Close(usize),
    /// At this time, unless it is full before.
    At(u64),
    /// When more texts have come.
    Later,
}

/// What is known of the queue when the next batch is decided on.
#[derive(Debug, Clone, Copy)]
struct Sight {
    waiting: usize,
    oldest: Option<u64>,
    /// No more texts can come: the input is at its end, or there is no room for the next.
    closed: bool,
}

impl Streaming {
    /// The rule of closing for batches of so many texts, without a clock of its own.
    fn due(&self, batch: NonZeroUsize, sight: Sight, now: u64) -> Due {
        let Some(oldest) = sight.oldest else { return Due::Later };
        if sight.waiting >= batch.get() || sight.closed {
            return Due::Close(sight.waiting.min(batch.get()));
        }
        match self.mode {
            Mode::Sequential | Mode::Parallel => Due::Later,
            Mode::Timed => {
                let due = oldest.saturating_add(self.max_wait);
                if due <= now { Due::Close(sight.waiting) } else { Due::At(due) }
            }
        }
    }

    /// Texts that may be held: those that workers have, and the buffer.
    const fn most_texts(&self, workers: usize) -> usize {
        self.batch.get().saturating_mul(self.buffer.get().saturating_add(workers))
    }
}

/// Texts between the reader and the workers.
struct Queue<E> {
    state: Mutex<State<E>>,
    changed: Condvar,
    most_texts: usize,
}

struct State<E> {
    waiting: VecDeque<Waiting>,
    held_texts: usize,
    held_bytes: usize,
    most_texts: usize,
    most_bytes: usize,
    next: u64,
    first_arrival: Option<u64>,
    /// The reader waits for room.
    blocked: bool,
    ended: bool,
    failed: Option<E>,
    stopped: bool,
}

impl<E> Queue<E> {
    fn new(most_texts: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            held_texts: 0,
            held_bytes: 0,
            most_texts: 0,
            most_bytes: 0,
            next: 0,
            first_arrival: None,
            blocked: false,
            ended: false,
            failed: None,
            stopped: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), most_texts }
    }

    fn state(&self) -> MutexGuard<'_, State<E>> {
        // Counts and texts are whole even if a thread died beside them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<E>>, at_most: Duration) -> MutexGuard<'a, State<E>> {
        self.changed.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Puts every text of the source into the queue; waits while there is no room.
    fn fill(&self, mut source: impl FnMut() -> Option<Result<String, E>>, clock: &dyn Clock) {
        loop {
            let text = match source() {
                Some(Ok(text)) => text,
                Some(Err(error)) => {
                    let mut state = self.state();
                    (state.failed, state.ended) = (Some(error), true);
                    return self.changed.notify_all();
                }
                None => {
                    self.state().ended = true;
                    return self.changed.notify_all();
                }
            };
            let mut state = self.state();
            let full = |state: &State<E>| {
                state.held_texts >= self.most_texts
                    || state.held_bytes.saturating_add(text.len()) > BATCH_BYTES
            };
            // A text that is too large for any queue goes alone.
            while !state.stopped && state.held_texts > 0 && full(&state) {
                state.blocked = true;
                self.changed.notify_all();
                state = self.wait(state, LOOK);
            }
            state.blocked = false;
            if state.stopped {
                return;
            }
            let arrived = clock.now();
            state.first_arrival.get_or_insert(arrived);
            state.held_texts += 1;
            state.held_bytes += text.len();
            state.most_texts = state.most_texts.max(state.held_texts);
            state.most_bytes = state.most_bytes.max(state.held_bytes);
            let index = state.next;
            state.next += 1;
            state.waiting.push_back(Waiting { index, text, arrived });
            self.changed.notify_all();
        }
    }

    /// The next batch, `None` at the end.
    fn take(&self, streaming: &Streaming, batch: NonZeroUsize, clock: &dyn Clock) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        loop {
            if state.stopped || state.failed.is_some() || (state.ended && state.waiting.is_empty()) {
                return None;
            }
            let sight = Sight {
                waiting: state.waiting.len(),
                oldest: state.waiting.front().map(|text| text.arrived),
                closed: state.ended || state.blocked,
            };
            let now = clock.now();
            match streaming.due(batch, sight, now) {
                Due::Close(texts) => return Some(state.waiting.drain(..texts).collect()),
                Due::At(time) => {
                    let left = Duration::from_nanos(time.saturating_sub(now));
                    state = self.wait(state, left.min(LOOK));
                }
                Due::Later => state = self.wait(state, LOOK),
            }
        }
    }

    /// Texts whose vectors were handed over are held no longer.
    fn release(&self, texts: usize, bytes: usize) {
        let mut state = self.state();
        state.held_texts = state.held_texts.saturating_sub(texts);
        state.held_bytes = state.held_bytes.saturating_sub(bytes);
        self.changed.notify_all();
    }

    fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }
}

/// What a worker sends.
struct Sent {
    result: Result<Finished, EngineError>,
    texts: usize,
    bytes: usize,
    /// The last of a batch.
    halved: u64,
}

/// Runs every text of `source` through the engines, one worker an engine, and hands what they make to `sink`: in the order
/// of the texts with one engine. `stop` is looked at all the time; a reader that waits for its input then is left behind,
/// which is why it owns what it reads from.
///
/// # Errors
/// The first error of the source, an engine or the sink. Vectors handed over before it stay so.
///
/// # Panics
/// Where a worker panicked.
pub fn run<E: Send + 'static, C: Clock + Copy + Send + 'static>(
    streaming: &Streaming,
    engines: Vec<Box<dyn Engine>>,
    source: impl FnMut() -> Option<Result<String, E>> + Send + 'static,
    clock: C,
    trace: Option<&Trace>,
    stop: &dyn Fn() -> bool,
    sink: &mut dyn FnMut(&Finished) -> Result<(), E>,
) -> Result<Outcome, StreamError<E>> {
    let queue = Arc::new(Queue::new(streaming.most_texts(engines.len())));
    let filled = queue.clone();
    // Not one of the scope's: a read of a pipe that nobody writes to cannot be ended.
    std::thread::spawn(move || filled.fill(source, &clock));
    let (sender, receiver) = mpsc::channel::<Sent>();
    let queue = &*queue;
    std::thread::scope(|scope| {
        for (number, engine) in engines.into_iter().enumerate() {
            let (sender, streaming) = (sender.clone(), *streaming);
            let stages = trace.map_or_else(Stages::new, |t| Stages::on(t.track(&format!("engine {number}"))));
            scope.spawn(move || work(queue, &streaming, engine, stages, &clock, &sender));
        }
        drop(sender);
        let answer = hand_over(queue, &receiver, stop, sink, &clock);
        // Also where a sink failed: workers finish what they are at, and end.
        queue.stop();
        answer
    })
}

fn work<E>(
    queue: &Queue<E>,
    streaming: &Streaming,
    mut engine: Box<dyn Engine>,
    mut stages: Stages,
    clock: &dyn Clock,
    sender: &mpsc::Sender<Sent>,
) {
    loop {
        let size = engine.wanted_texts().map_or(streaming.batch, |wanted| wanted.min(streaming.batch));
        let Some(batch) = queue.take(streaming, size, clock) else { return };
        if let Some(track) = stages.track() {
            let held = queue.state().held_texts;
            track.counter("texts held", clock.now(), held as u64);
        }
        if !embed(engine.as_mut(), &batch, &mut stages, sender, 0) {
            return;
        }
    }
}

/// Embeds a batch, or its halves where it does not fit the memory; false when nobody listens any more.
fn embed(
    engine: &mut dyn Engine,
    batch: &[Waiting],
    stages: &mut Stages,
    sender: &mpsc::Sender<Sent>,
    halved: u64,
) -> bool {
    let Some(first) = batch.first().map(|text| text.index) else { return true };
    let texts: Vec<&str> = batch.iter().map(|waiting| waiting.text.as_str()).collect();
    let result = match engine.embed(&texts, stages) {
        Err(EngineError::Memory { .. }) if batch.len() > 1 => {
            let (left, right) = batch.split_at(batch.len() / 2);
            return embed(engine, left, stages, sender, halved + 1)
                && embed(engine, right, stages, sender, 0);
        }
        result => result.map(|embeddings| Finished { first, embeddings }),
    };
    let bytes = texts.iter().map(|text| text.len()).sum();
    let goes_on = result.is_ok();
    sender.send(Sent { result, texts: texts.len(), bytes, halved }).is_ok() && goes_on
}

fn hand_over<E>(
    queue: &Queue<E>,
    receiver: &mpsc::Receiver<Sent>,
    stop: &dyn Fn() -> bool,
    sink: &mut dyn FnMut(&Finished) -> Result<(), E>,
    clock: &dyn Clock,
) -> Result<Outcome, StreamError<E>> {
    let mut outcome = Outcome::default();
    loop {
        if stop() {
            outcome.stopped = true;
            break;
        }
        match receiver.recv_timeout(LOOK) {
            Ok(sent) => {
                let finished = sent.result.map_err(StreamError::Engine)?;
                outcome.batches += 1;
                outcome.halved += sent.halved;
                sink(&finished).map_err(StreamError::Outside)?;
                queue.release(sent.texts, sent.bytes);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let mut state = queue.state();
    if let Some(error) = state.failed.take() {
        return Err(StreamError::Outside(error));
    }
    (outcome.most_texts, outcome.most_bytes) = (state.most_texts, state.most_bytes);
    outcome.nanoseconds = clock.now().saturating_sub(state.first_arrival.unwrap_or_else(|| clock.now()));
    Ok(outcome)
}

#[cfg(test)]
mod tests;
