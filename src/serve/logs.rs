//! Logs on standard error: for people on a terminal, plain lines elsewhere, or JSON.

use clap::ValueEnum;
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people: time, level, text, fields; coloured on a terminal
    #[default]
    Text,
    /// For machines: one object a line
    Json,
}

/// Starts logging. What is logged is said by `level`, or else by the environment, as for any program that
/// uses tracing: a level, or a filter.
pub fn start(format: LogFormat, level: Option<&str>) -> anyhow::Result<()> {
    let environment = std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty());
    let level = level.or(environment.as_deref()).unwrap_or("info");
    let filter = EnvFilter::builder().parse(level).map_err(|error| {
        anyhow::anyhow!(
            "expected --log error, warn, info, debug, trace or a filter such as \
             info,sordini_log=debug, got {level:?}: {error}"
        )
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.with_target(false).with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
