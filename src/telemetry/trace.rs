//! A record of what ran when and on which thread, in the format that Chrome's and Perfetto's viewers read: a JSON array of
//! complete events and counters (Trace Event Format).

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events that are kept: some 64 bytes each while they are collected, and twice that in the file.
const MOST_EVENTS: usize = 400_000;

/// A trace in the making. Cloned handles share it.
#[derive(Debug, Clone)]
pub struct Trace(Arc<Mutex<Log>>);

#[derive(Debug)]
struct Log {
    most: usize,
    dropped: u64,
    threads: Vec<String>,
    events: Vec<Event>,
}

#[derive(Debug, Clone, Copy)]
struct Event {
    name: &'static str,
    thread: u32,
    /// Nanoseconds of the clock.
    start: u64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Span { nanoseconds: u64, detail: Option<(&'static str, u64)> },
    Counter(u64),
}

/// One thread's line of a trace.
#[derive(Debug, Clone)]
pub struct Track {
    trace: Trace,
    thread: u32,
}

/// Two are equal that write to one line of one trace.
impl PartialEq for Track {
    fn eq(&self, other: &Self) -> bool {
        self.thread == other.thread && Arc::ptr_eq(&self.trace.0, &other.trace.0)
    }
}

impl Trace {
    /// An empty trace of at most 400 000 events.
    #[must_use]
    pub fn new() -> Self {
        Self::limited(MOST_EVENTS)
    }

    /// An empty trace of at most so many events; later ones are counted and left out.
    #[must_use]
    pub fn limited(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Log { most, dropped: 0, threads: Vec::new(), events: Vec::new() })))
    }

    /// A new line of this name, numbered as a thread.
    #[must_use]
    pub fn track(&self, name: &str) -> Track {
        let mut log = self.log();
        log.threads.push(name.to_owned());
        let thread = u32::try_from(log.threads.len()).unwrap_or(u32::MAX);
        Track { trace: self.clone(), thread }
    }

    /// Events that it holds.
    #[must_use]
    pub fn events(&self) -> usize {
        self.log().events.len()
    }

    /// Events that were left out because it was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.log().dropped
    }

    /// Writes the array. Times are microseconds since the first event.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let log = self.log();
        let first = log.events.iter().map(|event| event.start).min().unwrap_or(0);
        writeln!(to, "[")?;
        let process = serde_json::json!({"name": "process_name", "ph": "M", "pid": 1, "tid": 0, "args": {"name": "perfkit"}});
        write!(to, "{process}")?;
        for (thread, name) in (1..).zip(&log.threads) {
            let named = serde_json::json!({"name": "thread_name", "ph": "M", "pid": 1, "tid": thread, "args": {"name": name}});
            write!(to, ",\n{named}")?;
        }
        for event in &log.events {
            write!(to, ",\n{}", event.json(first))?;
        }
        if log.dropped > 0 {
            let end = log.events.iter().map(Event::end).max().unwrap_or(0);
            let note = serde_json::json!({
                "name": "trace is full", "ph": "i", "s": "g", "pid": 1, "tid": 0,
                "ts": microseconds(end - first), "args": {"dropped_events": log.dropped, "most_events": log.most},
            });
            write!(to, ",\n{note}")?;
        }
        writeln!(to, "\n]")
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // Events are whole even if a thread died beside them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Track {
    /// Notes a piece of work from `start` to `end` of a clock, with a number of its own.
    pub fn span(&self, name: &'static str, start: u64, end: u64, detail: Option<(&'static str, u64)>) {
        let nanoseconds = end.saturating_sub(start);
        self.push(name, start, Kind::Span { nanoseconds, detail });
    }

    /// Notes what a count was at a time.
    pub fn counter(&self, name: &'static str, at: u64, value: u64) {
        self.push(name, at, Kind::Counter(value));
    }

    /// A new line of the same trace.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        self.trace.track(name)
    }

    /// Whether both are lines of one trace.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.trace.0, &other.trace.0)
    }

    fn push(&self, name: &'static str, start: u64, kind: Kind) {
        let mut log = self.trace.log();
        if log.events.len() < log.most {
            log.events.push(Event { name, thread: self.thread, start, kind });
        } else {
            log.dropped += 1;
        }
    }
}

impl Event {
    const fn end(&self) -> u64 {
        match self.kind {
            Kind::Span { nanoseconds, .. } => self.start + nanoseconds,
            Kind::Counter(_) => self.start,
        }
    }

    fn json(&self, first: u64) -> serde_json::Value {
        let start = microseconds(self.start - first);
        match self.kind {
            Kind::Span { nanoseconds, detail } => {
                let mut event = serde_json::json!({
                    "name": self.name, "ph": "X", "pid": 1, "tid": self.thread,
                    "ts": start, "dur": microseconds(nanoseconds),
                });
                if let Some((name, value)) = detail {
                    event["args"] = serde_json::json!({ name: value });
                }
                event
            }
            Kind::Counter(value) => serde_json::json!({
                "name": self.name, "ph": "C", "pid": 1, "tid": self.thread, "ts": start,
                "args": { self.name: value },
            }),
        }
    }
}

/// With three digits behind the point, which are the nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "a trace lasts less than 104 days")]
fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(trace: &Trace) -> Vec<serde_json::Value> {
        let mut bytes = Vec::new();
        trace.write(&mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn an_empty_trace_is_an_array_all_the_same() {
        assert_eq!(written(&Trace::new()).len(), 1);
    }

    #[test]
    fn spans_counters_and_threads_stand_in_the_array() {
        let trace = Trace::new();
        let (main, worker) = (trace.track("main"), trace.track("worker 1"));
        main.span("encode", 5_000, 7_500, Some(("layer", 3)));
        worker.counter("tokens", 6_000, 42);
        let events = written(&trace);
        let names: Vec<_> =
            events.iter().filter(|e| e["ph"] == "M").map(|e| e["args"]["name"].as_str()).collect();
        assert_eq!(names, [Some("perfkit"), Some("main"), Some("worker 1")]);
        let span = events.iter().find(|e| e["ph"] == "X").unwrap();
        assert_eq!((span["ts"].as_f64(), span["dur"].as_f64()), (Some(0.0), Some(2.5)));
        assert_eq!((span["tid"].as_u64(), span["args"]["layer"].as_u64()), (Some(1), Some(3)));
        let counter = events.iter().find(|e| e["ph"] == "C").unwrap();
        assert_eq!((counter["ts"].as_f64(), counter["args"]["tokens"].as_u64()), (Some(1.0), Some(42)));
        assert_eq!(counter["tid"], 2);
    }

    #[test]
    fn a_full_trace_says_what_it_left_out() {
        let trace = Trace::limited(3);
        let track = trace.track("main");
        (0..10).for_each(|i| track.span("work", 10 * i, 10 * i + 5, None));
        assert_eq!((trace.events(), trace.dropped()), (3, 7));
        let events = written(&trace);
        let last = events.last().unwrap();
        assert_eq!(
            (last["args"]["dropped_events"].as_u64(), last["args"]["most_events"].as_u64()),
            (Some(7), Some(3))
        );
    }
}
