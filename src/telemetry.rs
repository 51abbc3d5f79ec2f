//! Structured logs on standard error, so that the output of commands stays clean.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{LogFormat, LogSettings, environment};

/// Starts logging for the whole process. What libraries write with the `log` crate (librdkafka's own log among it)
/// takes the same way.
///
/// # Errors
/// When `log.level` is no filter, or when logging was started before.
pub fn init(settings: &LogSettings) -> anyhow::Result<()> {
    subscriber(settings, stderr)?.try_init().context("logging cannot be started")
}

fn subscriber<W>(settings: &LogSettings, writer: W) -> anyhow::Result<Box<dyn Subscriber + Send + Sync>>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&settings.level).context("log.level is no filter")?;
    // Its complaint about a log that cannot be written goes to standard error too and panics when that is the log: a full
    // disk behind the log must not end the worker.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    Ok(match settings.format {
        LogFormat::Text => {
            Box::new(builder.with_ansi(stderr().is_terminal() && !is_colour_refused(environment())).finish())
        }
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_current_span(false).finish()),
    })
}

/// Whoever sets `NO_COLOR`, to anything but nothing, wants none (no-color.org). clap and indicatif hold to it by themselves.
fn is_colour_refused(variables: impl IntoIterator<Item = (String, String)>) -> bool {
    variables.into_iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty())
}

/// Ends the process at the first panic, on whatever thread or task: a worker with a dead part looks alive.
///
/// Crash-only: what was not settled is done again by the next start.
pub fn abort_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(location = panic.location().map(tracing::field::display), "a bug: the process ends here");
        print(panic);
        std::process::abort();
    }));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn no_color_is_heard_unless_it_is_empty() {
        let refused = |name: &str, value: &str| is_colour_refused([(name.to_owned(), value.to_owned())]);
        assert!(refused("NO_COLOR", "1"));
        assert!(!refused("NO_COLOR", "") && !refused("NO_COLOUR", "1"));
    }

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Captured {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(format: LogFormat, level: &str) -> String {
        let captured = Captured::default();
        let settings = LogSettings { format, level: level.to_owned() };
        tracing::subscriber::with_default(subscriber(&settings, captured.clone()).unwrap(), || {
            tracing::info!(users = 3, "block synced");
            tracing::debug!("a detail");
        });
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_has_one_object_a_line_with_queryable_fields() {
        let text = logged(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(
            (&line["message"], &line["users"], &line["level"]),
            (&"block synced".into(), &3.into(), &"INFO".into())
        );
    }

    #[test]
    fn text_is_for_people_and_the_level_is_obeyed() {
        let text = logged(LogFormat::Text, "debug");
        assert!(text.contains("block synced users=3") && text.contains("a detail"), "{text}");
        assert_eq!(logged(LogFormat::Text, "warn"), "");
    }

    #[test]
    fn a_filter_that_is_none_is_named() {
        let settings = LogSettings { format: LogFormat::Text, level: "crate=loud".to_owned() };
        let error = subscriber(&settings, stderr).err().unwrap();
        assert!(format!("{error:#}").starts_with("log.level is no filter: "), "{error:#}");
    }
}
