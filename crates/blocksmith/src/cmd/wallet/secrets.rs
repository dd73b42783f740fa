//! Passwords and words: from the terminal without echo, or from a file or the standard input; never
//! from the command line, which every process of the machine can read. Wiped when dropped.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use blocksmith_wallet::Phrase;
use zeroize::Zeroizing;

/// The longest line that is read, in bytes: more than any password, phrase or passphrase has.
const MAX_LINE_BYTES: usize = 4_096;

/// Where the password comes from.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PasswordArgs {
    /// Read the password from the first line of a file; - is the standard input [default: ask]
    #[arg(long, global = true, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// There is nobody to ask.
#[derive(Debug, thiserror::Error)]
#[error("there is no terminal to ask for {what}: {instead}")]
pub(super) struct NobodyToAsk {
    what: &'static str,
    instead: &'static str,
}

impl PasswordArgs {
    /// The password of a file that exists.
    pub(super) fn get(&self) -> anyhow::Result<Zeroizing<String>> {
        match &self.password_file {
            Some(path) => first_line(path),
            None => ask("the password", "Password of the wallet: ", "name a --password-file"),
        }
    }

    /// A password for a new file, typed twice if it is typed.
    pub(super) fn choose(&self) -> anyhow::Result<Zeroizing<String>> {
        match &self.password_file {
            Some(path) => first_line(path),
            None => ask_twice(
                "a password",
                ["New password for the wallet file: ", "The same again: "],
                "name a --password-file",
            ),
        }
    }
}

/// The words of a wallet: typed, or a line of the standard input. A password that comes from there
/// too is the line before.
pub(super) fn words() -> anyhow::Result<Phrase> {
    let text = if io::stdin().is_terminal() {
        ask("the words", "Words, with spaces between (they are not shown): ", "pipe them in")?
    } else {
        line(&mut stdin()?).context("the words can't be read from the standard input")?
    };
    Phrase::parse(&text).context("these are no words of a wallet; give all of them in one line")
}

/// The passphrase that goes with the words: typed twice, or the line after them.
pub(super) fn passphrase() -> anyhow::Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        return ask_twice(
            "the passphrase",
            ["Passphrase that goes with the words: ", "The same again: "],
            "pipe it in after the words",
        );
    }
    line(&mut stdin()?).context("the passphrase can't be read from the standard input")
}

fn first_line(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let read =
        || if path == Path::new("-") { line(&mut stdin()?) } else { line(&mut File::open(path)?) };
    read().with_context(|| format!("the password can't be read from {}", path.display()))
}

/// The standard input without the buffer of [`io::stdin`], which nobody wipes and which would take
/// more than the line that is asked for.
fn stdin() -> io::Result<File> {
    #[cfg(unix)]
    let own = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    #[cfg(windows)]
    let own = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
    Ok(own.into())
}

/// The next line, without its end. No more than that is read.
fn line(input: &mut impl Read) -> io::Result<Zeroizing<String>> {
    // As long as it gets from the start: growing would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_LINE_BYTES));
    let mut byte = Zeroizing::new([0_u8]);
    loop {
        match input.read(&mut *byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if text.len() == MAX_LINE_BYTES => {
                let why = format!("the line has more than {MAX_LINE_BYTES} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            Ok(_) => text.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let line = text.strip_suffix(b"\r").unwrap_or(&text);
    match std::str::from_utf8(line) {
        Ok(line) => Ok(Zeroizing::new(line.to_owned())),
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the line is not UTF-8")),
    }
}

/// Asks on the terminal, if there is somebody to see it.
fn ask(
    what: &'static str,
    prompt: &str,
    instead: &'static str,
) -> anyhow::Result<Zeroizing<String>> {
    let nobody = NobodyToAsk { what, instead };
    // A terminal that the process merely belongs to may be nobody's: a script would hang there.
    if !io::stdin().is_terminal() && !io::stderr().is_terminal() {
        return Err(nobody.into());
    }
    match rpassword::prompt_password(prompt) {
        Ok(typed) => Ok(Zeroizing::new(typed)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error.into()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            anyhow::bail!("{what} was not given; nothing was done")
        }
        Err(_) => Err(nobody.into()),
    }
}

fn ask_twice(
    what: &'static str,
    [first, again]: [&str; 2],
    instead: &'static str,
) -> anyhow::Result<Zeroizing<String>> {
    let typed = ask(what, first, instead)?;
    if *ask(what, again, instead)? != *typed {
        anyhow::bail!("the two differ, so that one of them was mistyped; nothing was done");
    }
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_to_its_end_and_no_further() {
        let mut input = &b"first \r\nsecond\n\nlast"[..];
        for expected in ["first ", "second", "", "last", ""] {
            assert_eq!(*line(&mut input).expect("a line"), expected);
        }
    }

    #[test]
    fn long_lines_and_bytes_that_are_no_text_are_refused_and_not_quoted() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        assert_eq!(*line(&mut longest.as_bytes()).expect("a line"), longest);
        assert!(line(&mut format!("{longest}x").as_bytes()).is_err());
        let error = line(&mut &b"secret\xff\n"[..]).expect_err("no text");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
