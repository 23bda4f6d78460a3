//! A worker as perfkit sees it: a process that speaks the protocol, one case prepared in it.

use std::path::PathBuf;

use super::protocol::{self, Greeting, Offer};
use super::{Arm, ArmError, BatchSample};
use crate::sys::process::{Conversation, Silence, Start};

/// An answer comes within the patience of whoever asks, or within so many times what the longest batch took.
const SAMPLE_PATIENCE: f64 = 50.0;
/// A worker that was told to leave has so long to do it.
const LEAVING_SECONDS: f64 = 0.2;
/// No worker offers more cases.
const MOST_OFFERS: usize = 100_000;

/// A program that serves the worker protocol when it is started with [`protocol::ARGUMENT`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Arguments before [`protocol::ARGUMENT`].
    pub arguments: Vec<String>,
}

impl Program {
    /// A program without arguments of its own.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, arguments: Vec::new() }
    }

    /// Its name for people.
    #[must_use]
    pub fn shown(&self) -> String {
        self.path
            .file_name()
            .map_or_else(|| self.path.display().to_string(), |n| n.to_string_lossy().into_owned())
    }
}

/// A running worker.
#[derive(Debug)]
pub struct WorkerProcess {
    name: String,
    patience_seconds: f64,
    greeting: Greeting,
    conversation: Conversation,
    longest: f64,
}

impl WorkerProcess {
    /// Starts a program and exchanges greetings. Every answer must come within `patience_seconds`, those to a request
    /// for a long batch later.
    ///
    /// # Errors
    /// It does not start, or does not speak this version of the protocol.
    pub fn start(program: &Program, start: &Start, patience_seconds: f64) -> Result<Self, ArmError> {
        let name = program.shown();
        let failed = |why: String| ArmError { who: name.clone(), why };
        let mut arguments = program.arguments.clone();
        arguments.push(protocol::ARGUMENT.to_owned());
        let mut conversation = Conversation::start(&program.path, &arguments, start)
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let hello = format!("{} {}", protocol::GREETING, protocol::VERSION);
        let answer = conversation
            .tell(&hello)
            .and_then(|()| conversation.hear(patience_seconds))
            .map_err(|why| failed(format!("does not speak the worker protocol: it {why}")))?;
        let greeting = Greeting::parse(&answer)
            .map_err(|why| failed(format!("does not speak the worker protocol: {why}")))?;
        if greeting.version != protocol::VERSION {
            return Err(failed(format!(
                "speaks version {} of the worker protocol, this perfkit speaks {}: build it against a matching perfkit",
                greeting.version,
                protocol::VERSION
            )));
        }
        Ok(Self { name, patience_seconds, greeting, conversation, longest: 0.0 })
    }

    /// How it introduced itself.
    #[must_use]
    pub const fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.conversation.id()
    }

    /// What it offers to measure.
    ///
    /// # Errors
    /// It fails, or answers what is no list.
    pub fn list(&mut self) -> Result<Vec<Offer>, ArmError> {
        self.tell("list")?;
        let mut offers = Vec::new();
        loop {
            let line = self.hear(self.patience_seconds)?;
            if line.trim() == "end" {
                return Ok(offers);
            }
            let rest = line.strip_prefix("case ").ok_or_else(|| self.odd("a case or `end`", &line))?;
            offers.push(Offer::parse(rest).map_err(|why| self.failed(why))?);
            if offers.len() > MOST_OFFERS {
                return Err(self.failed(format!("offers more than {MOST_OFFERS} cases")));
            }
        }
    }

    /// Has it prepare a case; what follows is of that case.
    ///
    /// # Errors
    /// It cannot, and why.
    pub fn prepare(&mut self, case: &str, seed: u64) -> Result<(), ArmError> {
        let line = self.ask(&format!("prepare {case} seed={seed}"), self.patience_seconds)?;
        self.longest = 0.0;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("ready", _) => Ok(()),
            ("error", why) => Err(self.failed(format!("{case}: {}", plain(why)))),
            _ => Err(self.odd("`ready`", &line)),
        }
    }

    /// Has it compare its last answer with the reference; a worker that knows no such request is taken at its word.
    ///
    /// # Errors
    /// The answer is wrong.
    pub fn check(&mut self) -> Result<(), ArmError> {
        let line = self.ask("check", self.patience_seconds)?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("ok" | "unknown", _) => Ok(()),
            ("error", why) => Err(self.failed(format!("wrong answer: {}", plain(why)))),
            _ => Err(self.odd("`ok`", &line)),
        }
    }

    /// Has it count what so many runs cost in instructions and allocations: numbers by name, those it can count.
    ///
    /// # Errors
    /// It fails, or answers what is no list of numbers.
    pub fn count(&mut self, iterations: u64) -> Result<Vec<(String, f64)>, ArmError> {
        let line = self.ask(&format!("count {iterations}"), self.patience_seconds)?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("count", rest) => protocol::numbers(rest).map_err(|why| self.failed(why)),
            ("unknown", _) => Ok(Vec::new()),
            _ => Err(self.odd("counts", &line)),
        }
    }

    /// What it tells of its last run besides the time, by name; nothing where it knows no such request.
    ///
    /// # Errors
    /// It fails, or answers what is no list of numbers.
    pub fn facts(&mut self) -> Result<Vec<(String, f64)>, ArmError> {
        let line = self.ask("facts", self.patience_seconds)?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("facts", rest) => protocol::numbers(rest).map_err(|why| self.failed(why)),
            ("unknown", _) => Ok(Vec::new()),
            _ => Err(self.odd("facts", &line)),
        }
    }

    /// Tells it to leave.
    pub fn leave(mut self) {
        let _ = self.conversation.tell("quit");
        self.conversation.end(LEAVING_SECONDS);
    }

    /// Tells it to leave, and answers the end of what it said on its standard error.
    ///
    /// # Errors
    /// It does not leave, or fails as it does.
    pub fn last_words(mut self) -> Result<String, ArmError> {
        self.tell("quit")?;
        let Self { name, conversation, patience_seconds, .. } = self;
        let said = conversation.last_words(patience_seconds);
        said.map_err(|why| ArmError { who: name, why: why.to_string() })
    }

    fn ask(&mut self, request: &str, seconds: f64) -> Result<String, ArmError> {
        self.tell(request)?;
        self.hear(seconds)
    }

    fn tell(&mut self, line: &str) -> Result<(), ArmError> {
        let told = self.conversation.tell(line);
        told.map_err(|why| self.silent(&why))
    }

    fn hear(&mut self, seconds: f64) -> Result<String, ArmError> {
        let heard = self.conversation.hear(seconds);
        heard.map_err(|why| self.silent(&why))
    }

    fn silent(&self, why: &Silence) -> ArmError {
        self.failed(why.to_string())
    }

    fn odd(&self, wanted: &str, got: &str) -> ArmError {
        self.failed(format!("answered {} instead of {wanted}", protocol::shown(got)))
    }

    fn failed(&self, why: String) -> ArmError {
        ArmError { who: self.name.clone(), why }
    }
}

impl Arm for WorkerProcess {
    fn sample(&mut self, iterations: u64) -> Result<BatchSample, ArmError> {
        let patience = self.patience_seconds.max(SAMPLE_PATIENCE * self.longest);
        let line = self.ask(&format!("sample {iterations}"), patience)?;
        if let Some(why) = line.strip_prefix("error ") {
            return Err(self.failed(plain(why)));
        }
        let sample = protocol::parse_sample(&line, iterations).map_err(|why| self.failed(why))?;
        self.longest = self.longest.max(sample.batch_seconds());
        Ok(sample)
    }
}

/// Words of a worker without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
