//! A run of more than a thousand operations that fails is brought down to the one that shows why.

use sordini_mutant::activate;
use sordini_sim::run::{Watch, run};
use sordini_sim::scenario::Scenario;
use sordini_sim::shrink::{Plan, shrink};
use std::sync::Arc;

const TEXT: &str = r#"
    title = "much goes wrong while clients append"
    span = "20s"
    topic = { name = "t", partitions = 2 }
    [broker]
    "log.segment.bytes" = 1048576
    [[load]]
    kind = "produce"
    clients = 3
    idempotent = false
    rate = "40/s"
    bytes = "0..500"
    [[fault]]
    kind = "disk_slow"
    factor = 2000
    when = "2s..20s"
    times = 6
    mend = "1s..3s"
    [[fault]]
    kind = "power_loss"
    when = "2s..20s"
    times = 8
    [[fault]]
    kind = "conn_reset"
    when = "2s..20s"
    times = 4
    [[check]]
    kind = "acked_durability"
"#;

fn scenario() -> Arc<Scenario> {
    Arc::new(Scenario::parse("tests/shrink.rs", TEXT).expect("a scenario"))
}

/// One test, because a process has one active mutant.
#[test]
fn a_failing_run_shrinks_to_a_scenario_of_a_few_lines_that_fails_the_same_way() {
    let plan = Plan::of(&scenario(), 5).text("the same");
    let explicit = Arc::new(Scenario::parse("plan", &plan).expect("it can be read"));
    let hash = |scenario| run(scenario, 5, Watch::default()).report.hash;
    assert_eq!(hash(&scenario()), hash(&explicit), "a plan does what was drawn");
    assert!(shrink(&scenario(), 5, &mut |_| true).is_none(), "nothing fails without a bug");

    assert!(activate(Some("S01")));
    std::panic::set_hook(Box::new(|_| {}));
    let fails = |seed: &u64| {
        let failure = run(&scenario(), *seed, Watch::default()).failure;
        failure.is_some_and(|f| f.check == "acked_durability")
    };
    let seed = (0..600).find(fails).expect("a seed that fails");
    let shrunk = shrink(&scenario(), seed, &mut |_| true).expect("it fails");
    let text = shrunk.text();
    let again = Arc::new(Scenario::parse("shrunk", &text).expect("it can be read"));
    let outcome = run(&again, again.seed.expect("it names its seed"), Watch::default());
    assert!(activate(None));
    let _ = std::panic::take_hook();

    println!("{text}\n{} runs", shrunk.runs);
    assert!(shrunk.from.0 > 500, "{:?}", shrunk.from);
    assert!(shrunk.plan.operations() <= 15 && shrunk.plan.blows.len() <= 3);
    assert_eq!(outcome.failure.expect("it fails as it stands").check, "acked_durability");
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(lines < 40, "{lines} lines");
}
