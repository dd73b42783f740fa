//! `blocksmith block`: what a block's text alone tells.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_consensus::{Hash, json};

use super::exit;
use super::input::utf8;
use crate::text::escaped;

/// The longest JSON text of a file or a line, in bytes: a block in a wide spelling.
const MAX_TEXT_BYTES: u64 = 128 << 20;

/// Compute the hash of a block
#[derive(Debug, clap::Args)]
pub struct BlockArgs {
    #[command(subcommand)]
    command: BlockCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BlockCommand {
    Hash(HashArgs),
}

/// Print the hash of a block, or of any other JSON value
///
/// It is the hash that all nodes compute: SHA-256 of the text that Python's json.dumps(block,
/// sort_keys=True) gives.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith block hash block.json")]
struct HashArgs {
    /// JSON files, with one value in each; - is the standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Read a JSON text from each line, and print a hash for each; a line that is not JSON gives
    /// "error: …"
    #[arg(long)]
    lines: bool,
}

/// Runs the command.
///
/// # Errors
/// Fails if a file can't be read or the output can't be written.
pub fn run(args: BlockArgs) -> anyhow::Result<ExitCode> {
    let BlockCommand::Hash(args) = args.command;
    let mut out = super::stdout();
    let mut all_good = true;
    for file in &args.files {
        let input = open(file)?;
        let good = if args.lines { hash_lines(input, &mut out) } else { hash_one(input, &mut out) };
        all_good &= match good {
            // The reader of a pipe has what it wanted, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            good => good.with_context(|| format!("{} can't be hashed", file.display()))?,
        };
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) })
}

fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let open = || match file == Path::new("-") {
        true => utf8(std::io::stdin().lock(), MAX_TEXT_BYTES as usize),
        false => utf8(BufReader::new(File::open(file)?), MAX_TEXT_BYTES as usize),
    };
    open().with_context(|| format!("{} can't be read", file.display()))
}

/// Prints the hash of the whole input. Returns whether it has one.
fn hash_one(input: impl BufRead, out: &mut impl Write) -> std::io::Result<bool> {
    let mut text = Vec::new();
    input.take(MAX_TEXT_BYTES + 1).read_to_end(&mut text)?;
    print_hash(&text, out)
}

/// Prints the hash of each line. Returns whether all lines have one.
fn hash_lines(mut input: impl BufRead, out: &mut impl Write) -> std::io::Result<bool> {
    let mut all_good = true;
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(MAX_TEXT_BYTES + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(all_good);
        }
        let too_long = line.len() as u64 > MAX_TEXT_BYTES && !line.ends_with(b"\n");
        all_good &= print_hash(&line, out)?;
        if too_long {
            input.skip_until(b'\n')?;
        }
    }
}

fn print_hash(text: &[u8], out: &mut impl Write) -> std::io::Result<bool> {
    if text.len() as u64 > MAX_TEXT_BYTES {
        writeln!(out, "error: the text has more than {MAX_TEXT_BYTES} bytes")?;
        return Ok(false);
    }
    let canonical = json::canonical(text);
    match &canonical {
        Ok(canonical) => writeln!(out, "{}", Hash::of(&**canonical))?,
        Err(error) => writeln!(out, "error: {}", escaped(error))?,
    }
    Ok(canonical.is_ok())
}
