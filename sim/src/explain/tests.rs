//! The page holds the run, and nothing in the run can break out of it.

use super::{html, quoted};
use crate::failure::Failure;
use crate::run::{Watch, run};
use crate::scenario::Scenario;
use std::sync::Arc;

const TEXT: &str = r#"
    title = "power fails </script> twice"
    span = "2s"
    [[load]]
    kind = "produce"
    [[fault]]
    kind = "power_loss"
    times = 2
"#;

#[test]
fn a_page_has_the_lanes_the_lines_and_the_failure_of_its_run_and_asks_nobody() {
    let scenario = Arc::new(Scenario::parse("test", TEXT).expect("a scenario"));
    let outcome = run(&scenario, 3, Watch { story: true, ..Watch::default() });
    let failure = Failure::new("acked_durability", "record 0/1 \"is\" gone");
    let page = html(&scenario, 3, &outcome.story, Some(&failure));
    assert!(page.contains(r#""lanes":["world","client 0","node 0"]"#));
    for word in
        ["FAULT power_loss", "the power fails", "asks Produce", "-> done", "record 0/1 is at"]
    {
        assert!(page.contains(word), "{word}");
    }
    assert!(page.contains(r#""what":"record 0/1 \"is\" gone""#));
    assert_eq!(page.matches("</script>").count(), 2, "data end no script");
    for address in ["http:", "https:", "src=", "href="] {
        assert!(!page.contains(address), "{address}");
    }
}

#[test]
fn text_is_quoted_for_a_script() {
    assert_eq!(quoted("a\"b\\c\n<\u{1}é"), "\"a\\\"b\\\\c\\n\\u003c\\u0001é\"");
}
