//! Child processes that are talked to line by line, and that leave nothing behind: each has a process group of its own,
//! a deadline for every answer, and dies with this process.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use super::clock::{as_seconds, monotonic_nanoseconds};
use super::threads::pin;

/// No line of an answer is longer.
const LONGEST_LINE: usize = 1 << 20;
/// Of what a child says on its standard error, the end is kept.
const KEPT_OF_STDERR: usize = 4096;
/// Every process of ours carries this in its environment, so that what it started can be found and ended.
const MARK: &str = "PERFKIT_FAMILY";

/// A child process with pipes to its standard streams.
#[derive(Debug)]
pub struct Conversation {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    errors: Option<ChildStderr>,
    pending: Vec<u8>,
    said: Vec<u8>,
}

/// Why an answer did not come.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    /// The deadline passed.
    #[error("gave no answer within {seconds:.0} s")]
    Late {
        /// How long it was waited for.
        seconds: f64,
    },
    /// The process ended.
    #[error("{how}{said}")]
    Ended {
        /// Its exit status in words.
        how: String,
        /// The last line of its standard error, with what joins it to the sentence.
        said: String,
    },
    /// The line has no end.
    #[error("wrote a line of more than {LONGEST_LINE} bytes")]
    Endless,
    /// The line is no text.
    #[error("wrote bytes that are no text")]
    NoText,
    /// The system's own error.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// How to start a child.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Bytes added to the environment: they move the stack, as another user's environment would.
    pub padding_bytes: usize,
    /// The one CPU that it may run on; any without.
    pub cpu: Option<u32>,
    /// Variables of its environment that differ from ours, with their values; those without a value are removed.
    pub environment: Vec<(String, Option<String>)>,
}

impl Conversation {
    /// Starts a program.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(program: &Path, arguments: &[String], start: &Start) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        if start.padding_bytes > 0 {
            command.env("PERFKIT_PADDING", "x".repeat(start.padding_bytes));
        }
        for (variable, value) in &start.environment {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        if let Some(cpu) = start.cpu {
            // SAFETY: the function makes one system call; it allocates nothing and takes no lock.
            unsafe { command.pre_exec(move || pin(&[cpu])) };
        }
        let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let missing = || io::Error::other("a pipe of the child is missing");
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take();
        for fd in [Some(output.as_raw_fd()), errors.as_ref().map(AsRawFd::as_raw_fd)].into_iter().flatten() {
            never_block(fd)?;
        }
        Ok(Self { child, input, output, errors, pending: Vec::new(), said: Vec::new() })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    /// It went away, and how.
    pub fn tell(&mut self, line: &str) -> Result<(), Silence> {
        let Some(input) = &mut self.input else { return Err(self.ended()) };
        let mut text = String::with_capacity(line.len() + 1);
        text.push_str(line);
        text.push('\n');
        match input.write_all(text.as_bytes()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(self.ended()),
            Err(error) => Err(error.into()),
        }
    }

    /// The next line of its standard output, without its end.
    ///
    /// # Errors
    /// No line within `seconds`, or never one.
    pub fn hear(&mut self, seconds: f64) -> Result<String, Silence> {
        let start = monotonic_nanoseconds();
        loop {
            if let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).take(end).collect();
                return String::from_utf8(line).map_err(|_| Silence::NoText);
            }
            if self.pending.len() > LONGEST_LINE {
                return Err(Silence::Endless);
            }
            let left = seconds - as_seconds(monotonic_nanoseconds().saturating_sub(start));
            if left <= 0.0 {
                return Err(Silence::Late { seconds });
            }
            wait_readable(self.output.as_raw_fd(), self.errors.as_ref().map(AsRawFd::as_raw_fd), left)?;
            self.drain_errors();
            if !self.read_some()? {
                return Err(self.ended());
            }
        }
    }

    /// Reads what there is; `false` at the end of the stream.
    fn read_some(&mut self) -> io::Result<bool> {
        let mut chunk = [0_u8; 4096];
        match self.output.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.pending.extend_from_slice(&chunk[..count]);
                Ok(true)
            }
            Err(error) if is_not_yet(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// A child that talks much on its standard error must not wait for us to listen.
    fn drain_errors(&mut self) {
        let Some(errors) = &mut self.errors else { return };
        let mut chunk = [0_u8; 4096];
        loop {
            match errors.read(&mut chunk) {
                Ok(0) => {
                    self.errors = None;
                    return;
                }
                Ok(count) => {
                    self.said.extend_from_slice(&chunk[..count]);
                    let extra = self.said.len().saturating_sub(KEPT_OF_STDERR);
                    self.said.drain(..extra);
                }
                Err(_) => return,
            }
        }
    }

    fn ended(&mut self) -> Silence {
        self.input = None;
        // The end of its output is seen before the system has taken note of its exit.
        let status = self.wait_for_exit(0.5);
        self.drain_errors();
        let said = String::from_utf8_lossy(&self.said);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let last: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
        Silence::Ended {
            how: status.map_or_else(|| "closed its output".to_owned(), describe_exit),
            said: if last.is_empty() { String::new() } else { format!(": {last}") },
        }
    }

    fn wait_for_exit(&mut self, seconds: f64) -> Option<ExitStatus> {
        let start = monotonic_nanoseconds();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            let waited = as_seconds(monotonic_nanoseconds().saturating_sub(start));
            if waited > seconds {
                return None;
            }
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
    }

    /// Closes its input, waits until it leaves by itself, and answers the end of all that it said on its standard
    /// error; at the deadline it is ended.
    ///
    /// # Errors
    /// It was late, or ended otherwise than with exit code 0.
    pub fn last_words(mut self, patience_seconds: f64) -> Result<String, Silence> {
        self.input = None;
        let start = monotonic_nanoseconds();
        loop {
            // What it says while it leaves must not fill the pipe.
            self.drain_errors();
            if let Ok(Some(status)) = self.child.try_wait() {
                self.drain_errors();
                return if status.success() {
                    Ok(String::from_utf8_lossy(&self.said).into_owned())
                } else {
                    Err(self.ended())
                };
            }
            let waited = as_seconds(monotonic_nanoseconds().saturating_sub(start));
            if waited > patience_seconds {
                return Err(Silence::Late { seconds: patience_seconds });
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Closes its input, gives it a moment to leave by itself, then ends it and all of its group.
    pub fn end(&mut self, patience_seconds: f64) {
        self.input = None;
        self.wait_for_exit(patience_seconds);
        kill_group(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.end(0.0);
    }
}

/// What one execution of a command took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Execution {
    /// From just before it was started until it was gone.
    pub wall_nanoseconds: u64,
    /// CPU time of it and what it waited for.
    pub cpu_nanoseconds: u64,
    /// Times the scheduler took the CPU away.
    pub involuntary_switches: u64,
    /// Its largest resident size.
    pub peak_rss_bytes: u64,
    /// Its exit code; `None` where a signal ended it.
    pub exit_code: Option<i32>,
}

/// Executes a command once, its output thrown away.
///
/// # Errors
/// It cannot be started, or did not end within `seconds`; it is then ended, with all of its group.
pub fn execute(words: &[String], seconds: f64) -> Result<Execution, Silence> {
    let (program, arguments) = words.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = monotonic_nanoseconds();
    let child = spawn(&mut command)?;
    let watch = Watch::over(child.id(), seconds)?;
    let usage = wait_with_usage(child.id());
    let wall_nanoseconds = monotonic_nanoseconds().saturating_sub(start);
    let late = watch.finish();
    kill_group(child.id());
    let (status, usage) = usage?;
    if late {
        return Err(Silence::Late { seconds });
    }
    let nanoseconds = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
            + u64::try_from(time.tv_usec).unwrap_or(0) * 1000
    };
    Ok(Execution {
        wall_nanoseconds,
        cpu_nanoseconds: nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime),
        involuntary_switches: u64::try_from(usage.ru_nivcsw).unwrap_or(0),
        peak_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
        exit_code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
    })
}

/// A thread that ends a process group at a deadline. It sleeps on a channel, so it costs the measured process nothing.
struct Watch {
    done: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<bool>,
}

impl Watch {
    fn over(group: u32, seconds: f64) -> io::Result<Self> {
        let (done, ended) = std::sync::mpsc::channel();
        let limit = std::time::Duration::try_from_secs_f64(seconds).unwrap_or(std::time::Duration::MAX);
        let thread = std::thread::Builder::new().name("perfkit-watch".to_owned()).spawn(move || {
            let late = ended.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
            if late {
                kill_group(group);
            }
            late
        })?;
        Ok(Self { done, thread })
    }

    fn finish(self) -> bool {
        let _ = self.done.send(());
        self.thread.join().unwrap_or(false)
    }
}

fn wait_with_usage(id: u32) -> io::Result<(libc::c_int, libc::rusage)> {
    let id = libc::pid_t::try_from(id).map_err(io::Error::other)?;
    let mut status = 0;
    // SAFETY: rusage is plain numbers; all zeroes is a value of it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live values of the types asked for; the id is of a child not yet waited for.
        let answer = unsafe { libc::wait4(id, &raw mut status, 0, &raw mut usage) };
        if answer == id {
            return Ok((status, usage));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Starts a child in a group of its own that ends when this thread's process does.
fn spawn(command: &mut Command) -> io::Result<Child> {
    command.process_group(0).env(MARK, std::process::id().to_string());
    // SAFETY: the function makes one system call; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(die_with_parent) };
    command.spawn()
}

/// Runs between fork and exec.
fn die_with_parent() -> io::Result<()> {
    // SAFETY: a plain system call with plain numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    Ok(())
}

fn kill_group(id: u32) {
    if let Ok(group) = libc::pid_t::try_from(id) {
        // SAFETY: a plain system call; a group that is gone is no error that matters.
        unsafe { libc::killpg(group, libc::SIGKILL) };
    }
}

/// Ends every process that our children left behind, and waits until they are gone: they are known by what they
/// inherited in their environment. Answers how many there were.
pub fn end_strays() -> usize {
    let mut ended = std::collections::BTreeSet::new();
    // Again until none is seen: one may be starting another just then, and an end takes the system a moment.
    for _ in 0..STRAY_PASSES {
        let strays = strays();
        if strays.is_empty() {
            break;
        }
        for &id in &strays {
            // SAFETY: a plain system call; a process that is gone is no error that matters.
            unsafe { libc::kill(id, libc::SIGKILL) };
        }
        ended.extend(strays);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    ended.len()
}

/// Passes of [`end_strays`].
const STRAY_PASSES: usize = 200;

/// Processes that carry our mark. A dead one that nobody has waited for has no environment any more.
fn strays() -> Vec<libc::pid_t> {
    let mark = format!("{MARK}={}", std::process::id());
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let marked = |id: libc::pid_t| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
    };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|&id| marked(id)).collect()
}

fn describe_exit(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => "ended".to_owned(),
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(libc::SIGILL)) => {
            format!("was ended by signal {} (an instruction that is not known here)", libc::SIGILL)
        }
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn never_block(fd: RawFd) -> io::Result<()> {
    // SAFETY: the descriptor is open: its owner is alive in the caller.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    if unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Waits until one of two descriptors can be read, or has ended, or so many seconds have passed.
fn wait_readable(output: RawFd, errors: Option<RawFd>, seconds: f64) -> io::Result<()> {
    let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // A negative descriptor is one that poll leaves alone.
    let mut entries = [entry(output), entry(errors.unwrap_or(-1))];
    #[expect(clippy::cast_possible_truncation, reason = "at most an hour of milliseconds")]
    let milliseconds = (seconds * 1e3).ceil().clamp(1.0, 3.6e6) as libc::c_int;
    // SAFETY: the array has the two entries that are named.
    let answer = unsafe { libc::poll(entries.as_mut_ptr(), 2, milliseconds) };
    if answer < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Conversation {
        let arguments = ["-c".to_owned(), script.to_owned()];
        Conversation::start(Path::new("/bin/sh"), &arguments, &Start::default()).unwrap()
    }

    #[test]
    fn lines_go_both_ways() {
        let mut child = shell("while read line; do echo \"heard $line\"; echo noise >&2; done");
        for word in ["one", "two"] {
            child.tell(word).unwrap();
            assert_eq!(child.hear(10.0).unwrap(), format!("heard {word}"));
        }
    }

    #[test]
    fn a_child_has_the_environment_that_it_was_started_with() {
        let words = |text: &str| text.to_owned();
        let start = Start {
            environment: vec![(words("PERFKIT_TOLD"), Some(words("yes"))), (words("PATH"), None)],
            ..Start::default()
        };
        let arguments = [words("-c"), words("echo $PERFKIT_TOLD")];
        let mut child = Conversation::start(Path::new("/bin/sh"), &arguments, &start).unwrap();
        assert_eq!(child.hear(10.0).unwrap(), "yes");
    }

    #[test]
    fn an_end_says_how_and_what_was_said_last() {
        let mut child = shell("echo first; echo 'it broke' >&2; exit 3");
        assert_eq!(child.hear(10.0).unwrap(), "first");
        assert_eq!(child.hear(10.0).unwrap_err().to_string(), "ended with exit code 3: it broke");
        let mut killed = shell("kill -9 $$");
        assert_eq!(killed.hear(10.0).unwrap_err().to_string(), "was ended by signal 9");
    }

    #[test]
    fn last_words_are_those_of_a_child_that_left_by_itself() {
        let script = "read line; echo 'I refs: 12' >&2; exit";
        let mut child = shell(&format!("{script} 0"));
        child.tell("quit").unwrap();
        assert_eq!(child.last_words(10.0).unwrap().trim(), "I refs: 12");
        assert!(
            shell(&format!("{script} 3")).last_words(10.0).unwrap_err().to_string().contains("exit code 3")
        );
        assert!(matches!(shell("sleep 60").last_words(0.05), Err(Silence::Late { .. })));
    }

    #[test]
    fn what_is_late_endless_or_no_text_is_refused() {
        assert!(matches!(shell("sleep 60").hear(0.05), Err(Silence::Late { .. })));
        assert!(matches!(shell("head -c 3000000 /dev/zero | tr '\\0' x").hear(20.0), Err(Silence::Endless)));
        assert!(matches!(shell("printf '\\377\\376\\n'").hear(10.0), Err(Silence::NoText)));
    }

    #[test]
    fn a_command_is_executed_once_and_its_use_is_counted() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let done = execute(&words("true"), 10.0).unwrap();
        assert_eq!(done.exit_code, Some(0));
        assert!(done.wall_nanoseconds > 0 && done.peak_rss_bytes > 0);
        assert_eq!(execute(&words("false"), 10.0).unwrap().exit_code, Some(1));
        assert!(matches!(execute(&words("sleep 60"), 0.05), Err(Silence::Late { .. })));
        assert!(execute(&words("/nowhere/at-all"), 1.0).is_err());
    }
}
