//! The program as a child process that never outlives its owner.

use super::ending::Exit;
use std::io;
use std::process::{ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a program that has to end may take.
const GRACE: Duration = Duration::from_secs(5);

/// A running child. Dropping it, also while a panic unwinds, kills and reaps it.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    status: Option<ExitStatus>,
    /// The process that started it; a fork of the host must not kill what is not its own.
    owner: u32,
}

impl Child {
    /// Starts the program with no input, and pipes for what it says.
    pub(super) fn start(mut command: Command, memory_bytes: u64) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Colours would stand before the levels.
        command.env("AV_LOG_FORCE_NOCOLOR", "1");
        #[cfg(unix)]
        {
            // A group of its own: a wrapper's own children are killed too, and Ctrl-C in a terminal goes to the host alone.
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        let mut process = spawn(command, memory_bytes)?;
        let pipes = process.stdout.take().zip(process.stderr.take());
        let child = Self { process, status: None, owner: std::process::id() };
        let (stdout, stderr) = pipes.ok_or_else(|| io::Error::other("the child has no pipes"))?;
        Ok((child, stdout, stderr))
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a program that has said that it is done; kills one that does not end.
    pub(super) fn finish(&mut self) -> Exit {
        if !self.wait(GRACE) {
            self.kill();
        }
        self.status.map_or(Exit::Killed, exit)
    }

    fn kill(&mut self) {
        if self.status.is_some() || self.owner != std::process::id() {
            return;
        }
        #[cfg(unix)]
        if let Ok(id) = libc::pid_t::try_from(self.process.id()) {
            // SAFETY: plain numbers. The child was not reaped yet (`status` is none), so that its number, which is also
            // that of its group, is still its own.
            #[allow(unsafe_code, reason = "the standard library kills the child but not its group")]
            unsafe {
                libc::kill(-id, libc::SIGKILL);
            }
        }
        let _ = self.process.kill();
        // A process that hangs in the kernel (a dead network drive) goes later; the host does not wait for it.
        self.wait(GRACE);
    }

    /// Whether it ended in time. A program that ends does so in about a millisecond.
    fn wait(&mut self, limit: Duration) -> bool {
        let (_open, never) = mpsc::channel::<()>();
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_micros(200);
        loop {
            if let Ok(Some(status)) = self.process.try_wait() {
                self.status = Some(status);
                return true;
            }
            if waited >= limit {
                return false;
            }
            let _ = never.recv_timeout(pause);
            waited += pause;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn exit(status: ExitStatus) -> Exit {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return if signal == libc::SIGKILL { Exit::Killed } else { Exit::Crashed(signal) };
    }
    Exit::Ended(status.code().unwrap_or(-1))
}

#[cfg(not(target_os = "linux"))]
fn spawn(mut command: Command, _memory_bytes: u64) -> io::Result<std::process::Child> {
    command.spawn()
}

/// Starts the child so that it dies with the host, however that one ends.
///
/// The kernel sends the parent-death signal when the *thread* that started the child ends. So one thread, which lives as
/// long as the process, starts all of them.
#[cfg(target_os = "linux")]
fn spawn(mut command: Command, memory_bytes: u64) -> io::Result<std::process::Child> {
    use std::os::unix::process::CommandExt;
    let host = libc::pid_t::try_from(std::process::id()).map_err(io::Error::other)?;
    // SAFETY: between fork and exec only async-signal-safe calls are made, and nothing is allocated or locked: see
    // `before_exec`.
    #[allow(unsafe_code, reason = "the parent-death signal can only be asked for by the child itself")]
    unsafe {
        command.pre_exec(move || before_exec(host, memory_bytes));
    }
    spawner::run(command)
}

#[cfg(target_os = "linux")]
fn before_exec(host: libc::pid_t, memory_bytes: u64) -> io::Result<()> {
    let limit = |resource, most: u64| {
        let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `now` is a valid rlimit for both calls; system calls without memory of their own.
        #[allow(unsafe_code, reason = "limits of a process have no safe interface")]
        unsafe {
            if libc::getrlimit(resource, &raw mut now) == 0 {
                let most = now.rlim_max.min(most);
                libc::setrlimit(resource, &libc::rlimit { rlim_cur: most, rlim_max: most });
            }
        }
    };
    // Memory that is written to, stacks and heaps; not the program itself.
    limit(libc::RLIMIT_DATA, memory_bytes);
    limit(libc::RLIMIT_CORE, 0);
    // SAFETY: system calls with plain numbers. CLOSE_RANGE_CLOEXEC marks what other libraries of the host left open, so
    // that no socket of the host reaches the decoder; a kernel before 5.11 does not know it, and then nothing changes.
    #[allow(unsafe_code, reason = "system calls without a safe interface")]
    unsafe {
        const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
        libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC);
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
            return Err(io::Error::last_os_error());
        }
        // The host may have died before the line above. 0: it is in another namespace of process numbers.
        if !matches!(libc::getppid(), 0) && libc::getppid() != host {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
mod spawner {
    use std::io;
    use std::process::{Child, Command};
    use std::sync::{Mutex, PoisonError, mpsc};

    type Job = (Command, mpsc::SyncSender<io::Result<Child>>);

    /// The one thread of this process, and the process: a fork of the host has the value but not the thread.
    static THREAD: Mutex<Option<(u32, mpsc::Sender<Job>)>> = Mutex::new(None);

    fn thread() -> io::Result<mpsc::Sender<Job>> {
        let mut known = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
        let here = std::process::id();
        if let Some((process, jobs)) = &*known
            && *process == here
        {
            return Ok(jobs.clone());
        }
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new().name("guarita-spawn".into()).stack_size(128 << 10).spawn(move || {
            // It never ends: the sender is kept in `THREAD`.
            for (mut command, answer) in queue {
                let _ = answer.send(command.spawn());
            }
        })?;
        *known = Some((here, jobs.clone()));
        Ok(jobs)
    }

    pub(super) fn run(command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts programs is gone");
        let (answer, answered) = mpsc::sync_channel(1);
        thread()?.send((command, answer)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}
