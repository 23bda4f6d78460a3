//! Threads: how many there may be, where they run, and the team that parallel kernels share.

use std::num::NonZeroUsize;
use std::sync::Arc;

/// The CPUs that the calling thread may run on, in ascending order, or `None` where the system does not tell.
#[must_use]
pub fn affinity() -> Option<Vec<u32>> {
    let mut set = empty_set();
    // SAFETY: `set` is a valid cpu_set_t of the size given; pid 0 is the calling thread.
    let answer = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if answer != 0 {
        return None;
    }
    let limit = u32::try_from(libc::CPU_SETSIZE).unwrap_or(1024);
    // SAFETY: every index is below CPU_SETSIZE.
    Some((0..limit).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu as usize, &set) }).collect())
}

/// Restricts the calling thread, and every thread it starts later, to `cpus`.
pub fn pin(cpus: &[u32]) -> std::io::Result<()> {
    let mut set = empty_set();
    for &cpu in cpus.iter().filter(|&&cpu| i64::from(cpu) < i64::from(libc::CPU_SETSIZE)) {
        // SAFETY: the index is below CPU_SETSIZE.
        unsafe { libc::CPU_SET(cpu as usize, &mut set) };
    }
    // SAFETY: `set` is a valid cpu_set_t of the size given; pid 0 is the calling thread.
    let answer = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if answer == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// The CPU that the calling thread runs on now.
#[must_use]
pub fn current_cpu() -> Option<u32> {
    // SAFETY: the call takes no arguments and only reads.
    u32::try_from(unsafe { libc::sched_getcpu() }).ok()
}

fn empty_set() -> libc::cpu_set_t {
    // SAFETY: cpu_set_t is a plain bit set; all zeroes is the empty one.
    unsafe { std::mem::zeroed() }
}

/// A fixed number of threads, the caller's among them, that work on one thing together.
///
/// A team of one starts no thread: the work runs where it is called.
#[derive(Clone)]
pub struct Team {
    threads: NonZeroUsize,
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl Team {
    /// The team of the calling thread alone.
    #[must_use]
    pub const fn single() -> Self {
        Self { threads: NonZeroUsize::MIN, pool: None }
    }

    /// A team of `threads`, each pinned to one of the CPUs this process may use where there are enough.
    pub fn new(threads: NonZeroUsize) -> std::io::Result<Self> {
        if threads.get() == 1 {
            return Ok(Self::single());
        }
        Self::pinned(threads, affinity().unwrap_or_default())
    }

    /// A team of a thread on each of `cpus`, none of them the caller's; of one thread where the list is empty.
    pub fn on(cpus: &[u32]) -> std::io::Result<Self> {
        Self::pinned(NonZeroUsize::new(cpus.len()).unwrap_or(NonZeroUsize::MIN), cpus.to_vec())
    }

    fn pinned(threads: NonZeroUsize, cpus: Vec<u32>) -> std::io::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .thread_name(|i| format!("perfkit-{i}"))
            .start_handler(move |i| {
                if let Some(&cpu) = cpus.get(i).filter(|_| cpus.len() >= threads.get()) {
                    // Without the right to pin, the scheduler places the thread: slower, never wrong.
                    let _ = pin(&[cpu]);
                }
            })
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self { threads, pool: Some(Arc::new(pool)) })
    }

    /// Number of threads.
    #[must_use]
    pub const fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    /// Whether its work runs on the thread that asks for it.
    #[must_use]
    pub const fn runs_here(&self) -> bool {
        self.pool.is_none()
    }

    /// Which of the team's threads the calling one is; the first where it is none of them.
    #[must_use]
    pub fn place(&self) -> usize {
        self.pool.as_ref().and_then(|pool| pool.current_thread_index()).unwrap_or(0)
    }

    /// Runs `work` on a thread of the team: whatever it spreads over the team then begins on a thread that is awake.
    pub fn inside<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Runs `work(index)` for every index below `tasks`, spread over the team; returns when all are done.
    pub fn for_each(&self, tasks: usize, work: impl Fn(usize) + Sync + Send) {
        use rayon::prelude::*;
        match &self.pool {
            Some(pool) if tasks > 1 => {
                pool.install(|| (0..tasks).into_par_iter().with_max_len(1).for_each(work))
            }
            _ => (0..tasks).for_each(work),
        }
    }

    /// Runs `work(index, chunk)` for every chunk of `chunk_len` items of `data`, spread over the team.
    pub fn for_each_chunk<T: Send>(
        &self,
        data: &mut [T],
        chunk_len: NonZeroUsize,
        work: impl Fn(usize, &mut [T]) + Sync + Send,
    ) {
        use rayon::prelude::*;
        match &self.pool {
            Some(pool) if data.len() > chunk_len.get() => pool.install(|| {
                data.par_chunks_mut(chunk_len.get())
                    .enumerate()
                    .with_max_len(1)
                    .for_each(|(i, chunk)| work(i, chunk));
            }),
            _ => data.chunks_mut(chunk_len.get()).enumerate().for_each(|(i, chunk)| work(i, chunk)),
        }
    }

    /// Runs `work(thread)` once on every thread of the team at the same time.
    pub fn broadcast(&self, work: impl Fn(usize) + Sync + Send) {
        match &self.pool {
            Some(pool) => {
                pool.broadcast(|context| work(context.index()));
            }
            None => work(0),
        }
    }
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team").field("threads", &self.threads).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_team_does_every_task_once() {
        for threads in [1, 2, 3] {
            let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
            let done: Vec<AtomicUsize> = (0..37).map(|_| AtomicUsize::new(0)).collect();
            team.for_each(done.len(), |i| {
                done[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(done.iter().all(|d| d.load(Ordering::Relaxed) == 1), "{threads} threads");
            let mut data = vec![0_usize; 10];
            team.for_each_chunk(&mut data, NonZeroUsize::new(3).unwrap(), |i, chunk| {
                assert!(team.place() < threads);
                chunk.fill(i);
            });
            assert_eq!(data, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
        }
    }

    #[test]
    fn a_team_runs_on_the_cpus_it_was_given() {
        let cpu = affinity().unwrap()[0];
        let team = Team::on(&[cpu]).unwrap();
        assert!(!team.runs_here());
        let ran = AtomicUsize::new(usize::MAX);
        team.broadcast(|_| ran.store(current_cpu().map_or(0, |cpu| cpu as usize), Ordering::Relaxed));
        assert_eq!(ran.load(Ordering::Relaxed), cpu as usize);
        assert_eq!(Team::on(&[]).unwrap().threads().get(), 1);
    }

    #[test]
    fn affinity_names_at_least_one_cpu() {
        assert!(!affinity().unwrap().is_empty());
    }
}
