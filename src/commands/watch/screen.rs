//! How far it is: a bar in a terminal, a line now and then in a pipe, a table at the end.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::domain::outcome::Status;
use crate::domain::spent::Spent;
use crate::domain::tally::Tally;
use crate::domain::told::STAGES;

/// Between two lines in a pipe.
const LINE: Duration = Duration::from_secs(10);
/// The rate is that of so long a time.
const WINDOW: Duration = Duration::from_secs(30);

pub(super) struct Screen {
    drawn: Drawn,
    interactive: bool,
    last_line: Option<Instant>,
    /// How many had ended when, and how long they had been in the stages.
    recent: VecDeque<(Instant, u64, [Spent; 3])>,
}

impl Screen {
    pub(super) fn new(interactive: bool) -> Self {
        let target = if interactive { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            drawn: Drawn { all: MultiProgress::with_draw_target(target), bar: None, lines: Vec::new() },
            interactive,
            last_line: None,
            recent: VecDeque::new(),
        }
    }

    pub(super) fn show(&mut self, tally: &Tally, is_caught_up: bool, output: &mut dyn Write) -> io::Result<()> {
        let (now, ended) = (Instant::now(), tally.ended());
        if is_caught_up {
            self.recent.push_back((now, ended, tally.spent()));
        }
        while self.recent.front().is_some_and(|(at, ..)| now - *at > WINDOW) {
            self.recent.pop_front();
        }
        if self.interactive {
            if let Some(expected) = tally.expected() {
                self.drawn.bar(ended, expected);
            }
            self.drawn.lines(std::iter::once(self.line(tally)).chain(counts(tally)));
        } else if self.last_line.is_none_or(|at| now - at >= LINE) {
            self.last_line = Some(now);
            writeln!(output, "{}", self.line(tally))?;
        }
        Ok(())
    }

    fn line(&self, tally: &Tally) -> String {
        let slowest = self.slowest().map(|(stage, mean)| format!(", slowest {stage} ({} a user)", rough(mean)));
        line(tally, self.rate()) + &slowest.unwrap_or_default()
    }

    /// The stage in which users have been longest of late, and how long.
    fn slowest(&self) -> Option<(&'static str, Duration)> {
        let ((_, _, before), (_, _, now)) = (self.recent.front()?, self.recent.back()?);
        let means = now.iter().zip(before).map(|(now, before)| now.mean_since(*before));
        let stages = STAGES.into_iter().zip(means).filter_map(|(stage, mean)| Some((stage, mean?)));
        stages.max_by_key(|(_, mean)| *mean)
    }

    /// Users a second.
    fn rate(&self) -> Option<f64> {
        let ((since, before, _), (now, ended, _)) = (self.recent.front()?, self.recent.back()?);
        let seconds = (*now - *since).as_secs_f64();
        (seconds >= 1.0).then(|| ended.saturating_sub(*before) as f64 / seconds)
    }
}

/// What is drawn again and again, each line cut at the terminal's edge: one that runs over it would be drawn wrong.
struct Drawn {
    all: MultiProgress,
    /// Above the lines, once it is known how many there will be.
    bar: Option<ProgressBar>,
    lines: Vec<ProgressBar>,
}

impl Drawn {
    fn bar(&mut self, ended: u64, expected: u64) {
        let bar = self.bar.get_or_insert_with(|| self.all.insert(0, styled("{wide_bar}")));
        bar.set_length(expected);
        bar.set_position(ended);
    }

    fn lines(&mut self, texts: impl Iterator<Item = String>) {
        let texts: Vec<_> = texts.collect();
        while self.lines.len() < texts.len() {
            self.lines.push(self.all.add(styled("{wide_msg}")));
        }
        let texts = texts.into_iter().chain(std::iter::repeat(String::new()));
        self.lines.iter().zip(texts).for_each(|(line, text)| line.set_message(text));
    }
}

fn styled(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style)
}

/// One line: how many, how fast, how long still, and what a person would want to see at once.
pub(super) fn line(tally: &Tally, rate: Option<f64>) -> String {
    let ended = tally.ended();
    let mut line = match tally.expected() {
        Some(expected) => format!("{ended} of {expected} users"),
        None => format!("{ended} users"),
    };
    if let Some(rate) = rate {
        write!(line, ", {rate:.0}/s").ok();
        let left = tally.expected().map(|expected| expected.saturating_sub(ended)).filter(|left| *left > 0);
        if let Some(left) = left.filter(|_| rate > 0.0) {
            let left = Duration::try_from_secs_f64((left as f64 / rate).ceil()).unwrap_or(Duration::MAX);
            write!(line, ", {} left", humantime::format_duration(left)).ok();
        }
    }
    let counts = tally.counts();
    for status in [Status::Partial, Status::Failed, Status::Skipped] {
        let count: u64 = counts.iter().filter(|((one, _), _)| *one == status).map(|(_, count)| count).sum();
        if count > 0 {
            write!(line, ", {count} {}", status.name()).ok();
        }
    }
    if tally.waiting() > 0 {
        write!(line, ", {} waiting", tally.waiting()).ok();
    }
    line
}

/// How everybody stands, a line for each way.
pub(super) fn counts(tally: &Tally) -> Vec<String> {
    let counts = tally.counts().into_iter();
    counts.map(|((status, reason), users)| format!("  {:8}  {reason:22}  {users}", status.name())).collect()
}

/// For people: three figures are enough.
pub(super) fn rough(time: Duration) -> String {
    match time.as_millis() {
        millis if millis < 1000 => format!("{millis} ms"),
        millis if millis < 100_000 => format!("{:.1} s", time.as_secs_f64()),
        millis => format!("{} min", millis / 60_000),
    }
}
