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

/// Starts logging. What is logged is said by `level`: a level, or tracing's filter language.
pub fn start(format: LogFormat, level: &str) -> anyhow::Result<()> {
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
