//! The first Ctrl-C ends a long command in order: the runs under way go to their ends, and what they came to is told. The
//! second ends it at once.

use std::process::exit;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a shell takes for an end by SIGINT.
pub const EXIT: u8 = 130;

static CAME: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C is heeded.
pub fn heed() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        std::thread::spawn(watch);
    });
}

/// Whether somebody has interrupted.
pub fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Without a runtime, or where signals cannot be had, Ctrl-C does what it always does.
fn watch() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    runtime.block_on(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!(
                "interrupted: the runs under way go to their ends; once more, and they do not"
            );
            CAME.store(true, Ordering::Relaxed);
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            exit(EXIT.into());
        }
    });
}
