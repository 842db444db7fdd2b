//! The house rules, checked: which room may lean on which, ranks inside `engine`, lengths, signs, forbidden words.
//!
//! Every rule is a function from sources to complaints, and has a test in which it complains. It reads source text
//! only, as text: comments, strings and test modules are blanked before names are looked for.
#![allow(clippy::unwrap_used)]

#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, is_word, line_of};

/// Which room may use which: the complete list.
const EDGES: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("wal", &["proto"]),
    ("views", &["proto"]),
    ("capture", &["wal", "proto"]),
    ("engine", &["views", "capture", "wal", "proto"]),
    ("server", &["engine", "capture", "proto"]),
    ("fuzz", EVERY_ROOM),
    ("benches", EVERY_ROOM),
];
const EVERY_ROOM: &[&str] = &["proto", "wal", "views", "capture", "engine", "server"];

/// Modules of `engine` from the bottom up. A module may use those of its own line and of the lines above it here.
const RANKS: &[&[&str]] = &[
    &["catalog", "clock", "overlay", "serde_value", "storage"],
    &["explain", "optimizer", "sql", "settings"],
    &["error"],
    &[
        "access", "module", "names", "params", "to_value", "txn", "visible",
    ],
    &["index_entry", "maintenance"],
    &["table_writer"],
    &["prepared"],
    &[
        "checkpoint",
        "commit",
        "engine",
        "large",
        "recovery",
        "replay",
    ],
    &["desk", "execute", "handle", "system", "ticket"],
    &["rows"],
    &["feed"],
    &["cursor", "session", "tx", "typed"],
    &[
        "backup", "builder", "check", "database", "migrate", "open", "salvage",
    ],
    &["internals", "service", "wal_dump"],
];

const LINES_MAX: usize = 800;

/// Words that code may not use, with the places that may (path prefixes) and why.
struct Forbidden {
    words: &'static [&'static str],
    within: &'static [&'static str],
    except: &'static [&'static str],
    why: &'static str,
}

const LIBRARIES: &[&str] = &[
    "proto/src",
    "wal/src",
    "views/src",
    "capture/src",
    "engine/src",
];
const PRODUCT: &[&str] = &[
    "proto/src",
    "wal/src",
    "views/src",
    "capture/src",
    "engine/src",
    "server/src",
];

const FORBIDDEN: &[Forbidden] = &[
    Forbidden {
        words: &["std::fs", "fs::"],
        within: LIBRARIES,
        except: &["wal/src/vfs"],
        why: "only wal::vfs touches the file system: use a Vfs",
    },
    Forbidden {
        words: &["std::net", "TcpStream", "TcpListener", "async fn", "tokio"],
        within: LIBRARIES,
        except: &[],
        why: "only server knows sockets and async",
    },
    Forbidden {
        words: &[
            "std::time",
            "std::thread",
            "SystemTime",
            "Instant::now",
            "thread::spawn",
        ],
        within: &["proto/src", "views/src"],
        except: &[],
        why: "proto and views have no clock and no thread: time comes in an ExecContext",
    },
    Forbidden {
        words: &["env::var", "env::var_os", "env::vars"],
        within: LIBRARIES,
        except: &[],
        why: "libraries read no environment: add a setting",
    },
    Forbidden {
        words: &["sqlparser", "tailwater_views", "crate::sql"],
        within: &["proto/src", "wal/src", "capture/src"],
        except: &[],
        why: "proto, wal and capture know no SQL",
    },
    Forbidden {
        words: &[
            ".unwrap()",
            ".expect(\"\")",
            "todo!",
            "unimplemented!",
            "dbg!",
        ],
        within: PRODUCT,
        except: &[],
        why: "return an error, or state the invariant with assert! or unreachable!",
    },
    Forbidden {
        words: &["unsafe {", "unsafe fn", "unsafe impl"],
        within: PRODUCT,
        except: &["wal/src/vfs/mapping.rs"],
        why: "only the mapping of sealed segments is unsafe",
    },
    Forbidden {
        words: &["#[ignore", "thread::sleep"],
        within: &[
            "proto", "wal", "views", "capture", "engine", "server", "fuzz",
        ],
        except: &["capture/examples", "engine/examples"],
        why: "tests wait for what they test and always run",
    },
];

/// Marks of unfinished work, in comments too.
const MARKS: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X:"),
    concat!("HA", "CK"),
];

/// Names of rooms under `[dependencies]` of a manifest, development and build dependencies left out.
fn room_dependencies(manifest: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            if let Some(name) = normal_section(section).and_then(|rest| rest.strip_prefix('.')) {
                rooms.extend(room_named(name));
            }
        } else if normal_section(section) == Some("") {
            let name = line.split(['.', '=', ' ']).next().unwrap_or("");
            rooms.extend(room_named(name));
        }
    }
    rooms
}

/// What follows `dependencies` in a section of normal dependencies.
fn normal_section(section: &str) -> Option<&str> {
    let place = section.rfind("dependencies")?;
    let before = &section[..place];
    let normal = before.is_empty() || (before.starts_with("target.") && before.ends_with('.'));
    normal.then(|| &section[place + "dependencies".len()..])
}

fn room_named(package: &str) -> Option<String> {
    match package.trim_matches('"') {
        "tailwater" => Some("engine".to_owned()),
        other => other.strip_prefix("tailwater-").map(str::to_owned),
    }
}

fn edges_are_allowed(room: &str, manifest: &str) -> Vec<String> {
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == room) else {
        return vec![format!(
            "{room}: a room that the list of edges does not know"
        )];
    };
    room_dependencies(manifest)
        .into_iter()
        .filter(|used| !allowed.contains(&used.as_str()))
        .map(|used| format!("{room}/Cargo.toml: {room} may not use {used}"))
        .collect()
}

/// Names right after `crate::`, those of a `crate::{a, b::c}` each.
fn modules_used(code: &str) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for (place, found) in code.match_indices("crate::") {
        if code[..place].ends_with(|c| c == '$' || is_word(c)) {
            continue;
        }
        let rest = &code[place + found.len()..];
        let mut depth = 0;
        let mut starts = true;
        if !rest.starts_with('{') {
            used.push((place, rest.chars().take_while(|c| is_word(*c)).collect()));
            continue;
        }
        for (offset, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 1 => break,
                '}' => depth -= 1,
                ',' if depth == 1 => starts = true,
                c if starts && depth == 1 && is_word(c) => {
                    starts = false;
                    used.push((
                        place,
                        rest[offset..].chars().take_while(|c| is_word(*c)).collect(),
                    ));
                }
                _ => {}
            }
        }
    }
    used
}

fn rank_of(module: &str) -> Option<usize> {
    RANKS.iter().position(|modules| modules.contains(&module))
}

fn ranks_are_kept(file: &Source) -> Vec<String> {
    let Some(inside) = file
        .path
        .strip_prefix("engine/src/")
        .filter(|_| file.is_product())
    else {
        return Vec::new();
    };
    let own = inside
        .split('/')
        .next()
        .unwrap_or("")
        .trim_end_matches(".rs");
    if own == "lib" {
        return Vec::new();
    }
    let Some(rank) = rank_of(own) else {
        return vec![format!(
            "{}: module {own} has no rank in engine/tests/tidy.rs",
            file.path
        )];
    };
    let mut complaints = Vec::new();
    for (place, used) in modules_used(&file.code) {
        let line = line_of(&file.code, place);
        match rank_of(&used) {
            Some(other) if other <= rank => {}
            Some(_) => complaints.push(format!(
                "{}:{line}: {own} may not use {used}: it is above",
                file.path
            )),
            None => complaints.push(format!(
                "{}:{line}: crate::{used} is no module with a rank: name the module it comes from",
                file.path
            )),
        }
    }
    complaints
}

fn length_is_bounded(file: &Source) -> Vec<String> {
    let lines = file.text.lines().count();
    let complaint = || {
        format!(
            "{}: {lines} lines, more than {LINES_MAX}: split it by nouns",
            file.path
        )
    };
    (lines > LINES_MAX).then(complaint).into_iter().collect()
}

fn has_sign(file: &Source) -> Vec<String> {
    let missing = file.path.contains("/src/") && !file.text.starts_with("//! ");
    let complaint = || {
        format!(
            "{}: the first line is no `//!` sign: say what the file does",
            file.path
        )
    };
    missing.then(complaint).into_iter().collect()
}

fn words_are_allowed(file: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for rule in FORBIDDEN {
        // Rules for the product leave its tests alone; the others name whole rooms.
        let for_tests = rule.within.iter().all(|place| !place.contains("/src"));
        if !file.is_below(rule.within)
            || file.is_below(rule.except)
            || !(for_tests || file.is_product())
        {
            continue;
        }
        for word in rule.words {
            for (place, _) in file.code.match_indices(word) {
                let before = word.starts_with(is_word) && file.code[..place].ends_with(is_word);
                let rest = &file.code[place + word.len()..];
                if before || (word.ends_with(is_word) && rest.starts_with(is_word)) {
                    continue;
                }
                let line = line_of(&file.code, place);
                complaints.push(format!("{}:{line}: `{word}`: {}", file.path, rule.why));
            }
        }
    }
    complaints
}

fn nothing_is_left_open(file: &Source) -> Vec<String> {
    let lines = file.text.lines().zip(1..);
    lines
        .flat_map(|(line, number)| {
            let marks = MARKS.iter().filter(move |mark| line.contains(**mark));
            marks.map(move |mark| {
                format!(
                    "{}:{number}: {mark}: do it now, or open an issue",
                    file.path
                )
            })
        })
        .collect()
}

const RULES: &[fn(&Source) -> Vec<String>] = &[
    ranks_are_kept,
    length_is_bounded,
    has_sign,
    words_are_allowed,
    nothing_is_left_open,
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn collect(dir: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let inside = path
                .strip_prefix(root())
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            found.push(Source::new(&inside, &fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_house_is_tidy() {
    let mut complaints = Vec::new();
    let mut files = Vec::new();
    for (room, _) in EDGES {
        let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        complaints.extend(edges_are_allowed(room, &manifest));
        collect(&root().join(room), &mut files);
    }
    assert!(files.len() > 100, "only {} files were found", files.len());
    complaints.extend(
        files
            .iter()
            .flat_map(|file| RULES.iter().flat_map(|rule| rule(file))),
    );
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_room_is_in_the_list_of_edges() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest
        .lines()
        .find_map(|line| line.strip_prefix("members = "))
        .unwrap();
    let members: BTreeSet<&str> = members.split('"').skip(1).step_by(2).collect();
    let listed: BTreeSet<&str> = EDGES.iter().map(|(room, _)| *room).collect();
    assert_eq!(members, listed);
}

#[test]
fn a_wrong_edge_is_found() {
    let manifest = "[dependencies]\ntailwater-proto.workspace = true\n\"tailwater-views\" = \"1\"\n\
                    [dev-dependencies]\ntailwater.workspace = true\n[build-dependencies.tailwater-server]\n\
                    [target.'cfg(unix)'.dependencies]\ntailwater-capture = { path = \"../capture\" }\n\
                    [dependencies.tailwater]\nworkspace = true\n";
    assert_eq!(
        room_dependencies(manifest),
        ["proto", "views", "capture", "engine"]
    );
    assert_eq!(edges_are_allowed("wal", manifest).len(), 3);
    assert_eq!(edges_are_allowed("fuzz", manifest).len(), 0);
    assert_eq!(edges_are_allowed("cellar", "").len(), 1);
}

#[test]
fn a_wrong_rank_is_found() {
    let complaints = |path, text| ranks_are_kept(&Source::new(path, text));
    assert!(
        complaints(
            "engine/src/sql/a.rs",
            "use crate::sql::b;\nuse crate::catalog::C;"
        )
        .is_empty()
    );
    let both = complaints(
        "engine/src/sql/a.rs",
        "\nuse crate::{catalog::{C, engine}, execute::D, engine};",
    );
    assert_eq!(both.len(), 2);
    assert_eq!(
        both[0],
        "engine/src/sql/a.rs:2: sql may not use execute: it is above"
    );
    assert_eq!(
        complaints(
            "engine/src/catalog/mod.rs",
            "fn f() { crate::sql::parse() }"
        )
        .len(),
        1
    );
    assert_eq!(
        complaints("engine/src/engine.rs", "use crate::Database;").len(),
        1
    );
    assert_eq!(complaints("engine/src/cellar.rs", "").len(), 1);
    assert!(complaints("engine/src/lib.rs", "pub use crate::database::Database;").is_empty());
    assert!(complaints("engine/src/sql/tests.rs", "use crate::engine::E;").is_empty());
    let inside = "#[cfg(test)]\nmod tests { fn f() { if x { use crate::engine::E; } } }";
    assert!(complaints("engine/src/sql/a.rs", inside).is_empty());
    let after = "#[cfg(test)]\nmod tests;\n// crate::engine\nuse crate::engine::E;";
    assert_eq!(complaints("engine/src/sql/a.rs", after).len(), 1);
}

#[test]
fn a_long_file_and_a_missing_sign_are_found() {
    let long = Source::new("wal/src/a.rs", &"\n".repeat(LINES_MAX + 1));
    assert_eq!(length_is_bounded(&long).len(), 1);
    assert_eq!(has_sign(&long).len(), 1);
    let good = Source::new("wal/src/a.rs", "//! The sign.\n");
    assert!(length_is_bounded(&good).is_empty() && has_sign(&good).is_empty());
}

#[test]
fn each_forbidden_word_is_found() {
    for rule in FORBIDDEN {
        for word in rule.words {
            let path = format!("{}/a.rs", rule.within[0]);
            let found = words_are_allowed(&Source::new(&path, &format!("fn f() {{\n {word} }}")));
            let line = format!("{path}:2: `{word}`");
            assert!(
                found.iter().any(|complaint| complaint.starts_with(&line)),
                "{word}: {found:?}"
            );
            for harmless in [
                format!("// {word}"),
                format!("/* {word} /* */ {word} */"),
                format!("fn f() {{ r#\"{word}\"# }}"),
            ] {
                if !word.contains('"') {
                    assert!(
                        words_are_allowed(&Source::new(&path, &harmless)).is_empty(),
                        "{harmless}"
                    );
                }
            }
        }
        for place in rule.except {
            let file = Source::new(&format!("{place}/a.rs"), rule.words[0]);
            let found = words_are_allowed(&file);
            assert!(
                found.iter().all(|complaint| !complaint.contains(rule.why)),
                "{found:?}"
            );
        }
    }
    let tests = Source::new(
        "proto/src/a.rs",
        "#[cfg(test)]\nmod tests { fn f() { x.unwrap() } }\nfn g() {}",
    );
    assert!(words_are_allowed(&tests).is_empty());
    assert!(tests.code.contains("fn g"));
}

#[test]
fn a_mark_of_unfinished_work_is_found() {
    let file = Source::new("wal/src/a.rs", &format!("//! Sign.\n// {}", MARKS[0]));
    assert_eq!(nothing_is_left_open(&file).len(), 1);
}
