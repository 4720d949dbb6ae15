//! A server process: started with a time limit, measured from /proc, and never left behind.
//!
//! Owns: the child, its captured output, its end. Dropping it kills the process (SIGKILL, by its
//! id) and waits for it, on panic too. Output goes to files, so that a chatty server never blocks
//! on a full pipe and its last words can be shown.
//! Does not own: the server's directory, its port.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::time::poll_for;

/// How much of a log a failure message shows.
const TAIL_BYTES: usize = 3000;

/// Clock ticks per second in /proc/PID/stat: USER_HZ, 100 on every Linux this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    ended: Option<ExitStatus>,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time of all its threads.
    pub cpu_seconds: f64,
    /// Resident memory now.
    pub rss_bytes: u64,
}

impl Usage {
    pub fn of_this_process() -> Usage {
        Usage::read("self")
    }

    fn read(id: &str) -> Usage {
        let proc = Path::new("/proc").join(id);
        let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
        let status = fs::read_to_string(proc.join("status")).unwrap_or_default();
        Usage {
            cpu_seconds: cpu_ticks(&stat) as f64 / TICKS_PER_SECOND,
            rss_bytes: rss_kib(&status) * 1024,
        }
    }
}

impl Process {
    /// Starts `command` with its output in `{dir}/{name}.stdout` and `.stderr` (appended to).
    pub fn start(name: &str, dir: &Path, mut command: Command) -> Result<Process, String> {
        let stdout = dir.join(format!("{name}.stdout"));
        let stderr = dir.join(format!("{name}.stderr"));
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.map_err(|e| format!("cannot write {}: {e}", path.display()))
        };
        // What an earlier run on the same directory said must not be taken for this one's words.
        let _ = fs::remove_file(&stdout);
        command.stdin(Stdio::null());
        command.stdout(open(&stdout)?);
        command.stderr(open(&stderr)?);
        let child = command
            .spawn()
            .map_err(|e| format!("cannot start {name} ({:?}): {e}", command.get_program()))?;
        Ok(Process {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
            ended: None,
        })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.status().is_none()
    }

    /// How it ended, if it has.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("the child is ours");
        }
        self.ended
    }

    /// The first whole line of stdout that `wanted` accepts. Fails after `limit`, and at once when the
    /// process ends.
    pub fn wait_for_line(
        &mut self,
        limit: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String, String> {
        let found = poll_for(limit, || {
            let ended = self.status();
            let text = self.stdout_text();
            let lines = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
            let line = lines.map(str::trim_end).find(|line| wanted(line));
            match (line, ended) {
                (Some(line), _) => Some(Ok(line.to_owned())),
                (None, Some(status)) => Some(Err(self.failure(&format!("ended with {status}")))),
                (None, None) => None,
            }
        });
        found.unwrap_or_else(|| {
            Err(self.failure(&format!("did not say it was ready within {limit:?}")))
        })
    }

    /// SIGKILL: nothing of it runs on when this returns.
    pub fn kill(&mut self) {
        if self.ended.is_none() {
            // It fails only when the process is already gone, which is what we want.
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// SIGTERM, then the exit status. A process that outlives `limit` is killed, and that is an error.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus, String> {
        if let Some(status) = self.status() {
            return Ok(status);
        }
        self.signal(Signal::TERM);
        if let Some(status) = poll_for(limit, || self.status()) {
            return Ok(status);
        }
        self.kill();
        Err(self.failure(&format!("did not end within {limit:?} of SIGTERM")))
    }

    /// Waits for it to end by itself; kills it after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, String> {
        if let Some(status) = poll_for(limit, || self.status()) {
            return Ok(status);
        }
        self.kill();
        Err(self.failure(&format!("still ran after {limit:?}")))
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // It fails only when the process is already gone.
        let _ = kill_process(pid, signal);
    }

    /// Zero for a process that has ended.
    pub fn usage(&self) -> Usage {
        Usage::read(&self.id().to_string())
    }

    pub fn stdout_text(&self) -> String {
        read_lossy(&self.stdout)
    }

    pub fn stderr_text(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// `what` with the end of the process's own output.
    pub fn failure(&self, what: &str) -> String {
        format!(
            "{} (pid {}) {what}\n--- its stdout ends:\n{}\n--- its stderr ends:\n{}",
            self.name,
            self.id(),
            tail(&self.stdout_text()),
            tail(&self.stderr_text()),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_lossy(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last [`TAIL_BYTES`] of `text`, from a character's start.
pub fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(TAIL_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// Fields 14 and 15 (utime, stime) of /proc/PID/stat; the name in field 2 may hold anything, so
/// counting begins behind its closing parenthesis.
fn cpu_ticks(stat: &str) -> u64 {
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let field = |n: usize| fields.get(n - 3).and_then(|f| f.parse::<u64>().ok());
    field(14).unwrap_or(0) + field(15).unwrap_or(0)
}

fn rss_kib(status: &str) -> u64 {
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let number = line.and_then(|l| l.split_whitespace().next());
    number.and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn shell(script: &str) -> (tempfile::TempDir, Process) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        let process = Process::start("sh", dir.path(), command).unwrap();
        (dir, process)
    }

    #[test]
    fn ready_line_is_found_and_a_silent_process_times_out() {
        let (_dir, mut process) = shell("echo first; echo ready 7; exec sleep 60");
        let line = process.wait_for_line(Duration::from_secs(10), |l| l.starts_with("ready"));
        assert_eq!(line.unwrap(), "ready 7");
        let never = process.wait_for_line(Duration::from_millis(50), |l| l == "never");
        assert!(never.unwrap_err().contains("first"), "shows the output");
    }

    #[test]
    fn process_that_ends_early_fails_at_once_and_shows_why() {
        let (_dir, mut process) = shell("echo broken >&2; exit 3");
        let error = process.wait_for_line(Duration::from_secs(60), |_| true);
        let error = error.unwrap_err();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("broken"), "{error}");
    }

    #[test]
    fn terminate_reports_the_exit_code_and_kills_who_does_not_listen() {
        let (_dir, mut polite) = shell("trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done");
        polite
            .wait_for_line(Duration::from_secs(10), |l| l == "up")
            .unwrap();
        let status = polite.terminate(Duration::from_secs(10)).unwrap();
        assert_eq!(status.code(), Some(5));

        let (_dir, mut deaf) = shell("trap '' TERM; echo up; while :; do sleep 0.05; done");
        deaf.wait_for_line(Duration::from_secs(10), |l| l == "up")
            .unwrap();
        assert!(deaf.terminate(Duration::from_millis(200)).is_err());
        assert_eq!(deaf.status().unwrap().signal(), Some(9));
    }

    #[test]
    fn dropping_kills() {
        let (_dir, process) = shell("exec sleep 60");
        let proc = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(proc.exists());
        drop(process);
        assert!(!proc.exists());
    }

    #[test]
    fn usage_is_read_from_proc() {
        let (_dir, process) = shell("i=0; while :; do i=$((i+1)); done");
        let busy = poll_for(Duration::from_secs(10), || {
            let usage = process.usage();
            (usage.cpu_seconds > 0.05 && usage.rss_bytes > 100_000).then_some(())
        });
        assert!(busy.is_some(), "{:?}", process.usage());
        assert_eq!(
            cpu_ticks("7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 31 11 0 0 20"),
            42
        );
    }
}
