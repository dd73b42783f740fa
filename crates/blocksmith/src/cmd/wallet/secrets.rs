//! Passwords and words, read from the terminal without echo, from a file, or from the standard
//! input; never from the command line, which every process of the machine can read. They are wiped
//! when dropped.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context as _;
use blocksmith_wallet::keystore::OpenError;
use blocksmith_wallet::words::{BadPhrase, nearest, written_words};
use blocksmith_wallet::written::{
    Encoding, Named, NotText, decode_as, is_blank, is_mark, without_end_marks,
};
use blocksmith_wallet::{FileError, Phrase, Wallet, WalletFile};
use zeroize::Zeroizing;

use super::note;
use crate::text::is_plain;

/// The longest line that is read, in bytes of UTF-8: longer than any password, phrase or
/// passphrase.
const MAX_LINE_BYTES: usize = 4_096;

/// The most lines that are read for words: one for each word, and as many between them.
const MAX_LINES: usize = 64;

/// The most words of a phrase.
const MOST_WORDS: usize = 24;

/// The most words that are named as what a mistyped one may be.
const MAX_NEAR: usize = 6;

/// Where the password comes from.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PasswordArgs {
    /// Read the password from the first line of a file; - is the standard input [default: ask]
    #[arg(long, global = true, value_name = "FILE", env = "BLOCKSMITH_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
}

/// There is no terminal to ask on.
#[derive(Debug, thiserror::Error)]
#[error("there is no terminal to ask for {what}: {instead}")]
pub(super) struct NobodyToAsk {
    what: &'static str,
    instead: &'static str,
}

/// A password as it was typed or as a file has it. White space around it, a byte order mark and what
/// old editors put behind a file's end are not part of it: a person who types the password would
/// not know of them.
pub(super) struct Password {
    literal: Zeroizing<String>,
}

impl Password {
    /// The password without what editors add.
    fn bare(&self) -> &str {
        self.part(|line| without_end_marks(line).trim_matches(is_blank))
    }

    /// The first part with text: another system's line ends may divide the line into several.
    fn part(&self, bare: impl Fn(&str) -> &str) -> &str {
        parts(&self.literal).map(bare).find(|line| !line.is_empty()).unwrap_or("")
    }

    /// Says that one of its characters is invisible, so that a person could not type it, and which
    /// one.
    pub(super) fn hidden(&self) -> Option<String> {
        let mut chars = (1..).zip(self.bare().chars());
        let (place, found) = chars.find(|(_, char)| !is_plain(*char))?;
        let wide = if found == '\0' { ", not as UTF-32" } else { "" };
        Some(format!(
            "character {place} of the password is {}, which is invisible and hard to type: remove \
             it, and save a password file as UTF-8{wide}",
            Named(found)
        ))
    }

    /// Opens a wallet. Returns which reading of the password opened it.
    ///
    /// Older versions took the whole line as the password, or kept a byte order mark in it, or what
    /// old editors put behind a file's end. Wallets of those versions still open: with the same
    /// line, or with the password as a person types it.
    pub(super) fn open(
        &self,
        path: &Path,
    ) -> Result<(WalletFile, Wallet, Zeroizing<String>), FileError> {
        let bare = self.bare();
        let marked = Zeroizing::new(format!("\u{feff}{bare}"));
        let mut readings = vec![bare];
        let ended = self.part(|line| line.trim_matches(is_blank));
        for reading in [self.literal.as_str(), &marked, ended] {
            if !readings.contains(&reading) {
                readings.push(reading);
            }
        }
        let mut outcome =
            Err(FileError::Open { path: path.into(), source: OpenError::WrongPassword });
        for reading in readings {
            outcome = WalletFile::open(path, reading)
                .map(|(file, wallet)| (file, wallet, Zeroizing::new(reading.to_owned())));
            let is_wrong = |error: &FileError| {
                matches!(error, FileError::Open { source: OpenError::WrongPassword, .. })
            };
            if !outcome.as_ref().is_err_and(is_wrong) {
                break;
            }
        }
        outcome
    }
}

impl PasswordArgs {
    /// The password of a file that exists.
    pub(super) fn get(&self) -> anyhow::Result<Password> {
        let literal = match &self.password_file {
            Some(path) => first_line(path)?,
            None => {
                ask("the password", "Password of the wallet: ", "name a file with --password-file")?
            }
        };
        Ok(Password { literal })
    }

    /// A password for a new file; a person types it twice.
    pub(super) fn choose(&self) -> anyhow::Result<Zeroizing<String>> {
        let literal = match &self.password_file {
            Some(path) => first_line(path)?,
            None => ask_twice(
                "a password",
                ["New password for the wallet file: ", "The same again: "],
                "name a file with --password-file",
            )?,
        };
        let password = Password { literal };
        if let Some(hidden) = password.hidden() {
            anyhow::bail!(hidden);
        }
        let bare = password.bare();
        let around = password.literal.trim_matches(is_mark);
        if !bare.is_empty() && around != bare && around.trim_matches(is_blank) == bare {
            note("The spaces around the password are not part of it.");
        }
        Ok(Zeroizing::new(bare.to_owned()))
    }
}

/// The words of a wallet, and their passphrase if there should be one: typed, or from the standard
/// input, where the password, if it comes from there too, is the line before. Words may be on
/// several lines, as mail wraps them and lists number them; the passphrase is the line after.
pub(super) fn words(with_passphrase: bool) -> anyhow::Result<(Phrase, Zeroizing<String>)> {
    const NONE: &str = "these are not the words of a wallet";
    let none = || Zeroizing::new(String::new());
    if io::stdin().is_terminal() {
        let phrase = typed_words()?.context(NONE)?;
        let passphrase = if with_passphrase { typed_passphrase()? } else { none() };
        return Ok((phrase, passphrase));
    }
    let mut lines = with_stdin(Stdin::rest)
        .context("the words can't be read from the standard input")?
        .into_iter();
    let (phrase, count) = find_words(lines.as_slice()).context(NONE)?;
    let mut rest = lines.by_ref().skip(count);
    let passphrase = if with_passphrase { rest.next().unwrap_or_else(none) } else { none() };
    if passphrase.trim_matches(is_blank) != *passphrase {
        note("The passphrase begins or ends with spaces, and they are part of it.");
    } else if let Some((place, found)) =
        (1..).zip(passphrase.chars()).find(|(_, char)| !is_plain(*char))
    {
        note(&format!(
            "Character {place} of the passphrase is {}, which is invisible; it is part of the \
             passphrase.",
            Named(found)
        ));
    }
    if rest.any(|line| !without_end_marks(&line).trim_matches(is_blank).is_empty()) {
        let what = if with_passphrase { "the passphrase" } else { "the words" };
        note(&format!(
            "The text after {what} was not read. (--passphrase reads the line after the words.)"
        ));
    }
    Ok((phrase, passphrase))
}

/// Reads words that are typed or pasted, on as many lines as they take.
fn typed_words() -> anyhow::Result<Result<Phrase, BadPhrase>> {
    let mut all =
        ask("the words", "Words, with spaces between (they are not shown): ", "pipe them in")?;
    loop {
        match Phrase::parse(&all) {
            // Half of a list in two columns has its words, but not in their order.
            Err(why @ (BadPhrase::Count(count) | BadPhrase::Numbers(count)))
                if (1..MOST_WORDS).contains(&count) =>
            {
                let prompt = format!("{count} so far; more words, or an empty line to end: ");
                let more = ask("the words", &prompt, "pipe them in")?;
                if more.trim_matches(is_blank).is_empty() {
                    return Ok(Err(why));
                }
                all = Zeroizing::new(format!("{} {}", *all, *more));
            }
            // What is nearly a secret is shown on the terminal where it was typed, and nowhere else.
            Err(why @ (BadPhrase::Unknown { place } | BadPhrase::Character { place, .. }))
                if io::stderr().is_terminal() =>
            {
                let mut words = written_words(&all)?;
                note(&doubt(&words[place - 1], why));
                let prompt = format!("Word {place} again, or an empty line to end: ");
                let again = ask("the words", &prompt, "pipe them in")?;
                if again.trim_matches(is_blank).is_empty() {
                    return Ok(Err(why));
                }
                words[place - 1] = again;
                // The full capacity from the start: growing would leave a copy behind.
                all = Zeroizing::new(String::with_capacity(MAX_LINE_BYTES));
                for word in words {
                    all.push_str(&word);
                    all.push(' ');
                }
            }
            outcome => return Ok(outcome),
        }
    }
}

/// Says what is wrong with a word that the list lacks, and which ones of the list may be meant.
fn doubt(word: &str, why: BadPhrase) -> Zeroizing<String> {
    let near = nearest(word);
    let meant = match &near[..] {
        [] => "no word in the list is similar: look at your paper again".into(),
        [only] => format!("did you mean '{only}'?"),
        several if several.len() > MAX_NEAR => {
            format!("{} words are as similar: type more of its letters", several.len())
        }
        [others @ .., last] => format!("did you mean '{}' or '{last}'?", others.join("', '")),
    };
    let why = match why {
        BadPhrase::Unknown { .. } => format!("'{word}' is not in the list of 2,048 words"),
        why => why.to_string(),
    };
    Zeroizing::new(format!("{why}; {meant}"))
}

fn typed_passphrase() -> anyhow::Result<Zeroizing<String>> {
    ask_twice(
        "the passphrase",
        ["Passphrase that goes with the words: ", "The same again: "],
        "pipe it in after the words",
    )
}

/// The words at the start of the lines, and how many lines they take.
fn find_words(lines: &[Zeroizing<String>]) -> anyhow::Result<(Phrase, usize)> {
    let mut text = Zeroizing::new(String::new());
    let (mut found, mut first) = (None, None);
    for (count, line) in (1..).zip(lines) {
        let line = without_end_marks(line);
        if line.trim_matches(is_blank).is_empty() {
            continue;
        }
        text = Zeroizing::new(format!("{} {line}", *text));
        match Phrase::parse(&text) {
            // The first lines of a long phrase may be a short one, and a passphrase may look like
            // words.
            Ok(_) if found.is_some() => anyhow::bail!(
                "it is not clear where the words end, because they go on in the next line: give \
                 all of them in one line"
            ),
            Ok(phrase) => found = Some((phrase, count)),
            // An error in a phrase of a valid length says more than an error in the number of
            // words.
            Err(BadPhrase::Count(_) | BadPhrase::Numbers(_)) => {}
            Err(why) => _ = first.get_or_insert(why),
        }
    }
    if let Some(found) = found {
        return Ok(found);
    }
    Err(match (first, Phrase::parse(&text)) {
        (Some(why), _) | (None, Err(why)) => why,
        (None, Ok(_)) => BadPhrase::Count(0),
    }
    .into())
}

/// The first line with text. On the standard input it is the very first line: what follows belongs
/// to other questions.
fn first_line(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let read = || {
        if path == Path::new("-") {
            return with_stdin(Stdin::password);
        }
        let mut lines = Lines::new(File::open(path)?);
        for _ in 1..MAX_LINES {
            match lines.next()? {
                Some(line) if line.trim_matches(is_blank).is_empty() => {}
                line => return Ok(line),
            }
        }
        lines.next()
    };
    let line =
        read().with_context(|| format!("the password can't be read from {}", path.display()))?;
    Ok(line.unwrap_or_default())
}

/// The standard input without the buffer of [`io::stdin`], which is never wiped, and would take in
/// more than the one line.
fn stdin() -> io::Result<File> {
    #[cfg(unix)]
    let own = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    #[cfg(windows)]
    let own = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
    Ok(own.into())
}

/// What was read of the standard input so far.
struct Stdin {
    /// The first bytes say how the later ones are to be read.
    lines: Lines<File>,
    /// Lines of another system that were in one line of this system.
    pending: VecDeque<Zeroizing<String>>,
}

static STDIN: Mutex<Option<Stdin>> = Mutex::new(None);

/// Reads on from the standard input.
fn with_stdin<T>(read: impl FnOnce(&mut Stdin) -> io::Result<T>) -> io::Result<T> {
    let mut guard = STDIN.lock().expect("no thread panics with it");
    if guard.is_none() {
        *guard = Some(Stdin { lines: Lines::new(stdin()?), pending: VecDeque::new() });
    }
    read(guard.as_mut().expect("it was just made"))
}

/// Splits a line at the line ends of other systems.
fn parts(line: &str) -> impl Iterator<Item = &str> {
    line.split(['\r', '\u{85}', '\u{2028}', '\u{2029}'])
}

impl Stdin {
    /// The next line with a password, whole. What follows the password stays for later questions.
    fn password(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let behind = parts(&line).skip_while(|part| part.trim_matches(is_blank).is_empty()).skip(1);
        self.pending.extend(behind.map(|part| Zeroizing::new(part.to_owned())));
        Ok(Some(line))
    }

    /// All lines that are left, up to the most that are read.
    fn rest(&mut self) -> io::Result<Vec<Zeroizing<String>>> {
        let mut rest: Vec<_> = self.pending.drain(..).collect();
        while rest.len() < MAX_LINES
            && let Some(line) = self.lines.next()?
        {
            rest.extend(parts(&line).map(|part| Zeroizing::new(part.to_owned())));
        }
        Ok(rest)
    }
}

/// Lines of secrets, in UTF-8 or UTF-16. No byte is read beyond the line that is asked for.
struct Lines<R> {
    input: R,
    encoding: Option<Encoding>,
}

impl<R: Read> Lines<R> {
    fn new(input: R) -> Self {
        Self { input, encoding: None }
    }

    /// The next line, without its end.
    fn next(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        // The capacity is enough from the start: growing would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * MAX_LINE_BYTES + 4));
        let mut byte = Zeroizing::new([0_u8]);
        loop {
            match self.input.read(&mut *byte) {
                Ok(0) => break,
                Ok(_) => bytes.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if self.encoding.is_none() && (bytes.len() == 2 || *bytes == b"\n") {
                self.encoding = Some(Encoding::of(&bytes));
            }
            let most = match self.encoding {
                Some(Encoding::Utf16Le | Encoding::Utf16Be) => 2 * MAX_LINE_BYTES,
                Some(Encoding::Utf8) | None => MAX_LINE_BYTES,
            };
            if self.ends(&bytes) {
                break;
            }
            if bytes.len() > most {
                let why = format!("the line has more than {most} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let text = decode_as(&bytes, self.encoding.unwrap_or(Encoding::Utf8)).map_err(|error| {
            let why = match error {
                NotText::From(place) => format!(
                    "the line is not UTF-8 from its character {} on; save the file as UTF-8",
                    place.column
                ),
                NotText::Utf32 => error.to_string(),
            };
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        let text = match text {
            Cow::Borrowed(text) => Zeroizing::new(text.to_owned()),
            Cow::Owned(text) => Zeroizing::new(text),
        };
        let line = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Some(Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned())))
    }

    /// Whether the bytes end in a line end.
    fn ends(&self, bytes: &[u8]) -> bool {
        let (units, rest) = bytes.as_chunks::<2>();
        match self.encoding {
            Some(Encoding::Utf16Le) => rest.is_empty() && units.ends_with(&[*b"\n\0"]),
            Some(Encoding::Utf16Be) => rest.is_empty() && units.ends_with(&[*b"\0\n"]),
            Some(Encoding::Utf8) | None => bytes.ends_with(b"\n"),
        }
    }
}

/// Asks on the terminal, if there is one that a person sees.
fn ask(
    what: &'static str,
    prompt: &str,
    instead: &'static str,
) -> anyhow::Result<Zeroizing<String>> {
    let nobody = NobodyToAsk { what, instead };
    // A terminal that the process merely belongs to may be unattended: a script would hang there.
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
        anyhow::bail!("the two are not the same; nothing was done; run the command again");
    }
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_to_its_end_and_no_further() {
        let mut lines = Lines::new(&b"first \r\nsecond\n\nlast"[..]);
        for expected in [Some("first "), Some("second"), Some(""), Some("last"), None] {
            let line = lines.next().expect("a line");
            assert_eq!(line.as_ref().map(|line| line.as_str()), expected);
        }
        let mut lines = Lines::new(&b"first\nsecond"[..]);
        lines.next().expect("a line");
        assert_eq!(lines.input, b"second");
    }

    fn units(unit: fn(u16) -> [u8; 2], text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn lines_in_utf_16_are_the_same() {
        let text = "Zo\u{eb}\u{10a}\u{a00}\r\n\n\u{1f528}";
        for bytes in [units(u16::to_le_bytes, text), units(u16::to_be_bytes, text)] {
            let mut lines = Lines::new(&*bytes);
            for expected in [Some("Zo\u{eb}\u{10a}\u{a00}"), Some(""), Some("\u{1f528}"), None] {
                let line = lines.next().expect("a line");
                assert_eq!(line.as_ref().map(|line| line.as_str()), expected);
            }
        }
        let longest = units(u16::to_le_bytes, &"x".repeat(MAX_LINE_BYTES));
        assert!(Lines::new(&*longest).next().is_ok());
        assert!(Lines::new(&*[&longest[..], b"x\0"].concat()).next().is_err());
    }

    #[test]
    fn long_lines_and_bytes_that_are_no_text_are_refused_and_not_quoted() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        let read = |text: &[u8]| Lines::new(text).next();
        assert_eq!(read(longest.as_bytes()).expect("a line").as_deref(), Some(&longest));
        assert!(read(format!("{longest}x").as_bytes()).is_err());
        let error = read(b"secret\xff\n").expect_err("no text").to_string();
        assert!(!error.contains("secret") && error.contains("from its character 7 on"), "{error}");
    }

    #[test]
    fn what_stands_around_a_password_is_no_part_of_it() {
        for (literal, bare) in [
            ("secret", "secret"),
            ("\u{feff}secret", "secret"),
            (" two words\t", "two words"),
            ("\u{200b}secret\u{a0}", "secret"),
            ("secret\rnot the password\r", "secret"),
            ("\r\rsecret", "secret"),
            ("a \u{a0} b", "a \u{a0} b"),
            ("  ", ""),
        ] {
            let password = Password { literal: Zeroizing::new(literal.to_owned()) };
            assert_eq!(password.bare(), bare, "{literal:?}");
        }
    }
}
