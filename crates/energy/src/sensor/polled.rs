//! Commands as sensors: one that streams lines, or one that is run again and again. A thread of their own reads them,
//! so that a slow one never holds up the others.

use super::{Reading, SensorError};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a command has said so far.
#[derive(Clone, Debug)]
pub enum Latest {
    /// Its last value, and how long ago it came, s.
    Value(Reading, f64),
    /// Nothing yet.
    Nothing,
    /// It ended or spoke nonsense; in words.
    Failed(String),
}

#[derive(Debug, Default)]
struct State {
    value: Option<(Reading, Instant)>,
    failed: Option<String>,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of the reading thread leaves a whole state behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, reading: Reading) {
        let mut state = self.lock();
        (state.value, state.failed) = (Some((reading, Instant::now())), None);
        self.changed.notify_all();
    }

    fn fail(&self, reason: String) {
        self.lock().failed = Some(reason);
        self.changed.notify_all();
    }

    fn latest(&self, patience_s: f64) -> Latest {
        let waited = Duration::try_from_secs_f64(patience_s).unwrap_or_default();
        let is_waiting = |state: &mut State| state.value.is_none() && state.failed.is_none();
        let (state, _) =
            self.changed.wait_timeout_while(self.lock(), waited, is_waiting).unwrap_or_else(PoisonError::into_inner);
        match (&state.failed, state.value) {
            (Some(reason), _) => Latest::Failed(reason.clone()),
            (None, Some((reading, at))) => Latest::Value(reading, at.elapsed().as_secs_f64()),
            (None, None) => Latest::Nothing,
        }
    }
}

fn shell(command: &str) -> Result<Child, SensorError> {
    let mut shell = Command::new("sh");
    let started = shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    started.map_err(|error| SensorError::Silent {
        what: format!("`{command}`"),
        reason: format!("it cannot be started: {error}"),
    })
}

/// Longest line or answer that is read of a command, bytes.
const MOST_BYTES: u64 = 1 << 20;

/// A command that writes a line for each reading; ended when dropped.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    child: Child,
}

impl Stream {
    /// Starts the command; `parse` makes readings of its lines.
    pub fn start(
        command: &str,
        parse: impl Fn(&str) -> Result<Option<Reading>, String> + Send + 'static,
    ) -> Result<Self, SensorError> {
        let mut child = shell(command)?;
        let shared = Arc::new(Shared::default());
        if let Some(stdout) = child.stdout.take() {
            let shared = shared.clone();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stdout);
                loop {
                    let mut line = String::new();
                    match (&mut lines).take(MOST_BYTES).read_line(&mut line) {
                        Ok(0) => return shared.fail("it has ended".to_owned()),
                        Ok(_) => match parse(&line) {
                            Ok(Some(reading)) => shared.put(reading),
                            Ok(None) => {}
                            Err(reason) => shared.fail(reason),
                        },
                        Err(error) => return shared.fail(error.to_string()),
                    }
                }
            });
        }
        Ok(Self { shared, child })
    }

    /// The last value; waits up to `patience_s` for the first.
    pub fn latest(&self, patience_s: f64) -> Latest {
        self.shared.latest(patience_s)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that is run for each reading, at most once a second.
#[derive(Debug)]
pub struct Repeated {
    shared: Arc<Shared>,
}

/// Longest time that one run may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause between two runs.
const PAUSE: Duration = Duration::from_secs(1);

impl Repeated {
    /// Begins to run the command; `parse` makes a reading of all it writes.
    pub fn start(command: &str, parse: impl Fn(&str) -> Result<Reading, String> + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let (inside, command) = (shared.clone(), command.to_owned());
        std::thread::spawn(move || {
            loop {
                match output(&command).and_then(|text| parse(&text)) {
                    Ok(reading) => inside.put(reading),
                    Err(reason) => inside.fail(reason),
                }
                let is_going = |state: &mut State| !state.stop;
                let waited = inside.changed.wait_timeout_while(inside.lock(), PAUSE, is_going);
                if waited.unwrap_or_else(PoisonError::into_inner).0.stop {
                    return;
                }
            }
        });
        Self { shared }
    }

    /// The last value; waits up to `patience_s` for the first.
    pub fn latest(&self, patience_s: f64) -> Latest {
        self.shared.latest(patience_s)
    }
}

impl Drop for Repeated {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
    }
}

/// Standard output of a command that must end in time.
fn output(command: &str) -> Result<String, String> {
    let mut child = shell(command).map_err(|e| e.to_string())?;
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.map(|out| out.take(MOST_BYTES).read_to_end(&mut text));
        read.transpose().map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not end within {} s", PATIENCE.as_secs()));
            }
        }
    };
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    reader.join().map_err(|_| "its output cannot be read".to_owned())?.map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_run_for_its_value() {
        let parse = |text: &str| text.trim().parse().map(Reading::Watts).map_err(|_| "no number".to_owned());
        let good = Repeated::start("echo 17.5", parse);
        assert!(matches!(good.latest(5.0), Latest::Value(Reading::Watts(17.5), _)));
        let bad = Repeated::start("exit 3", parse);
        assert!(matches!(bad.latest(5.0), Latest::Failed(reason) if reason.contains('3')));
    }
}
