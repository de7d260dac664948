//! Every scenario of the repository can be read, and holds for its first seeds.

use sordini_sim::fault::FAULTS;
use sordini_sim::load::LOADS;
use sordini_sim::marks::Mark;
use sordini_sim::run::{Watch, run};
use sordini_sim::scenario::Scenario;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every scenario below a folder.
fn below(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            below(&path, into);
        } else if path.extension().is_some_and(|e| e == "toml") {
            into.push(path);
        }
    }
}

fn all() -> Vec<Arc<Scenario>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files = Vec::new();
    below(&root, &mut files);
    files.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("text");
        let scenario = Scenario::parse(&path.display().to_string(), &text);
        Arc::new(scenario.unwrap_or_else(|e| panic!("{e}")))
    };
    files.iter().map(read).collect()
}

#[test]
fn every_scenario_holds() {
    for scenario in all() {
        for seed in scenario.all_seeds().take(2) {
            let outcome = run(&scenario, seed, Watch::default());
            if let Some(failure) = outcome.failure {
                panic!("{} seed {seed}: {failure}", scenario.file);
            }
        }
    }
}

#[test]
fn every_fault_and_every_load_is_in_a_scenario() {
    let all = all();
    for row in FAULTS {
        let used = all.iter().any(|s| s.faults.iter().any(|f| f.name() == row.name));
        assert!(used, "no scenario has the fault {}", row.name);
    }
    for row in LOADS {
        let kind = format!("kind = \"{}\"", row.name);
        assert!(
            all.iter().any(|s| s.text.contains(&kind)),
            "no scenario has the load {}",
            row.name
        );
    }
}

#[test]
fn what_a_node_goes_through_leaves_the_other_alone() {
    let scenario = all().into_iter().find(|s| s.file.ends_with("two_brokers.toml"));
    let scenario = scenario.expect("it is there");
    let outcome = run(&scenario, 7, Watch { story: true, ..Watch::default() });
    assert!(outcome.failure.is_none());
    // Once everything rests every broker dies a few times more.
    let says = |who: &str, what: &str| {
        let story = outcome.story.iter().filter(|line| line.at < scenario.span);
        story.map(ToString::to_string).any(|line| line.contains(who) && line.contains(what))
    };
    assert!(says("node 1", "the power fails") && !says("node 0", "the power fails"));
}

#[test]
fn answers_that_wait_for_no_sync_are_lost_now_and_then() {
    let scenario = all().into_iter().find(|s| s.file.ends_with("storage/relaxed.toml"));
    let scenario = scenario.expect("it is there");
    let lost = scenario
        .all_seeds()
        .any(|seed| run(&scenario, seed, Watch::default()).report.marks.of(Mark::TailLost) > 0);
    assert!(lost, "a crash never took anything: that it may is not tried");
}
