//! Clients that nobody here wrote: kcat, kafka-python, confluent-kafka and aiokafka, every step of them.
//!
//! `tests/clients/setup.sh` sets them up, pinned, in a directory of their own below `target/`.

use crate::broker::Broker;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Makes the scratch environment; returns its Python.
pub fn set_up() -> PathBuf {
    let dir = root().join("target/clients");
    let done = Command::new("bash").arg(root().join("tests/clients/setup.sh")).arg(&dir).output();
    let done = done.expect("bash runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "the clients could not be set up:\n{said}");
    dir.join("venv/bin/python")
}

/// Runs one client's steps; its last line on stdout is a summary in JSON.
fn run(command: &mut Command, expected: u64) {
    let out = command.output().expect("the client starts");
    let text = String::from_utf8_lossy(&out.stdout);
    let summary: serde_json::Value =
        text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| {
            panic!("no summary: {text}\n{}", String::from_utf8_lossy(&out.stderr))
        });
    let (client, steps) = (&summary["client"], &summary["steps"]);
    let failed: Vec<_> = steps
        .as_array()
        .expect("steps")
        .iter()
        .filter(|s| s["ok"] == false && s["skipped"] != true)
        .collect();
    println!(
        "{client} {}: {} passed, {} failed",
        summary["version"],
        summary["passed"],
        failed.len()
    );
    assert!(failed.is_empty(), "{client}: {failed:#?}");
    assert_eq!(summary["passed"], expected, "{client} ran fewer steps than it has");
}

#[test]
fn real_clients_produce_and_consume() {
    let python = set_up();
    let data = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::start(data.path(), &[]);
    let addr = broker.addr.to_string();
    let clients = root().join("tests/clients");
    const KCAT: &str = "metadata create_topic produce_acks_all consume_in_order offsets from_offset \
                        tail_offset query_offset timestamps headers_nulls gzip_ snappy_ lz4_ zstd_ idempotent";
    let kcat = clients.join("kcat_basic.sh");
    run(Command::new("bash").arg(kcat).arg(&addr).env("ONLY", KCAT), 15);
    for (script, steps) in
        [("kafka_python_basic.py", 14), ("confluent_basic.py", 13), ("aiokafka_basic.py", 12)]
    {
        let only = ["--only", "core,codec,idempotent_producer"];
        run(Command::new(&python).arg(clients.join(script)).arg(&addr).args(only), steps);
    }
    broker.stop();
}
