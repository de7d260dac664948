//! Each check fails on a history that breaks what it demands, and holds on one that does not.

use super::CHECKS;
use crate::ledger::relaxed::Death;
use crate::ledger::{Births, Known, Ledger, Lookup, Part, Place, RecordId, TopicNo, View, Views};
use sordini_core::census::{Census, Knowledge};
use sordini_log::span::Span;
use sordini_log::{LogId, Offset};
use std::collections::BTreeMap;

const PART: Part = Part { topic: TopicNo(0), partition: 0 };

/// The n-th record of client 1.
fn id(n: u64) -> RecordId {
    RecordId(1 << 32 | n)
}

/// Three records of one idempotent client in partition 0, all acknowledged.
fn history() -> (Ledger, Views) {
    let mut ledger = Ledger::default();
    for n in 0..3 {
        let id = ledger.send(1, PART, true);
        ledger.ack(id, n, 0, (0, 0));
        ledger.see(Place { part: PART, offset: n }, id).expect("the first");
    }
    let records = (0..3).map(|n| (n, id(n as u64 + 1))).collect();
    (ledger, Views::from([(PART, View { start: 0, end: 3, records, refused: vec![] })]))
}

/// Names of the checks that fail once `harm` was done to the history.
fn failing(harm: impl FnOnce(&mut Ledger, &mut View)) -> Vec<&'static str> {
    let (mut ledger, mut views) = history();
    harm(&mut ledger, views.get_mut(&PART).expect("it is there"));
    CHECKS.iter().filter(|c| (c.check)(&ledger, &views).is_err()).map(|c| c.name).collect()
}

#[test]
fn a_good_history_passes() {
    assert!(failing(|_, _| {}).is_empty());
}

#[test]
fn a_lost_tail_is_seen() {
    let failing = failing(|_, view| {
        view.records.pop();
        view.end = 2;
    });
    assert_eq!(failing, ["acked_durability", "agreement"]);
}

/// Four records of a topic with `flush=relaxed`, at offsets 3 to 6, acknowledged by a process that ended when `durable` offsets were
/// durable and the journal had synced `syncs` times since; of which these are there.
fn relaxed(durable: u64, syncs: u64, there: &[i64]) -> Vec<&'static str> {
    failing(|ledger, view| {
        ledger.topic("t", 1, 0);
        (ledger.relaxed, ledger.syncs_max) = (true, 5);
        for n in 3..7 {
            let id = ledger.send(1, PART, false);
            ledger.ack(id, n, 10, (0, 0));
        }
        let durable = BTreeMap::from([(("t".to_owned(), 0), durable)]);
        ledger.lives(0).deaths.push(Death { at: 20, syncs, durable });
        // What came after them took the places of those that are gone.
        for offset in 3..7 {
            let sent = if there.contains(&offset) {
                id(offset as u64 + 1)
            } else {
                let id = ledger.send(1, PART, false);
                ledger.ack(id, offset, 30, (0, 0));
                id
            };
            view.records.push((offset, sent));
        }
        view.end = 7;
    })
}

#[test]
fn a_relaxed_tail_may_go_with_a_crash_and_nothing_else_may() {
    assert!(relaxed(3, 5, &[3, 4, 5, 6]).is_empty());
    assert!(relaxed(3, 5, &[3, 4]).is_empty());
    assert!(relaxed(3, 5, &[]).is_empty());
    let wrong = ["acked_durability"];
    assert_eq!(relaxed(3, 5, &[3, 5, 6]), wrong, "a hole");
    assert_eq!(relaxed(4, 5, &[]), wrong, "readers may have been given the first");
    assert_eq!(relaxed(3, 6, &[3, 4]), wrong, "the journal was synced often enough");
    let alive = failing(|ledger, view| {
        (ledger.relaxed, view.end) = (true, 3);
        let id = ledger.send(1, PART, false);
        ledger.ack(id, 3, 10, (0, 0));
    });
    assert_eq!(alive, wrong, "nothing crashed");
}

#[test]
fn whether_an_answer_waited_is_known_by_the_settings_that_may_have_held() {
    let mut ledger = Ledger::default();
    let flush = (PART.topic, "flush");
    let change = ledger.configs.ask(flush, Some("relaxed"), 100);
    ledger.configs.made(flush, change, 200);
    let back = ledger.configs.ask(flush, None, 300);
    ledger.configs.made(flush, back, 400);
    for (within, relaxed) in
        [((0, 99), false), ((0, 100), true), ((350, 500), true), ((401, 500), false)]
    {
        assert_eq!(ledger.may_be_relaxed(PART.topic, within), relaxed, "{within:?}");
    }
}

#[test]
fn a_gap_is_seen() {
    let failing = failing(|_, view| {
        view.records.remove(1);
    });
    assert!(failing.contains(&"dense_offsets"), "{failing:?}");
}

#[test]
fn a_duplicate_is_seen() {
    let failing = failing(|_, view| {
        view.records.push((3, id(2)));
        view.end = 4;
    });
    assert_eq!(failing, ["idempotence"]);
}

#[test]
fn another_record_is_seen() {
    let failing = failing(|_, view| view.records[2].1 = id(77));
    assert_eq!(failing, ["acked_durability", "agreement", "no_invention"]);
}

#[test]
fn a_refused_record_is_seen() {
    assert_eq!(failing(|ledger, _| ledger.refuse(id(3))), ["no_invention"]);
}

/// The log starts at 1 now: record 1 is gone.
fn cut(view: &mut View) {
    view.records.remove(0);
    view.start = 1;
}

#[test]
fn a_start_that_nobody_asked_for_is_seen() {
    assert_eq!(failing(|_, view| cut(view)), ["retention"]);
    let asked = failing(|ledger, view| {
        ledger.ask_start(PART, Some(1));
        cut(view);
    });
    assert!(asked.is_empty());
}

#[test]
fn what_was_deleted_and_comes_back_is_seen() {
    let back = failing(|ledger, _| {
        ledger.ask_start(PART, Some(2));
        ledger.told_start(PART, Known::default(), 2, 0).expect("as was asked");
    });
    assert_eq!(back, ["retention"]);
    let mut ledger = history().0;
    ledger.ask_start(PART, Some(2));
    ledger.told_start(PART, Known::default(), 2, 0).expect("as was asked");
    let known = ledger.known(PART);
    assert_eq!(ledger.told_start(PART, known, 1, 0).expect_err("back").check, "retention");
    assert_eq!(ledger.told_start(PART, known, 3, 0).expect_err("beyond").check, "retention");
    assert_eq!(ledger.told_end(PART, known, 2).expect_err("shorter").check, "consumer_view");
}

#[test]
fn a_record_that_goes_before_its_time_is_seen() {
    // Records of the moment 1,000 that went when the clock showed `at`.
    let gone = |at, ahead_ms, bytes| {
        failing(|ledger, view| {
            (1..4).for_each(|n| ledger.date(id(n), 1000, 1000));
            (1..4).for_each(|n| ledger.weigh(id(n), 100));
            ledger.retention.ms = Some(500);
            ledger.retention.bytes = bytes;
            ledger.ahead_ms = ahead_ms;
            ledger.told_start(PART, Known::default(), 1, at).expect("anything may expire");
            cut(view);
        })
    };
    assert_eq!(gone(1499, 0, None), ["retention"]);
    assert!(gone(1500, 0, None).is_empty());
    assert!(gone(1400, 100, None).is_empty(), "the broker's clock was ahead");
    assert!(gone(1499, 0, Some(200)).is_empty(), "enough is left");
    assert_eq!(gone(1499, 0, Some(201)), ["retention"]);
}

#[test]
fn what_is_damaged_counts_as_kept() {
    // Record 1 is gone; of the other two, which follow it with 100 bytes each, the last is refused.
    let gone = |bytes, heard: bool| {
        let (mut ledger, mut views) = history();
        let view = views.get_mut(&PART).expect("it is there");
        if !heard {
            ledger = Ledger::default();
            for _ in 0..3 {
                ledger.send(1, PART, true);
            }
            (0..2).for_each(|n| ledger.ack(id(n as u64 + 1), n, 0, (0, 0)));
        }
        (1..4).for_each(|n| ledger.weigh(id(n), 100));
        ledger.retention.bytes = Some(bytes);
        ledger.told_start(PART, Known::default(), 1, 2000).expect("anything may expire");
        cut(view);
        view.records.pop();
        view.refused = vec![2];
        (super::retention::ROW.check)(&ledger, &views)
    };
    for heard in [true, false] {
        assert_eq!(gone(200, heard), Ok(()));
        assert!(gone(201, heard).is_err());
    }
}

#[test]
fn an_offset_that_was_looked_up_wrongly_is_seen() {
    // Timestamps 10, 30 and 20 at offsets 0, 1 and 2.
    let looked = |timestamp, floor, found| {
        failing(|ledger, _| {
            for (n, at_ms) in [(1, 10), (2, 30), (3, 20)] {
                ledger.date(id(n), at_ms, 0);
            }
            let known = Known { floor, end: 3 };
            ledger.lookups.push(Lookup { part: PART, timestamp, known, start_max: floor, found });
        })
    };
    assert!(looked(15, 0, Some((1, 30))).is_empty());
    assert!(looked(31, 0, None).is_empty());
    assert!(looked(-3, 0, Some((1, 30))).is_empty());
    assert!(looked(-3, 2, Some((2, 20))).is_empty());
    for (timestamp, floor, found) in [
        (15, 0, Some((2, 20))), // passes a record by
        (15, 0, None),
        (15, 2, Some((1, 30))), // was deleted
        (15, 0, Some((1, 29))), // another timestamp
        (-3, 0, Some((2, 20))), // not the largest
        (-3, 2, Some((1, 30))), // was deleted
        (-3, 0, None),
    ] {
        assert_eq!(looked(timestamp, floor, found), ["consumer_view"], "{timestamp} {found:?}");
    }
}

#[test]
fn each_copy_of_a_record_has_the_timestamp_that_its_topic_gave_it() {
    // Record 1 at offset 0, unanswered, and again at offset 3, acknowledged there and dated 50 by the broker.
    let looked = |dates_itself, found| {
        failing(|ledger, view| {
            (1..4).for_each(|n| ledger.date(id(n), 10, 0));
            ledger.may_repeat(id(1));
            ledger.ack(id(1), 3, 0, (0, 0));
            view.records.push((3, id(1)));
            view.end = 4;
            if dates_itself {
                let setting = (PART.topic, "message.timestamp.type");
                ledger.configs.ask(setting, Some("LogAppendTime"), 20);
                ledger.stamped(id(1), 1, 50, 60).expect("the topic may do so");
            }
            let known = Known { floor: 0, end: 3 };
            ledger.lookups.push(Lookup { part: PART, timestamp: 1, known, start_max: 0, found });
        })
    };
    assert!(looked(true, Some((0, 10))).is_empty(), "as its producer dated it");
    assert!(looked(false, Some((0, 10))).is_empty());
    assert_eq!(looked(false, Some((0, 50))), ["consumer_view"]);
    assert_eq!(looked(true, Some((3, 10))), ["consumer_view"], "that one is known");
}

#[test]
fn damage_excuses_an_error_there_and_nothing_else() {
    // The simulator damaged offset 1, and somebody read there.
    let found = |harm: &dyn Fn(&mut Ledger, &mut View)| {
        failing(|ledger, view| {
            ledger.topic("t", 1, 0);
            ledger.damage("t", 0, 0, 1..2);
            harm(ledger, view);
        })
    };
    assert!(found(&|_, _| {}).is_empty(), "the truth");
    let refuse = |view: &mut View, offset: i64| {
        view.records.retain(|record| record.0 != offset);
        view.refused.push(offset);
    };
    assert!(found(&|_, view| refuse(view, 1)).is_empty(), "an error");
    let absent = found(&|_, view| _ = view.records.remove(1));
    assert_eq!(absent, ["dense_offsets", "over_budget"]);
    let other = found(&|_, view| view.records[1].1 = id(77));
    assert_eq!(other, ["agreement", "no_invention", "over_budget"]);
    let neighbour = found(&|_, view| refuse(view, 2));
    assert_eq!(neighbour, ["acked_durability", "over_budget"]);
    let told = found(&|ledger, _| ledger.refuse_read(Place { part: PART, offset: 0 }));
    assert_eq!(told, ["over_budget"]);
}

#[test]
fn a_recovery_that_finds_something_else_is_seen() {
    // Four processes that know the same; `harm` is done to what the n-th of them knows.
    let found = |n: usize, harm: &dyn Fn(&mut Census)| {
        failing(|ledger, _| {
            ledger.topic("t", 1, 0);
            let producers = BTreeMap::from([(7, 0x1234)]);
            let (start, end) = (Offset(0), Offset(3));
            let partition = ("t".to_owned(), 0);
            let known = Knowledge { partition, start, end, producers, ..Knowledge::default() };
            let logs = BTreeMap::from([(LogId(1), known)]);
            let census = Census { metadata: 5, logs, ..Census::default() };
            let names = [Births::AT_REST, "second", "third", "fourth"];
            let mut lives = names.map(|name| (name, census.clone())).to_vec();
            harm(&mut lives[n].1);
            ledger.births.push(Births { node: 0, harmed: false, misread: false, lives });
        })
    };
    let known = |census: &mut Census, change: &dyn Fn(&mut Knowledge)| {
        census.logs.values_mut().for_each(change);
    };
    assert!(found(0, &|_| {}).is_empty());
    for n in 1..4 {
        let wrong: [&dyn Fn(&mut Census); 7] = [
            &|census| census.metadata = 6,
            &|census| census.logs.clear(),
            &|census| known(census, &|log| log.start = Offset(1)),
            &|census| known(census, &|log| log.end = Offset(2)),
            &|census| {
                known(census, &|log| log.faulty = vec![Span { from: Offset(1), to: Offset(2) }])
            },
            &|census| known(census, &|log| log.producers.clear()),
            &|census| known(census, &|log| *log.producers.get_mut(&7).expect("known") = 0x4321),
        ];
        for harm in wrong {
            assert_eq!(found(n, harm), ["recovery_idempotent"]);
        }
    }
    // A living process may have forgotten a producer that was silent for long.
    let forgets = |census: &mut Census| known(census, &|log| log.producers.clear());
    assert!(found(0, &forgets).is_empty());
}

#[test]
fn a_record_that_is_another_after_a_recovery_is_seen() {
    let reread = |harm: &dyn Fn(&mut View)| {
        failing(|ledger, view| {
            let mut again = view.clone();
            harm(&mut again);
            ledger.reread.insert(PART, again);
        })
    };
    assert!(reread(&|_| {}).is_empty());
    assert!(reread(&|again| again.end = 4).is_empty(), "it was on its way");
    let wrong: [&dyn Fn(&mut View); 3] =
        [&|again| again.records[1].1 = id(77), &|again| _ = again.records.pop(), &|again| {
            again.end = 2
        }];
    wrong.iter().for_each(|harm| assert_eq!(reread(harm), ["recovery_idempotent"]));
}

#[test]
fn answers_about_topics_that_no_order_explains_are_seen() {
    use crate::ledger::admin::{Act, Told};
    const NAME: (u32, u16) = (0, 0);
    let told = |answers: &[(Act, Told)]| {
        failing(|ledger, _| {
            for (act, told) in answers {
                let op = ledger.admin.begin(NAME, *act);
                ledger.admin.end(op, *told);
            }
        })
    };
    let create = (Act::Create(2), Told::Done);
    let seen = (Act::Describe, Told::Is(Some(2)));
    assert!(told(&[create, seen, (Act::Delete, Told::Done)]).is_empty());
    for wrong in [
        &[create, (Act::Describe, Told::Is(None))][..], // forgotten
        &[create, create],                              // made twice
        &[create, (Act::Delete, Told::Done), seen],     // comes back
        &[create, (Act::Grow(3), Told::Done), seen],    // shrinks
        &[(Act::Delete, Told::Done)],
    ] {
        assert_eq!(told(wrong), ["metadata_linearizable"], "{wrong:?}");
    }
    // What was not answered may have happened or not, and at any time.
    let open = |seen| {
        failing(|ledger, _| {
            ledger.admin.begin(NAME, Act::Create(1));
            let look = ledger.admin.begin(NAME, Act::Describe);
            ledger.admin.end(look, Told::Is(seen));
        })
    };
    assert!(open(None).is_empty() && open(Some(1)).is_empty());
    assert_eq!(open(Some(2)), ["metadata_linearizable"]);
}

#[test]
fn a_setting_holds_from_its_asking_until_another_was_made_behind_it() {
    const AGE: (TopicNo, &str) = (TopicNo(0), "retention.ms");
    let mut configs = Ledger::default().configs;
    let within = |configs: &crate::ledger::configs::Configs, from, until| {
        let mut values: Vec<_> = configs.within(AGE, from, until).collect();
        values.sort_unstable();
        values
    };
    assert_eq!(within(&configs, 0, 99), [None]);
    let first = configs.ask(AGE, Some("1"), 10);
    assert_eq!(within(&configs, 0, 9), [None]);
    assert_eq!(within(&configs, 0, 10), [None, Some("1")], "it may hold before it is answered");
    configs.made(AGE, first, 20);
    assert_eq!(within(&configs, 20, 99), [None, Some("1")]);
    assert_eq!(within(&configs, 21, 99), [Some("1")]);
    // Two at once: either may be the last.
    let both = [configs.ask(AGE, Some("2"), 30), configs.ask(AGE, Some("3"), 31)];
    both.iter().for_each(|n| configs.made(AGE, *n, 40));
    assert_eq!(within(&configs, 41, 99), [Some("2"), Some("3")]);
    let refused = configs.ask(AGE, Some("4"), 50);
    configs.refused(AGE, refused);
    // Without an answer it may be made at any time, and another one does not end it.
    let lost = configs.ask(AGE, Some("5"), 60);
    configs.lost(AGE, lost);
    let last = configs.ask(AGE, None, 70);
    configs.made(AGE, last, 80);
    assert_eq!(within(&configs, 81, 99), [None, Some("5")]);
}

#[test]
fn a_record_that_goes_by_a_limit_that_no_longer_holds_is_seen() {
    // For a while records went after 10 ms; those of the moment 1,000 are gone at 1,100.
    let gone = |asked, reset| {
        failing(|ledger, view| {
            (1..4).for_each(|n| ledger.date(id(n), 1000, 1000));
            let key = (PART.topic, "retention.ms");
            let set = ledger.configs.ask(key, Some("10"), asked);
            ledger.configs.made(key, set, asked);
            let unset = ledger.configs.ask(key, Some("-1"), reset);
            ledger.configs.made(key, unset, reset);
            ledger.told_start(PART, Known::default(), 1, 1100).expect("anything may expire");
            cut(view);
        })
    };
    assert!(gone(1050, 1060).is_empty());
    assert!(gone(900, 1000).is_empty());
    assert_eq!(gone(900, 999), ["retention"], "reset before they were sent");
    assert_eq!(gone(1101, 1200), ["retention"], "set when they were gone already");
}

#[test]
fn who_is_told_what_no_setting_explains_sees_it() {
    let mut ledger = history().0;
    ledger.message_bytes_max = 1000;
    ledger.batch_bytes_max = 2000;
    let (topic, within) = (PART.topic, (0, 99));
    assert!(ledger.may_take(topic, 1000, within) && !ledger.may_refuse(topic, 10, 1000, within));
    assert!(!ledger.may_take(topic, 1001, within) && ledger.may_refuse(topic, 10, 1001, within));
    assert!(!ledger.may_refuse(topic, 87, 1, within));
    let mut longest = ledger.clone();
    longest.batch_bytes_max = 500;
    assert!(longest.may_take(topic, 500, within) && !longest.may_take(topic, 501, within));
    assert!(
        !longest.may_refuse(topic, 10, 500, within) && longest.may_refuse(topic, 10, 501, within)
    );
    assert!(!ledger.may_outgrow(topic, 2001, within), "producers choose the codec");
    ledger.date(id(1), 50, 50);
    assert!(ledger.stamped(id(1), 1, -1, 60).is_ok() && ledger.stamped(id(1), 1, 50, 60).is_ok());
    assert_eq!(ledger.stamped(id(1), 1, 55, 60).expect_err("dated").check, "legal_answers");
    let settings = [
        ("max.message.bytes", "100"),
        ("cleanup.policy", "compact"),
        ("message.timestamp.type", "LogAppendTime"),
        ("compression.type", "uncompressed"),
    ];
    for (key, value) in settings {
        let n = ledger.configs.ask((topic, key), Some(value), 55);
        ledger.configs.made((topic, key), n, 56);
    }
    assert!(ledger.may_take(topic, 1000, (50, 55)) && !ledger.may_take(topic, 1, (57, 99)));
    assert!(ledger.may_refuse(topic, 10, 101, within) && ledger.may_refuse(topic, 87, 1, within));
    assert!(ledger.may_outgrow(topic, 101, within) && !ledger.may_outgrow(topic, 100, (57, 99)));
    assert!(ledger.stamped(id(1), 1, 55, 60).is_ok());
    assert_eq!(ledger.of(id(1)).map(|sent| sent.at_ms), Some(55));
}

#[test]
fn a_deleted_topic_that_comes_back_and_one_that_goes_by_itself_are_seen() {
    const NAME: (u32, u16) = (0, 0);
    let wrong = |ledger: &mut Ledger, id, asked_ms| {
        ledger.told_incarnation(NAME, [id; 16], asked_ms, asked_ms + 5).map_err(|f| f.check)
    };
    let mut ledger = Ledger::default();
    let first = wrong(&mut ledger, 1, 10).expect("the first");
    assert_eq!(wrong(&mut ledger, 1, 20), Ok(first));
    assert!(ledger.incarnations.sure(NAME, 20).is_some());
    assert!(!ledger.may_be_deleted(0, "again-0"), "nobody asked");
    assert_eq!(wrong(&mut ledger, 2, 20), Err("metadata_linearizable"), "nobody deleted the first");
    // Deleted by its id: from the answer on it is gone.
    ledger.ask_deletion(NAME, Some([1; 16]));
    assert!(ledger.incarnations.sure(NAME, 20).is_none());
    assert!(ledger.may_be_deleted(0, "again-0"));
    assert!(!ledger.may_be_deleted(1, "again-0") && !ledger.may_be_deleted(0, "again-1"));
    assert_eq!(wrong(&mut ledger, 1, 30), Ok(first), "nothing is known yet");
    ledger.told_deletion(NAME, Some([1; 16]), true, 40);
    assert_eq!(wrong(&mut ledger, 1, 41), Err("metadata_linearizable"));
    // By name: whichever it is, and while nobody knows, the next one too.
    let second = wrong(&mut ledger, 3, 50).expect("another");
    ledger.ask_deletion(NAME, None);
    wrong(&mut ledger, 4, 60).expect("the second may be gone");
    ledger.told_deletion(NAME, None, true, 70);
    let may_be_gone =
        |ledger: &Ledger, id| ledger.incarnations.find([id; 16]).map(|o| o.may_be_gone);
    assert_eq!((may_be_gone(&ledger, 3), may_be_gone(&ledger, 4)), (Some(true), Some(true)));
    wrong(&mut ledger, 5, 80).expect("a third");
    assert_eq!(may_be_gone(&ledger, 5), Some(false));
    // What went to the name may be in any of them, and in no other topic.
    let root = ledger.shared_root(NAME);
    let part = |topic| Part { topic, partition: 1 };
    assert!(ledger.belongs(part(root), part(second)) && ledger.belongs(part(first), part(first)));
    assert!(
        !ledger.belongs(part(first), part(second)) && !ledger.belongs(part(second), part(root))
    );
}

#[test]
fn what_is_left_of_those_who_have_gone_is_seen() {
    use crate::ledger::Remains;
    let left = |harm: fn(&mut Remains)| {
        failing(|ledger, _| {
            let mut remains = Remains::default();
            let path = |name: &str| format!("t-0/{:020}.{name}", 0);
            let files = ["log", "index", "timeindex"].map(path);
            remains.census.storage.files.insert("t-0".into(), files.to_vec());
            remains.files = vec![("journal/00000001.journal".into(), 4096)];
            remains.files.push(("checkpoint/current".into(), 100));
            remains.files.extend(files.map(|path| (path, 10)));
            harm(&mut remains);
            ledger.remains.push(remains);
        })
    };
    assert!(left(|_| {}).is_empty());
    let leaks: &[fn(&mut Remains)] = &[
        |r| r.census.connections = 1,
        |r| r.census.stalled = 1,
        |r| r.census.unsent_bytes = 1,
        |r| r.census.parked = 1,
        |r| r.census.fetches = 1,
        |r| r.census.lookups = 1,
        |r| r.census.reads = 1,
        |r| r.census.storage.unwritten_bytes = 1,
        |r| r.census.storage.removals = 1,
        |r| r.census.storage.logs = 1,
        |r| r.census.storage.cached_bytes = 1 << 30,
        |r| r.files.push(("t-0/00000000000000000007.log".into(), 5)),
        |r| r.files.push(("t-1/00000000000000000000.log".into(), 5)),
        |r| r.files.push(("t-0.3-delete/00000000000000000000.log".into(), 5)),
        |r| r.files.push(("checkpoint/older".into(), 5)),
        |r| r.files[0].1 = 1 << 40,
    ];
    for (n, harm) in leaks.iter().enumerate() {
        assert_eq!(left(*harm), ["resources"], "leak {n}");
    }
    // Each of the processes that ended in between may have needed a file more.
    let more: fn(&mut Remains) = |r| {
        let sizes = &r.sizes.journal;
        r.files[0].1 = 8 * (sizes.bytes + sizes.file_bytes) + 1;
    };
    assert_eq!(left(more), ["resources"]);
    let again: fn(&mut Remains) = |r| {
        let sizes = &r.sizes.journal;
        (r.files[0].1, r.lives) = (8 * (sizes.bytes + sizes.file_bytes) + 1, 1);
    };
    assert!(left(again).is_empty());
}
