//! Runs that begin on what another broker left behind.

use sordini_sim::image::Image;
use sordini_sim::ledger::RecordId;
use sordini_sim::marks::Mark;
use sordini_sim::platter::Base;
use sordini_sim::run::{Watch, run};
use sordini_sim::scenario::Scenario;
use sordini_sim::world::World;
use std::sync::Arc;

const BEFORE: &str = r#"
title = "an ordinary day"
span = "8s"
topic = { name = "orders", partitions = 3 }
[[load]]
kind = "produce"
rate = "200/s"
"#;

const AFTER: &str = r#"
title = "the power fails again and again"
span = "10s"
topic = { name = "rehearsal", partitions = 2 }
[storage]
size = "tiny"
[[load]]
kind = "produce"
rate = "100/s"
clients = 2
[[load]]
kind = "consume"
rate = "50/s"
[[fault]]
kind = "power_loss"
when = "1s..9s"
times = 6
mend = "1ms..300ms"
[[fault]]
kind = "crash_storm"
when = "1s..9s"
times = 2
mend = "100ms..1s"
"#;

/// When the ordinary day was: long after simulated time usually begins.
const WALL_MS: i64 = 1_900_000_000_000;

/// A path below the data directory, and what the file holds.
type File = (String, Arc<dyn Base>);

/// What a broker leaves that dies after an ordinary day: its files, and its directories.
fn left_behind() -> (Vec<String>, Vec<File>) {
    let mut world = World::new(3, Arc::new(Scenario::parse("before", BEFORE).expect("good")));
    while world.now < world.scenario.span {
        world.step().expect("nothing goes wrong");
    }
    let platter = &world.nodes[0].platter;
    let mut files: Vec<(String, Arc<dyn Base>)> = Vec::new();
    let mut dirs: Vec<String> = Vec::new();
    for (path, _) in platter.list() {
        let dir = path.rsplit_once('/').expect("files lie in directories").0.to_owned();
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
        let content = platter.content(&path).expect("it is listed");
        files.push((path, Arc::new(content)));
    }
    (dirs, files)
}

fn image() -> Image {
    let (dirs, files) = left_behind();
    Image::survey(dirs, files, WALL_MS).expect("a broker starts from it")
}

fn after() -> Scenario {
    Scenario::parse("after", AFTER).expect("good")
}

#[test]
fn what_a_data_directory_holds_outlives_power_failures_and_crashes() {
    let image = Arc::new(image());
    let records: usize = image.held.values().map(|view| view.records.len()).sum();
    assert!(image.held.len() == 3 && records > 1000, "{records} records");
    let scenario = Arc::new(after().on(image).expect("other topics"));
    for seed in 0..4 {
        let outcome = run(&scenario, seed, Watch::default());
        assert!(outcome.failure.is_none(), "seed {seed}: {:?}", outcome.failure);
        assert!(outcome.report.marks.of(Mark::Replayed) > 0 && outcome.report.tally.acked > 100);
        assert_eq!(run(&scenario, seed, Watch::default()).report.hash, outcome.report.hash);
    }
}

#[test]
fn a_record_that_is_not_what_it_was_is_missed() {
    let check = |harm: &dyn Fn(&mut Image)| {
        let mut image = image();
        harm(&mut image);
        let scenario = Arc::new(after().on(Arc::new(image)).expect("other topics"));
        run(&scenario, 0, Watch::default()).failure.expect("something is not as it was").check
    };
    let first = |image: &Image| image.held.keys().next().expect("a partition").clone();
    // As if the run had changed, lost or brought back what the directory held.
    assert_eq!(
        check(&|image| {
            let key = first(image);
            image.held.get_mut(&key).expect("it is there").records[5].1 = RecordId(7);
        }),
        "image_kept"
    );
    assert_eq!(
        check(&|image| {
            let key = first(image);
            let view = image.held.get_mut(&key).expect("it is there");
            view.records.push((view.end, RecordId(7)));
            view.end += 1;
        }),
        "image_kept"
    );
    assert_eq!(
        check(&|image| {
            let key = first(image);
            image.held.get_mut(&key).expect("it is there").start += 1;
        }),
        "image_kept"
    );
}

#[test]
fn damage_to_what_the_directory_holds_is_known_for_what_it_is() {
    let rot = AFTER.replace("power_loss", "latent_error").replace("crash_storm", "bit_rot");
    let scenario = Scenario::parse("rot", &rot).expect("good").on(Arc::new(image()));
    let scenario = Arc::new(scenario.expect("other topics"));
    for seed in 0..4 {
        let outcome = run(&scenario, seed, Watch::default());
        assert!(outcome.failure.is_none(), "seed {seed}: {:?}", outcome.failure);
    }
}

#[test]
fn a_topic_that_the_directory_has_is_no_topic_for_loads() {
    let text = AFTER.replace("rehearsal", "orders");
    let scenario = Scenario::parse("after.toml", &text).expect("good");
    let error = scenario.on(Arc::new(image())).expect_err("it is there").to_string();
    assert!(error.starts_with("after.toml:1: expected topics that"), "{error}");
    assert!(error.contains("it has orders; give"), "{error}");
}

#[test]
fn a_directory_from_which_no_broker_starts_is_refused() {
    let (dirs, mut files) = left_behind();
    let metadata = files.iter().position(|(path, _)| path.starts_with("journal/"));
    files[metadata.expect("a journal")].1 = Arc::new(vec![0xee; 1 << 16]);
    let failure = Image::survey(dirs, files, WALL_MS).expect_err("its journal is rotten");
    assert_eq!(failure.check, "never_fatal");
}
