//! The house as it was meant: who may know whom, what is absent, and that the map shows the tree.
//!
//! Each assertion is a sentence of ARCHITECTURE.md. A rule that only people keep is one that is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every `.rs` file below a folder, with its text; folders called `target` are left out.
fn sources(below: &str) -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, into: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                into.push((path.strip_prefix(root()).expect("below the root").into(), text));
            }
        }
    }
    let mut all = Vec::new();
    walk(&root().join(below), &mut all);
    all.sort();
    all
}

/// Whether a file holds tests and nothing that ships.
fn is_test(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name == "tests.rs"
        || path.components().any(|c| {
            matches!(c.as_os_str().to_str(), Some("tests" | "benches" | "examples" | "fuzz"))
        })
}

/// The text without comments and without what follows `#[cfg(test)]`.
fn shipped(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().map(|l| l.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Asserts that none of `words` occurs in what ships below `folder`.
fn absent(folder: &str, words: &[&str]) {
    for (path, text) in sources(folder) {
        if is_test(&path) {
            continue;
        }
        let code = shipped(&text);
        for word in words {
            assert!(
                !code.contains(word),
                "{}: `{word}` has no place under {folder}",
                path.display()
            );
        }
    }
}

#[test]
fn the_core_knows_no_clock_file_socket_thread_or_chance() {
    let words = [
        "std::time::Instant",
        "SystemTime",
        "Instant::now",
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "std::sync::Mutex",
        "RwLock",
        "tokio",
        "async fn",
        "async move",
        ".await",
        "HashMap",
        "HashSet",
        "thread_local!",
        "getrandom",
        "from_entropy",
        "OsRng",
        "println!",
        "eprintln!",
    ];
    absent("core", &words);
    absent(
        "sim/src",
        &["HashMap", "HashSet", "Instant::now", "SystemTime", "tokio", "std::net::Tcp"],
    );
}

#[test]
fn raft_holds_no_record_bytes() {
    absent("core/raft", &["bytes::", "Bytes", "Vec<u8>", "&[u8]>"]);
}

#[test]
fn what_folds_the_metadata_knows_no_time_and_no_chance() {
    let fold = "fn apply(&mut self, at: Offset, record: &MetadataRecord)";
    assert!(read("core/src/metadata/mod.rs").contains(fold), "expected `{fold}` and nothing more");
    for file in ["mod", "records", "save"] {
        let path = format!("core/src/metadata/{file}.rs");
        let code = shipped(&read(&path));
        for word in ["Now", "Wall", "Mono", "rand_", "Rng", "rng", "static mut"] {
            assert!(!code.contains(word), "{path}: `{word}` has no place in a fold");
        }
    }
}

#[test]
fn only_the_program_reads_configuration_files() {
    // The simulator reads scenarios, which are TOML too; the core has no files at all.
    for folder in ["core", "net", "disk", "sim/src"] {
        absent(folder, &["sordini.toml", "server.properties", "--config"]);
    }
    for room in ["core", "core/log", "core/wire", "net", "disk"] {
        let manifest = read(format!("{room}/Cargo.toml"));
        assert!(!manifest.contains("toml.workspace"), "{room} must not read TOML");
    }
    absent("net", &["std::fs", "File::open", "read_to_string"]);
}

#[test]
fn checks_read_ledgers_and_accounts_but_never_the_broker() {
    let may = [
        ("sordini_", ["core::census::", "log::{LogId, Offset}", "log::span::Span"].as_slice()),
        ("crate::", &["ledger::", "scenario::", "failure::", "heap::"]),
    ];
    for (path, text) in sources("sim/src/check") {
        let code = shipped(&text);
        for (root, rest) in may.iter().filter(|_| !is_test(&path)) {
            for tail in code.split(root).skip(1) {
                let known = rest.iter().any(|rest| tail.starts_with(rest));
                let named = tail.lines().next().unwrap_or_default();
                assert!(known, "{}: a check must not know {root}{named}", path.display());
            }
        }
    }
}

#[test]
fn nothing_is_left_half_done() {
    for folder in ["core", "net", "disk", "sim", "src"] {
        absent(folder, &["todo!(", "unimplemented!(", "dbg!("]);
    }
}

#[test]
fn only_the_composition_knows_both_net_and_disk() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("core/mutant", [].as_slice()),
        ("core/reach", &[]),
        ("core/wire", &["sordini-mutant"]),
        ("core/raft", &["sordini-mutant"]),
        ("core/log", &["sordini-wire", "sordini-mutant", "sordini-reach"]),
        (
            "core",
            &["sordini-wire", "sordini-raft", "sordini-log", "sordini-mutant", "sordini-reach"],
        ),
        ("net", &["sordini-core"]),
        ("disk", &["sordini-log", "sordini-wire"]),
        (
            "sim",
            &[
                "sordini-core",
                "sordini-log",
                "sordini-wire",
                "sordini-raft",
                "sordini-mutant",
                "sordini-reach",
            ],
        ),
    ]);
    for (room, may) in allowed {
        let manifest: toml::Table = read(format!("{room}/Cargo.toml")).parse().expect("TOML");
        let known = manifest.get("dependencies").map(|table| table.as_table().expect("a table"));
        for name in
            known.into_iter().flat_map(toml::Table::keys).filter(|n| n.starts_with("sordini-"))
        {
            assert!(may.contains(&name.as_str()), "{room} must not know {name}");
        }
    }
}

#[test]
fn every_file_begins_by_saying_what_it_is_for_and_is_short() {
    for folder in ["core", "net", "disk", "sim", "src", "tests"] {
        for (path, text) in sources(folder) {
            let shown = path.display();
            assert!(
                is_test(&path) || text.starts_with("//!"),
                "{shown}: expected an essay (`//!`) at its head"
            );
            let lines = text.lines().count();
            assert!(is_test(&path) || lines <= 600, "{shown}: {lines} lines, expected at most 600");
        }
    }
}

#[test]
fn every_api_has_a_row_and_a_file() {
    let rows: BTreeSet<String> = sordini_core::api::TABLE
        .iter()
        .map(|row| {
            let snake = |(i, c): (usize, char)| match c.is_uppercase() && i > 0 {
                true => format!("_{}", c.to_ascii_lowercase()),
                false => c.to_ascii_lowercase().to_string(),
            };
            row.name.chars().enumerate().map(snake).collect()
        })
        .collect();
    let files: BTreeSet<String> = fs::read_dir(root().join("core/src/api"))
        .expect("a folder")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().trim_end_matches(".rs").to_string())
        .filter(|n| !matches!(n.as_str(), "mod" | "refusal" | "tests"))
        .collect();
    assert_eq!(rows, files, "rows of the table and files of core/src/api");
}

#[test]
fn every_config_key_has_one_row() {
    use sordini_core::config::table::{BROKER, INERT, TOPIC};
    let tables = [("topic", TOPIC), ("broker", BROKER), ("inert", INERT)];
    for (file, table) in tables {
        let text = read(format!("core/src/config/table/{file}.rs"));
        let begins = text.lines().filter_map(|l| l.strip_prefix("    row(\"")?.split_once('"'));
        let rows: Vec<&str> = begins.map(|(name, _)| name).collect();
        let names: Vec<&str> = table.iter().map(|row| row.name).collect();
        assert_eq!(rows, names, "lines of {file}.rs and rows of its table");
    }
    assert_eq!(files("core/src/config/table", &[]), tables.map(|(file, _)| file.to_owned()).into());
    // A topic's key may have the name of the broker's that it follows; else a name stands in one row.
    for names in [vec![TOPIC], vec![BROKER, INERT]] {
        let all: Vec<&str> = names.into_iter().flatten().map(|row| row.name).collect();
        let once: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(once.len(), all.len(), "a key has two rows");
    }
}

/// Names of the files of a folder, without `.rs` and without `but`.
fn files(folder: &str, but: &[&str]) -> BTreeSet<String> {
    fs::read_dir(root().join(folder))
        .expect("a folder")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().trim_end_matches(".rs").to_string())
        .filter(|n| n != "mod" && n != "tests" && !but.contains(&n.as_str()))
        .collect()
}

#[test]
fn every_fault_load_and_check_has_a_row_and_a_file() {
    use sordini_sim::{check::CHECKS, fault::FAULTS, load::LOADS};
    let names = |names: &mut dyn Iterator<Item = &str>| -> BTreeSet<String> {
        names.map(str::to_owned).collect()
    };
    let faults = names(&mut FAULTS.iter().map(|row| row.name));
    assert_eq!(faults, files("sim/src/fault", &["aim"]), "rows and files of sim/src/fault");
    let loads = names(&mut LOADS.iter().map(|row| row.name));
    assert_eq!(loads, files("sim/src/load", &["single", "wire"]), "rows and files of sim/src/load");
    let checks = names(&mut CHECKS.iter().map(|row| row.name));
    assert_eq!(checks, files("sim/src/check", &[]), "rows and files of sim/src/check");
}

#[test]
fn every_mutant_has_a_row_and_a_place_and_is_in_no_ordinary_build() {
    let table = read("core/mutant/src/lib.rs");
    let quoted = |key: &str| -> BTreeSet<String> {
        let rows = table.split(key).skip(1);
        rows.filter_map(|row| Some(row.split_once('"')?.0.to_owned())).collect()
    };
    let mut places = BTreeSet::new();
    for (path, text) in sources("core") {
        if !path.starts_with("core/mutant") {
            let found = text.split("mutant!(").skip(1).filter_map(|t| t.split_once(','));
            places.extend(found.map(|(id, _)| id.trim().to_owned()));
        }
    }
    assert_eq!(quoted("id: \""), places, "rows of the table and places in the code");
    let killers: BTreeSet<String> = files("scenarios/mutants", &[])
        .iter()
        .map(|name| name.trim_end_matches(".toml").to_owned())
        .collect();
    // A run that is not the same twice is found by comparing two.
    let killed = places.into_iter().filter(|id| id != "N01").collect();
    assert_eq!(killers, killed, "scenarios that kill a mutant, and mutants");
    let program = fs::read(env!("CARGO_BIN_EXE_sordini")).expect("the program");
    for change in quoted("change: \"") {
        let there = program.windows(change.len()).any(|w| w == change.as_bytes());
        assert!(!there, "this build has mutants: {change}");
    }
}

#[test]
fn only_the_api_folder_speaks_of_error_codes() {
    for (path, text) in sources("core/src") {
        if !path.starts_with("core/src/api") && !is_test(&path) {
            let code = shipped(&text);
            assert!(!code.contains("ErrorCode"), "{}: error codes belong to api/", path.display());
        }
    }
}

#[test]
fn only_the_node_changes_partitions() {
    let doors =
        ["partitions.get_mut(", "partitions.values_mut(", "partitions.iter_mut(", "&mut Partition"];
    for (path, text) in sources("core/src") {
        let node = path.starts_with("core/src/node") || path.starts_with("core/src/node.rs");
        if node || is_test(&path) {
            continue;
        }
        let code = shipped(&text);
        for door in doors {
            assert!(!code.contains(door), "{}: `{door}`: that is for PartOps", path.display());
        }
    }
}

#[test]
fn the_maps_show_the_tree_and_nothing_else() {
    /// Folders of a folder, with their path, but for those that are nobody's to read.
    fn folders(within: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(root().join(within)).expect("a folder").flatten();
        let names = entries
            .filter(|e| e.path().is_dir())
            .map(|e| e.file_name().to_string_lossy().to_string())
            .filter(|n| !n.starts_with('.') && n != "target" && n != "sordini-data");
        names.map(|n| format!("{within}{n}/")).collect()
    }
    let tree: BTreeSet<String> = folders("").into_iter().chain(folders("core/")).collect();
    for page in ["README.md", "ARCHITECTURE.md"] {
        let text = read(page);
        let map = text.split("```\n").find(|block| block.contains("\ncore/ ")).expect("a map");
        let mut shown = BTreeSet::new();
        let mut above = "";
        for line in map.lines() {
            let Some(name) = line.split_whitespace().next().filter(|n| n.ends_with('/')) else {
                continue;
            };
            let path = match line.starts_with(' ') {
                true => format!("{above}{name}"),
                false => name.to_owned(),
            };
            assert!(root().join(&path).is_dir(), "{page} shows {path}, the tree does not");
            if !line.starts_with(' ') {
                above = name;
            }
            shown.insert(path);
        }
        let missing: Vec<&String> = tree.difference(&shown).collect();
        assert!(missing.is_empty(), "{page}'s map lacks {missing:?}");
    }
}

#[test]
fn every_third_party_crate_has_a_reason_beside_it() {
    let manifest = read("Cargo.toml");
    let table = manifest.split("[workspace.dependencies]").nth(1).expect("the table");
    let table = table.split("\n[").next().expect("its end");
    let mut explained = false;
    for line in table.lines() {
        if line.starts_with('#') || line.is_empty() {
            explained = line.starts_with('#');
        } else if !line.starts_with("sordini-") {
            assert!(explained || line.contains('#'), "no reason is given for: {line}");
        }
    }
}
