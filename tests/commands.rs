//! The commands as people use them, against a broker in a process of its own.

use crate::broker::Broker;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// A broker and the commands that talk to it.
struct Shell {
    broker: Broker,
}

impl Shell {
    fn new(data: &Path) -> Shell {
        Shell { broker: Broker::start(data, &[]) }
    }

    /// What a command that must succeed prints.
    #[track_caller]
    fn ok(&self, words: &str) -> String {
        self.fed(words, "")
    }

    /// The same with something on its standard input.
    #[track_caller]
    fn fed(&self, words: &str, input: &str) -> String {
        let out = self.run(words, input);
        assert!(out.status.success(), "{words}: {}", text(&out.stderr));
        text(&out.stdout)
    }

    /// What a command that must fail says.
    #[track_caller]
    fn refused(&self, words: &str) -> String {
        let out = self.run(words, "");
        assert_eq!(out.status.code(), Some(1), "{words}: {}", text(&out.stderr));
        text(&out.stderr)
    }

    fn run(&self, words: &str, input: &str) -> Output {
        let broker = self.broker.addr.to_string();
        let words = words.split(' ').filter(|word| !word.is_empty());
        sordini(words.chain(["--broker", &broker]), input)
    }
}

fn sordini<'a>(words: impl IntoIterator<Item = &'a str>, input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sordini"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    // A command that fails early does not read; that is not our concern.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let out = child.wait_with_output().expect("it ends");
    feeder.join().expect("the feeder ends");
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch directory")
}

#[test]
fn a_topic_is_made_shown_changed_and_deleted() {
    let dir = scratch();
    let shell = Shell::new(dir.path());
    shell.ok("topic create orders --partitions 3 --config retention.ms=60000");
    assert!(shell.ok("topic list").contains("orders  3           1"));
    let described = shell.ok("topic describe orders");
    assert!(described.contains("retention.ms  60000"), "{described}");
    shell.ok("topic alter orders --partitions 5 --set max.message.bytes=2000 --unset retention.ms");
    let described = shell.ok("topic describe orders --json");
    let described: serde_json::Value = serde_json::from_str(&described).expect("JSON");
    assert_eq!(described["partitions"].as_array().map(Vec::len), Some(5));
    assert_eq!(described["configs"], serde_json::json!({ "max.message.bytes": "2000" }));
    assert_eq!(described["flush"], "durable");
    let loses = |what: &str| shell.ok("topic describe orders").contains(what);
    assert!(loses("a crash loses nothing that was acknowledged"));
    shell.ok("topic alter orders --set flush=relaxed");
    assert!(loses("takes the last records that were acknowledged"));
    shell.ok("topic alter orders --unset flush");
    let exists = shell.refused("topic create orders");
    assert!(exists.contains("TOPIC_ALREADY_EXISTS 36); use another name"), "{exists}");
    shell.ok("topic create orders --if-not-exists");
    let unknown = shell.refused("topic alter orders --set colour=blue");
    assert!(unknown.contains("INVALID_CONFIG 40)"), "{unknown}");
    let before = shell.ok("topic describe orders");
    shell.refused("topic alter orders --partitions 2 --set retention.ms=5555");
    shell.refused("topic alter orders --partitions 7 --set colour=blue");
    assert_eq!(shell.ok("topic describe orders"), before, "a refusal changed something");
    shell.ok("topic delete orders");
    assert!(shell.refused("topic delete orders").contains("UNKNOWN_TOPIC_OR_PARTITION 3)"));
    shell.ok("topic delete orders --if-exists");
}

#[test]
fn what_is_produced_is_consumed_with_keys_headers_and_places() {
    let dir = scratch();
    let shell = Shell::new(dir.path());
    shell.ok("topic create t --partitions 4");
    shell.fed("produce t -k : --header a=b --header a=c", "k:v1\nk:v2\nk:\nno key\n");
    let all = shell.ok("consume t --format %o|%k|%v|%h\\n");
    for line in ["0|k|v1|a=b,a=c", "1|k|v2|a=b,a=c", "2|k||a=b,a=c", "||no key|a=b,a=c"] {
        assert!(all.lines().any(|l| l.ends_with(line)), "{line} is missing: {all}");
    }
    shell.fed("produce t --partition 3 --empty-is-null -k :", "x:\n");
    let last: serde_json::Value =
        serde_json::from_str(&shell.ok("consume t -p 3 --from -1 --json")).expect("JSON");
    assert_eq!((&last["key"], &last["value"]), (&"x".into(), &serde_json::Value::Null));
    let ends = shell.refused("consume t -p 3 --from 1000");
    assert!(ends.contains("expected an offset of partition 3 of t from 0 to"), "{ends}");
    assert!(shell.refused("consume t -p 9").contains("from 0 to 3, got 9"));
    assert!(shell.refused("consume nothing").contains("`sordini topic list`"));
}

#[test]
fn a_topic_that_cannot_be_made_is_waited_for_as_long_as_was_said() {
    let dir = scratch();
    let broker = Broker::start(dir.path(), &["--set", "auto.create.topics.enable=false"]);
    let shell = Shell { broker };
    let since = Instant::now();
    let refused = shell.refused("produce t --timeout 1");
    assert!(refused.contains("gave up after 1 s: cannot use the topic t"), "{refused}");
    assert!(since.elapsed() < Duration::from_secs(10), "it took {:?}", since.elapsed());
}

#[test]
fn every_codec_and_every_way_to_be_sure_brings_all_lines_back_in_order() {
    let dir = scratch();
    let shell = Shell::new(dir.path());
    let lines: String = (0..20_000).map(|i| format!("line {i}\n")).collect();
    let file = dir.path().with_extension("txt");
    fs::write(&file, &lines).expect("written");
    let ways =
        ["none", "gzip", "snappy", "lz4", "zstd"].map(|codec| format!("--compression {codec}"));
    let ways = ways.iter().map(String::as_str).chain(["--acks 1", "--acks 0", "--idempotent"]);
    for (n, way) in ways.enumerate() {
        shell.ok(&format!("produce t{n} --batch-bytes 10000 {way} --file {}", file.display()));
        // Nobody says when a record that is not acknowledged has arrived.
        let mut read = shell.ok(&format!("consume t{n}"));
        for _ in 0..100 {
            if way != "--acks 0" || read.len() == lines.len() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            read = shell.ok(&format!("consume t{n}"));
        }
        assert!(read == lines, "{way}: {} bytes of {} came back", read.len(), lines.len());
    }
    let _ = fs::remove_file(file);
    let some = shell.ok("consume t0 --from 5000 --count 2");
    assert_eq!(some, "line 5000\nline 5001\n");
    assert_eq!(shell.ok("consume t0 --from @0 --count 1"), "line 0\n");
    assert_eq!(shell.ok("consume t0 --from @2999-01-01T00:00:00Z"), "");
    assert_eq!(shell.ok("consume t0 --from end"), "");
}

#[test]
fn an_idempotent_producer_outlives_a_broker() {
    outlives_a_broker(1);
}

/// Its first batch goes into a connection that is dead and does not know it, the second finds out, and must not overtake the first.
#[test]
fn an_idempotent_producer_that_was_idle_outlives_a_broker() {
    outlives_a_broker(5000);
}

/// The broker is killed, and another begins, once so many records of the first half are there.
fn outlives_a_broker(there: usize) {
    let dir = scratch();
    let shell = Shell::new(dir.path());
    shell.ok("topic create t");
    let addr = shell.broker.addr.to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sordini"))
        .args(["produce", "t", "--idempotent", "--batch-bytes", "500", "--broker", &addr])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let half = |from: u32| (from..from + 5000).map(|i| format!("{i}\n")).collect::<String>();
    stdin.write_all(half(0).as_bytes()).expect("it reads");
    while shell.ok("consume t").lines().count() < there {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    shell.broker.kill();
    let shell = Shell { broker: Broker::start_at(&addr, dir.path(), &[]) };
    let wrote = stdin.write_all(half(5000).as_bytes());
    drop(stdin);
    let out = child.wait_with_output().expect("it ends");
    assert!(out.status.success() && wrote.is_ok(), "{}", text(&out.stderr));
    assert!(shell.ok("consume t") == half(0) + &half(5000), "each line once and in order");
}

#[test]
fn a_consumer_that_follows_outlives_a_broker_and_prints_each_record_once() {
    let dir = scratch();
    let data = dir.path().join("data");
    let shell = Shell::new(&data);
    let half = |from: u32| (from..from + 1000).map(|i| format!("{i}\n")).collect::<String>();
    shell.ok("topic create t");
    shell.fed("produce t", &half(0));
    let addr = shell.broker.addr.to_string();
    let said = |name: &str| fs::File::create(dir.path().join(name)).expect("made");
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("there");
    let follow = |timeout: &str, out: &str| {
        Command::new(env!("CARGO_BIN_EXE_sordini"))
            .args(["consume", "t", "--follow", "--broker", &addr, "--timeout", timeout])
            .stdout(said(out))
            .stderr(said(&format!("{out}.err")))
            .spawn()
            .expect("the program starts")
    };
    let (mut patient, mut hasty) = (follow("30", "patient"), follow("1", "hasty"));
    let until = |done: &dyn Fn() -> bool, what: &str| {
        let since = Instant::now();
        while !done() {
            assert!(since.elapsed() < Duration::from_secs(20), "{what}: {}", read("patient.err"));
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    until(&|| read("patient") == half(0) && read("hasty") == half(0), "the first half");
    shell.broker.kill();
    assert_eq!(hasty.wait().expect("it ends").code(), Some(1));
    assert!(read("hasty.err").contains("gave up after 1 s"), "{}", read("hasty.err"));
    let waits = read("patient.err");
    assert!(waits.contains("trying again for 30 s") && waits.lines().count() == 1, "{waits}");
    let shell = Shell { broker: Broker::start_at(&addr, &data, &[]) };
    shell.fed("produce t", &half(1000));
    until(&|| read("patient").len() >= (half(0) + &half(1000)).len(), "the second half");
    assert!(read("patient") == half(0) + &half(1000), "each record once and in order");
    patient.kill().expect("it runs");
    patient.wait().expect("it ends");
}

#[test]
fn a_directory_is_checked_and_its_files_are_printed() {
    let dir = scratch();
    let data = dir.path().join("data");
    let shell = Shell::new(&data);
    shell.fed("produce t", "a\nb\n");
    let path = data.to_str().expect("UTF-8");
    let busy = sordini(["check", path], "");
    assert!(text(&busy.stderr).contains("is in use by pid"), "{}", text(&busy.stderr));
    // An orderly end would leave a checkpoint that needs nothing of the journal.
    shell.broker.kill();
    let out = sordini(["check", path], "");
    assert!(out.status.success(), "{}{}", text(&out.stdout), text(&out.stderr));
    let journal = data.join("journal/00000001.journal");
    let dumped = text(&sordini(["dump", journal.to_str().expect("UTF-8")], "").stdout);
    assert!(dumped.starts_with("journal file 1, format 1"), "{dumped}");
    let stranger = dir.path().join("stranger");
    fs::write(&stranger, "x").expect("written");
    let out = sordini(["dump", stranger.to_str().expect("UTF-8")], "");
    let said = text(&out.stderr);
    assert!(said.contains("expected a file of a data directory"), "{said}");
    assert!(said.contains("checkpoint/previous") && said.contains("partition.metadata"), "{said}");
    let metadata = dir.path().join("partition.metadata");
    fs::write(&metadata, "topic_id: x\n").expect("written");
    let dumped = text(&sordini(["dump", metadata.to_str().expect("UTF-8")], "").stdout);
    assert!(dumped.contains("topic_id: x"), "{dumped}");
    // A block of a group that was synced long ago is not what was written: damage, and an exit code.
    let mut file = fs::File::options().write(true).open(&journal).expect("there");
    file.seek(SeekFrom::Start(2 * 4096)).expect("within");
    file.write_all(&[0x5a; 4096]).expect("written");
    let out = sordini(["check", path], "");
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stdout));
    assert!(text(&out.stdout).contains("DAMAGE  journal"), "{}", text(&out.stdout));
}

/// Every file below a directory: its path, when it was written, and its bytes.
fn everything(dir: &Path) -> Vec<(PathBuf, SystemTime, Vec<u8>)> {
    let (mut all, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("a directory").flatten() {
            let (path, meta) = (entry.path(), entry.metadata().expect("its metadata"));
            match meta.is_dir() {
                true => dirs.push(path),
                false => {
                    let written = meta.modified().expect("a time");
                    all.push((path.clone(), written, fs::read(path).expect("its bytes")));
                }
            }
        }
    }
    all.sort();
    all
}

#[test]
fn power_failures_are_rehearsed_on_a_data_directory_that_stays_as_it_is() {
    let dir = scratch();
    let data = dir.path().join("data");
    let broker = Broker::start(&data, &["--set", "journal.bytes=33554432"]);
    let shell = Shell { broker };
    shell.fed("produce orders", &(0..500).map(|n| format!("{n}\n")).collect::<String>());
    let file = dir.path().join("rehearsal.toml");
    let scenario = |topic: &str| {
        let text = format!(
            "title = \"the power fails\"\nseeds = 2\nspan = \"4s\"\n\
             topic = {{ name = \"{topic}\", partitions = 2 }}\n\
             [[load]]\nkind = \"produce\"\nrate = \"100/s\"\n\
             [[fault]]\nkind = \"power_loss\"\nwhen = \"1s..3s\"\ntimes = 3\nmend = \"10ms..100ms\"\n"
        );
        fs::write(&file, text).expect("written");
    };
    scenario("rehearsal");
    let (file, path) = (file.to_str().expect("UTF-8"), data.to_str().expect("UTF-8"));
    let run = || sordini(["sim", "run", file, "--image", path], "");
    let busy = run();
    assert_eq!(busy.status.code(), Some(2), "{}", text(&busy.stdout));
    assert!(text(&busy.stderr).contains("is in use by pid"), "{}", text(&busy.stderr));
    shell.broker.kill();

    let before = everything(&data);
    let out = run();
    let said = text(&out.stdout) + &text(&out.stderr);
    assert!(out.status.success() && said.contains("power_loss "), "{said}");
    assert!(everything(&data) == before, "the directory is not what it was");
    let again = text(&run().stdout);
    let hash = |said: &str| said.split("hash ").nth(1).map(|rest| rest[..16].to_owned());
    assert_eq!(hash(&again), hash(&said));

    // The one that README names, whose journal is a hundredth of this one's.
    let named = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/storage/power_loss.toml");
    let small = sordini(["sim", "run", named, "--seed", "1", "--image", path], "");
    assert!(small.status.success(), "{}", text(&small.stdout));

    scenario("orders");
    let taken = run();
    assert_eq!(taken.status.code(), Some(2), "{}", text(&taken.stdout));
    assert!(text(&taken.stderr).contains("it has orders"), "{}", text(&taken.stderr));
    let nowhere = sordini(["sim", "replay", file, "--seed", "1", "--image", "nowhere"], "");
    assert!(text(&nowhere.stderr).contains("nowhere has no file .sordini"));
}

#[test]
fn a_broker_that_is_stopped_ends_well_whatever_it_is_doing() {
    let dir = scratch();
    let data = dir.path().join("data");
    let lines = "x".repeat(99) + "\n";
    for round in 1..=4 {
        let shell = Shell { broker: Broker::start(&data, &[]) };
        shell.fed("produce t", &lines.repeat(20_000));
        shell.broker.stop();
        let out = sordini(["check", data.to_str().expect("UTF-8")], "");
        let said = text(&out.stdout);
        assert!(out.status.success(), "round {round}: {said}");
        // What is stopped in order leaves the journal to nobody.
        let behind = said.split(", ").last().expect("a sentence");
        assert!(behind.ends_with("(0 B)\n"), "round {round}: {said}");
    }
    // In the middle of a start, too.
    for ms in [0, 2, 5, 10, 20] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sordini"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(std::time::Duration::from_millis(ms));
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        child.wait().expect("it ends");
    }
    let shell = Shell { broker: Broker::start(&data, &[]) };
    assert_eq!(shell.ok("consume t --from -1"), lines);
    let described = shell.ok("topic describe t");
    assert!(described.contains("80000"), "{described}");
}

#[test]
fn a_broker_that_cannot_start_says_why_and_what_to_do() {
    let dir = scratch();
    let path = dir.path().join("data");
    let data = path.to_str().expect("UTF-8");
    let serve = |args: &[&str]| {
        let words = ["serve", "--data", data, "--listen"].into_iter();
        let out = sordini(words.chain(args.iter().copied()), "");
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        text(&out.stderr)
    };
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").to_string();
    let said = serve(&[&port]);
    assert!(said.contains("stop it or choose another port"), "{said}");
    let said = serve(&["127.0.0.1:0", "--set", "num.partition=3"]);
    assert!(said.contains("did you mean num.partitions?"), "{said}");
    let said = serve(&["127.0.0.1:0", "--config", "/nonexistent"]);
    assert!(said.contains("cannot read the configuration file /nonexistent"), "{said}");
    let file = dir.path().join("sordini.toml");
    fs::write(&file, "num.partitions = \"x\"\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let said = serve(&["127.0.0.1:0", "--config", file]);
    assert!(said.contains(&format!("in the configuration file {file}: Invalid value x")), "{said}");
    assert!(said.contains("num.partitions") && said.contains("for the default 1"), "{said}");
    let said = serve(&["127.0.0.1:0", "--config", file, "--set", "num.partitions=y"]);
    assert!(!said.contains(file) && said.contains("Invalid value y"), "{said}");
    fs::create_dir(&path).expect("made");
    fs::write(path.join(".sordini"), "format 99\n").expect("written");
    let said = serve(&["127.0.0.1:0"]);
    assert!(said.contains("has format 99"), "{said}");
    let checked = sordini(["check", data], "");
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked.stdout));
    assert!(text(&checked.stderr).contains("has format 99"), "{}", text(&checked.stderr));
    fs::remove_file(path.join(".sordini")).expect("removed");
    fs::write(path.join("thesis.tex"), "").expect("written");
    let said = serve(&["127.0.0.1:0"]);
    assert!(said.contains("holds \"thesis.tex\""), "{said}");
    assert_eq!(fs::read_dir(&path).expect("there").count(), 1, "something was left there");
    fs::remove_file(path.join("thesis.tex")).expect("removed");
    let first = Shell { broker: Broker::start(&path, &["--set", "cluster.id=castle"]) };
    first.ok("topic create t");
    first.broker.stop();
    let said = serve(&["127.0.0.1:0", "--set", "cluster.id=village"]);
    assert!(said.contains("belongs to cluster castle"), "{said}");
    let said = serve(&["127.0.0.1:0", "--set", "node.id=7"]);
    assert!(said.contains("belongs to node 1"), "{said}");
    let _running = Broker::start(&path, &[]);
    let said = serve(&["127.0.0.1:0"]);
    assert!(said.contains("is in use by process"), "{said}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let dir = scratch();
    let shell = Shell::new(dir.path());
    shell.fed("produce t", &"x\n".repeat(200_000));
    let addr = shell.broker.addr.to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sordini"))
        .args(["consume", "t", "--broker", &addr])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_bench_measures_beside_the_limits_and_leaves_nothing_behind() {
    let dir = scratch();
    let shell = Shell::new(&dir.path().join("data"));
    let limits = dir.path().to_str().expect("UTF-8");
    let short = format!("--seconds 0.3 --warm-up 0.05 --json --limits {limits}");
    let bench = |words: &str| -> serde_json::Value {
        serde_json::from_str(&shell.ok(&format!("bench {words} {short}"))).expect("JSON")
    };
    let small = bench("small --connections 8");
    assert!(small["requests"].as_u64() > Some(0), "{small}");
    assert!(small["limits"]["group_commit_requests_per_second"].as_f64() > Some(0.0), "{small}");
    assert!(small["broker_cpu_us_per_request"].is_number(), "{small}");
    let open = bench("latency --rate 100 --connections 4");
    let rate = open["requests_per_second"].as_f64().expect("a number");
    assert!((50.0..150.0).contains(&rate), "100 requests a second were asked for: {open}");
    let consume = bench("consume --fill-bytes 2000000 --connections 2");
    assert!(consume["records_per_second"].as_f64() > Some(0.0), "{consume}");
    bench("large --topics 2 --partitions 2");
    // The header of a batch and of a record come on top.
    let tiny = bench("small --request-bytes 10");
    assert_eq!(tiny["record_bytes"], 10);
    assert!((71..100).contains(&tiny["batch_bytes"].as_u64().expect("a number")), "{tiny}");
    let refused = shell.refused("bench small --request-bytes 10 --record-bytes 11");
    assert!(refused.contains("at least a record's 11, got 10"), "{refused}");
    let nowhere = dir.path().join("nowhere");
    let refused = shell.refused(&format!("bench small --limits {}", nowhere.display()));
    assert!(refused.contains("a directory that is there"), "{refused}");
    assert!(!nowhere.exists());
    assert_eq!(shell.ok("topic list"), "", "the topics of the loads remain");
}
