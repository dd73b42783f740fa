//! The project's chores, each one command: `cargo xtask demo | web | test | bench | messages`.
#![forbid(unsafe_code)]

mod bench;
mod debian;
mod messages;
mod python;
mod run;
mod test;
mod web;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask demo [--blocks N] [OPTIONS OF blocksmith dev]
       cargo xtask web
       cargo xtask test [--long]
       cargo xtask bench [verify | search | find | index | payments | import]
       cargo xtask messages

demo       three nodes, a miner and one chain, until Ctrl-C or for N blocks
web        the page in web/dist, which the program takes in when it is built; needs Node.js 20
test       everything that CI runs, with all its own set-up; --long for the long forms
bench      the figures of BENCHMARKS.md, measured on this machine; all but find, index and import, or
           one part; those take some minutes, and index and import build earlier commits first
messages   every text that the program can show to a person, with its file and line
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    let outcome = match command.as_str() {
        "demo" => demo(&words),
        "web" if words.is_empty() => web::build().map(|()| ExitCode::SUCCESS),
        "test" => match words.as_slice() {
            [] => test::run(false),
            [long] if long == "--long" => test::run(true),
            _ => return usage(),
        },
        "bench" => match words.as_slice() {
            [] => bench::run(&[bench::VERIFY, bench::SEARCH, bench::PAYMENTS, bench::MEMPOOL]),
            [part] if part == "verify" => bench::run(&[bench::VERIFY]),
            [part] if part == "search" => bench::run(&[bench::SEARCH]),
            [part] if part == "find" => bench::run(&[bench::FIND]),
            [part] if part == "index" => bench::run(&[bench::INDEX]),
            [part] if part == "import" => bench::run(&[bench::IMPORT, bench::CHECKED]),
            [part] if part == "payments" => bench::run(&[bench::PAYMENTS, bench::MEMPOOL]),
            _ => return usage(),
        },
        "messages" if words.is_empty() => messages::print(),
        _ => return usage(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}

/// Builds the page and the program, and runs `blocksmith dev`. Without Node.js there is no page, and the network
/// runs all the same.
fn demo(words: &[String]) -> Result<ExitCode, String> {
    match web::node_version() {
        Ok(_) => web::build()?,
        Err(missing) => eprintln!("the page is not built: {missing}"),
    }
    let program = run::program(run::Profile::Dev)?;
    let status = std::process::Command::new(&program)
        .arg("dev")
        .args(words)
        .status()
        .map_err(|error| format!("{} does not start: {error}", program.display()))?;
    // A program that a signal ended has no code.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder").into()
    }

    /// The names at the start of a line of the map, with dots between them.
    fn names_of(line: &str) -> Vec<&str> {
        let mut names = Vec::new();
        let mut rest = Some(line);
        while let Some(from) = rest.map(str::trim_start) {
            let end = from.find(|c: char| c.is_whitespace() || c == '·').unwrap_or(from.len());
            names.push(&from[..end]);
            rest = from[end..].trim_start().strip_prefix('·');
        }
        names
    }

    /// Everything that `ARCHITECTURE.md` names exists: the folders in the first column of its map,
    /// the modules below them, and the files in the text.
    #[test]
    fn what_the_map_names_is_there() {
        let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
        let (_, map) = page.split_once("## Rooms\n\n```\n").expect("rooms");
        let (map, _) = map.split_once("```").expect("an end");
        let mut folder = PathBuf::new();
        let mut seen = 0;
        for line in map.lines().filter(|line| !line.starts_with("   ")) {
            for name in names_of(line) {
                let there = match (line.starts_with(' '), name) {
                    (false, _) => {
                        folder = root().join(name);
                        folder.is_dir()
                    }
                    // This is no module: the rest of the line names those that are meant.
                    (true, "private") => true,
                    (true, _) => {
                        let path = folder.join("src").join(name);
                        path.is_dir() || path.with_extension("rs").is_file()
                    }
                };
                assert!(there, "{name} is not in {}", folder.display());
                seen += 1;
            }
        }
        let files = page.split('`').skip(1).step_by(2).filter(|span| span.ends_with(".rs"));
        for file in files {
            let places = ["", "crates", "crates/blocksmith/src"];
            let there = places.iter().any(|place| root().join(place).join(file).is_file());
            assert!(there, "{file} is not there");
            seen += 1;
        }
        assert!(seen > 60, "{seen}");
    }
}
