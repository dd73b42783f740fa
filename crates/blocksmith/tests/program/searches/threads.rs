//! What the system says of the threads that search: their priority and their cores.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::program::{Program, wait_until};

/// A thread of another process, as Linux tells of it.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) searches: bool,
    /// It keeps the index, or reads the whole store; the system cuts names off.
    pub(crate) is_in_no_hurry: bool,
    pub(crate) niceness: i32,
    cores: Vec<usize>,
}

/// All threads of a process that can be read; some may end meanwhile.
pub(crate) fn threads(pid: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.filter_map(|task| thread(task.unwrap().path().to_str().unwrap())).collect()
}

/// The threads that search, once there are so many.
pub(crate) fn searching(program: &Program, count: usize) -> Vec<Thread> {
    let settled = |thread: &Thread| thread.searches;
    let mut found = Vec::new();
    wait_until("the threads of the search", || {
        found = threads(program.pid()).into_iter().filter(settled).collect();
        found.len() == count
    });
    found
}

fn thread(path: &str) -> Option<Thread> {
    let stat = fs::read_to_string(format!("{path}/stat")).ok()?;
    let status = fs::read_to_string(format!("{path}/status")).ok()?;
    // The name is in brackets; the nice value is the 19th field, and the third follows the name.
    let (_, fields) = stat.rsplit_once(") ")?;
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some(Thread {
        searches: stat.contains("(miner)"),
        is_in_no_hurry: ["(blocksmith-inde", "(blocksmith-scru"]
            .iter()
            .any(|name| stat.contains(name)),
        niceness: fields.split(' ').nth(16)?.parse().ok()?,
        cores: core_list(cores.trim()),
    })
}

/// `0-2,5` and the like.
fn core_list(text: &str) -> Vec<usize> {
    let ranges = text.split(',').map(|range| range.split_once('-').unwrap_or((range, range)));
    ranges.flat_map(|(from, to)| from.parse().unwrap()..=to.parse::<usize>().unwrap()).collect()
}

/// This process, which hands its priority and its cores on to those that it starts.
pub(crate) fn ourselves() -> Thread {
    thread("/proc/thread-self").unwrap()
}

/// A search that does not end by itself.
const HOPELESS: [&str; 4] = ["prove", "99", "--zeros", "40"];

#[test]
fn nice_is_for_the_threads_that_search_and_for_no_other() {
    let ours = ourselves().niceness;
    for (more, niceness) in [("0", ours), ("7", (ours + 7).min(19)), ("19", 19)] {
        let args = [&HOPELESS[..], &["--threads", "3", "--nice", more]].concat();
        let program = Program::start(&args);
        wait_until("their priority", || {
            searching(&program, 3).iter().all(|thread| thread.niceness == niceness)
        });
        let others = threads(program.pid());
        let others: Vec<_> = others.iter().filter(|thread| !thread.searches).collect();
        assert!(!others.is_empty());
        assert!(others.iter().all(|thread| thread.niceness == ours), "{others:?}");
    }
}

#[test]
fn pinned_threads_take_the_cores_in_turn() {
    let allowed = ourselves().cores;
    let count = allowed.len() + 1;
    let text = count.to_string();
    let program = Program::start(&[&HOPELESS[..], &["--pin", "--threads", &text]].concat());
    let mut wanted: Vec<_> =
        (0..count).map(|number| vec![allowed[number % allowed.len()]]).collect();
    wanted.sort();
    let mut taken = Vec::new();
    for _ in 0..100 {
        taken = searching(&program, count).into_iter().map(|thread| thread.cores).collect();
        taken.sort();
        if taken == wanted {
            break;
        }
        sleep(Duration::from_millis(20));
    }
    assert_eq!(taken, wanted);
    let others = threads(program.pid());
    assert!(others.iter().all(|thread| thread.searches || thread.cores == allowed), "{others:?}");
}

#[test]
fn without_a_word_about_it_threads_go_where_the_system_puts_them() {
    let program = Program::start(&[&HOPELESS[..], &["--threads", "2"]].concat());
    let allowed = ourselves().cores;
    // They would have settled by then.
    sleep(Duration::from_millis(300));
    assert!(searching(&program, 2).iter().all(|thread| thread.cores == allowed));
}

#[test]
fn cores_that_the_program_may_not_use_are_left_alone() {
    let allowed = ourselves().cores;
    let last = *allowed.last().unwrap();
    let mut command = Command::new("taskset");
    command.args(["-c", &last.to_string(), env!("CARGO_BIN_EXE_blocksmith")]);
    command.args(HOPELESS).args(["--pin", "--threads", "2"]);
    let mut program = Program::spawn(&mut command);
    searching(&program, 2);
    sleep(Duration::from_millis(300));
    let threads = searching(&program, 2);
    assert!(threads.iter().all(|thread| thread.cores == [last]), "{threads:?}");
    program.terminate();
    assert_eq!(program.wait().code(), Some(130), "{}", program.stderr());
}
