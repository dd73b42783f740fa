//! Every text that the program can show to a person, read from its sources: messages, lines of the log, help,
//! and what the API says of itself. What only tests say is left out, and so is what only a fault of the
//! program itself would print: the texts of `panic!`, `assert!` and `expect`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Where the program starts, and the libraries that it is made of.
const ROOTS: [&str; 9] = [
    "crates/api/src/lib.rs",
    "crates/blocksmith/src/lib.rs",
    "crates/blocksmith/src/main.rs",
    "crates/consensus/src/lib.rs",
    "crates/miner/src/lib.rs",
    "crates/node/src/lib.rs",
    "crates/service/src/lib.rs",
    "crates/text/src/lib.rs",
    "crates/wallet/src/lib.rs",
];

/// What a macro or a method with this name takes is for programmers: no input leads there.
const FOR_PROGRAMMERS: [&str; 10] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "panic",
    "unreachable",
    "expect",
    "cfg",
    "stringify",
    "asm",
];

/// Derives that turn the documentation of a type into help, or into a part of `/openapi.json`.
const SHOWN: [&str; 6] = ["Parser", "Args", "Subcommand", "ValueEnum", "ToSchema", "IntoParams"];

/// Words and turns over which a reader stumbles whose mother tongue is not English, and what to write instead.
#[cfg(test)]
const STUMBLES: [(&str, &str); 33] = [
    ("whoever", "say who: the operator, the payer, anyone who"),
    ("nobody", "say what is not done: payments are not signed"),
    ("somebody", "say who: another miner, a user"),
    ("anybody", "anyone, or say who"),
    ("that which", "what, or the noun"),
    ("is none", "there is no …, or … is not a …"),
    ("are none", "there are no …"),
    ("none is", "there is no …"),
    ("is not one by", "is not by"),
    ("that is none", "that is not a …"),
    ("is not right", "say what is wrong with it"),
    ("unasked", "without asking"),
    ("in vain", "without success"),
    ("for want of", "because there is no …"),
    ("be it", "or"),
    ("be had", "is not available"),
    ("has not the form", "does not have the form"),
    ("hence", "so"),
    ("thus", "so"),
    ("whereas", "but"),
    ("lest", "so that … does not"),
    ("would do", "is enough"),
    ("anew", "again"),
    ("a party", "an account, or an address"),
    ("allots", "gives"),
    ("void", "lost, or no longer valid"),
    ("blanks", "spaces"),
    ("exclude each other", "can't be used together"),
    ("goes behind", "comes after"),
    ("in touch", "connected to"),
    ("stand on", "are at"),
    ("stands on", "is at"),
    ("to whose", "whose"),
];

/// A text that the program can show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    /// The source file, seen from the root of the repository.
    pub(crate) file: String,
    /// Where it starts.
    pub(crate) line: usize,
    /// The text as it is printed: with the places of values, without the breaks of the source.
    pub(crate) text: String,
}

/// Prints all of them to the standard output, each behind its file and line.
///
/// # Errors
/// Fails if a source can't be read.
pub(crate) fn print() -> Result<ExitCode, String> {
    let mut out = std::io::stdout().lock();
    for Message { file, line, text } in all()? {
        let text = text.replace('\n', "\n    ");
        if writeln!(out, "{file}:{line}: {text}").is_err() {
            break; // Nobody reads on.
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All of them, by file and line.
fn all() -> Result<Vec<Message>, String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask has a folder");
    let mut found = BTreeSet::new();
    for root in ROOTS {
        of_file(top, Path::new(root), &mut found)?;
    }
    Ok(found.into_iter().collect())
}

/// The texts of a file, and of the modules that it names.
fn of_file(top: &Path, file: &Path, found: &mut BTreeSet<Message>) -> Result<(), String> {
    let source = std::fs::read_to_string(top.join(file))
        .map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    let (messages, modules) = of_source(&file.display().to_string(), &source)?;
    found.extend(messages);
    // `lib.rs`, `main.rs` and `mod.rs` have their modules beside them, others in a folder of their name.
    let folder = match file.file_name().and_then(|name| name.to_str()) {
        Some("lib.rs" | "main.rs" | "mod.rs") => file.parent().expect("a folder").to_path_buf(),
        _ => file.with_extension(""),
    };
    for module in modules {
        let flat = folder.join(&module).with_extension("rs");
        let deep = folder.join(&module).join("mod.rs");
        of_file(top, if top.join(&flat).is_file() { &flat } else { &deep }, found)?;
    }
    Ok(())
}

/// The texts of one source, and the modules whose sources are files of their own.
fn of_source(file: &str, source: &str) -> Result<(Vec<Message>, Vec<PathBuf>), String> {
    let parsed = syn::parse_file(source).map_err(|error| format!("{file}: {error}"))?;
    let mut reader = Reader { file: file.into(), ..Reader::default() };
    reader.visit_file(&parsed);
    Ok((reader.found, reader.modules))
}

#[derive(Default)]
struct Reader {
    file: String,
    /// The modules, in whose blocks this is.
    inside: PathBuf,
    /// Whether the documentation of fields and variants is shown.
    shown: bool,
    found: Vec<Message>,
    modules: Vec<PathBuf>,
}

impl Reader {
    fn add(&mut self, line: usize, text: String) {
        self.found.push(Message { file: self.file.clone(), line, text });
    }

    /// A string of code is a message if it has a blank, and a letter outside of quotes and places of values:
    /// one word is a key, a name or a path, and what has letters in quotes alone is JSON.
    fn literal(&mut self, literal: &syn::LitStr) {
        let text = literal.value();
        let (mut bare, mut quoted, mut braces) = (String::new(), false, 0_u32);
        for c in text.chars() {
            match c {
                '"' => quoted = !quoted,
                '{' => braces += 1,
                '}' => braces = braces.saturating_sub(1),
                c if !quoted && braces == 0 => bare.push(c),
                _ => {}
            }
        }
        if text.trim().contains(char::is_whitespace) && bare.contains(char::is_alphabetic) {
            self.add(literal.span().start().line, text);
        }
    }

    /// The strings of what a macro or an attribute takes.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Ident(name) if FOR_PROGRAMMERS.contains(&name.to_string().as_str()) => {
                    if let Some(TokenTree::Punct(_)) = tokens.get(at) {
                        at += 1;
                    }
                    if let Some(TokenTree::Group(_)) = tokens.get(at) {
                        at += 1;
                    }
                }
                TokenTree::Ident(name) if name == "concat" => {
                    if let (Some(TokenTree::Punct(_)), Some(TokenTree::Group(parts))) =
                        (tokens.get(at), tokens.get(at + 1))
                    {
                        self.joined(parts.stream());
                        at += 2;
                    }
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let syn::Lit::Str(literal) = syn::Lit::new(literal.clone()) {
                        self.literal(&literal);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    /// What `concat!` makes one string.
    fn joined(&mut self, parts: TokenStream) {
        let literals = parts.into_iter().filter_map(|part| match part {
            TokenTree::Literal(literal) => match syn::Lit::new(literal) {
                syn::Lit::Str(literal) => Some(literal),
                _ => None,
            },
            _ => None,
        });
        let literals: Vec<syn::LitStr> = literals.collect();
        if let Some(first) = literals.first() {
            let text = literals.iter().map(syn::LitStr::value).collect();
            self.add(first.span().start().line, text);
        }
    }

    /// The documentation of an item, with the lines of a paragraph in one.
    fn documentation(&mut self, attributes: &[syn::Attribute]) {
        let (mut first, mut text) = (None, String::new());
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
            let syn::Meta::NameValue(pair) = &attribute.meta else { continue };
            let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &pair.value else {
                continue;
            };
            first.get_or_insert(line.span().start().line);
            match line.value().trim() {
                "" => text.push('\n'),
                words if text.is_empty() || text.ends_with('\n') => text.push_str(words),
                words => {
                    text.push(' ');
                    text.push_str(words);
                }
            }
        }
        if let Some(first) = first {
            self.add(first, text);
        }
    }
}

/// Whether what has these attributes is compiled for tests alone.
fn of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        let last = path.segments.last().map(|last| last.ident.to_string());
        match (&attribute.meta, last.as_deref()) {
            (syn::Meta::List(list), Some("cfg")) => {
                let condition = list.tokens.to_string();
                condition == "test" || condition.replace(' ', "").starts_with("all(test")
            }
            (_, Some("test")) => true,
            _ => false,
        }
    })
}

/// Whether documentation behind these attributes is shown: by a derive, or as a call of the API.
fn is_shown(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("derive") => {
            let derives = list.tokens.to_string();
            let mut names = derives.split(|c: char| !c.is_alphanumeric());
            names.any(|name| SHOWN.contains(&name))
        }
        syn::Meta::List(list) => list.path.segments.first().is_some_and(|it| it.ident == "utoipa"),
        _ => false,
    })
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = attributes_of(item);
        if of_tests(attributes) {
            return;
        }
        let shown = std::mem::replace(&mut self.shown, is_shown(attributes));
        if self.shown {
            self.documentation(attributes);
        }
        match item {
            syn::Item::Mod(module) if module.content.is_none() => {
                self.modules.push(self.inside.join(module.ident.to_string()));
            }
            syn::Item::Mod(module) => {
                self.inside.push(module.ident.to_string());
                visit::visit_item(self, item);
                self.inside.pop();
            }
            _ => visit::visit_item(self, item),
        }
        self.shown = shown;
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if self.shown {
            self.documentation(&field.attrs);
        }
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if self.shown {
            self.documentation(&variant.attrs);
        }
        visit::visit_variant(self, variant);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !of_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !of_tests(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    /// Other documentation than that which is shown is for programmers, and so are lints' reasons.
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let syn::Meta::List(list) = &attribute.meta else { return };
        if list.path.is_ident("error") {
            // One word is a whole message here.
            if let Ok(text) = syn::parse2::<syn::LitStr>(list.tokens.clone()) {
                return self.add(text.span().start().line, text.value());
            }
        }
        if !["allow", "expect", "derive", "cfg", "must_use"].iter().any(|it| list.path.is_ident(it))
        {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let name = called.path.segments.last().map(|last| last.ident.to_string());
        match name.as_deref() {
            Some("concat") => self.joined(called.tokens.clone()),
            Some(name) if FOR_PROGRAMMERS.contains(&name) => {}
            _ => self.tokens(called.tokens.clone()),
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "expect" {
            self.visit_expr(&call.receiver);
        } else {
            visit::visit_expr_method_call(self, call);
        }
    }

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.literal(literal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The turns of [`STUMBLES`] that a text has, within a part between two marks.
    fn stumbles(text: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        let words = text.to_lowercase().replace([',', ';', ':', '.', '{', '('], " | ");
        let words = words.split(|c: char| !c.is_alphanumeric() && !"'’|".contains(c));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let words = format!(" {} ", words.join(" "));
        STUMBLES.iter().filter(move |(turn, _)| words.contains(&format!(" {turn} ")))
    }

    #[test]
    fn no_text_has_a_word_over_which_readers_stumble() {
        let found = all().expect("sources");
        assert!(found.len() > 1_000, "{} texts", found.len());
        let mut bad = String::new();
        for Message { file, line, text } in found {
            for (turn, instead) in stumbles(&text) {
                bad.push_str(&format!("{file}:{line}: {text:?} has {turn:?}: write {instead}\n"));
            }
        }
        assert!(bad.is_empty(), "\n{bad}");
    }

    #[test]
    fn a_turn_is_found_across_lines_and_in_capitals_and_not_within_a_word() {
        let of = |text| stumbles(text).map(|(turn, _)| *turn).collect::<Vec<_>>();
        assert_eq!(of("Whoever asks: this\nis none"), ["whoever", "is none"]);
        assert_eq!(of("a nonexistent block, the thusness of it"), Vec::<&str>::new());
        assert_eq!(of("it can't be: it has to. There is; none"), Vec::<&str>::new());
    }

    const SOURCE: &str = r#"
//! A library.

mod below;
#[cfg(test)]
mod tests;
mod block {
    mod deeper;
}

/// An error for programmers.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Not shown.
    #[error("late")]
    #[error("the block is \
             too late: {0}")]
    Late(u64),
}

/// Sends coins
///
/// To one address,
/// or to several.
#[derive(Debug, clap::Args)]
#[command(after_help = "See the README.")]
struct Send {
    /// How many
    #[arg(long, value_name = "N", help = "How many coins")]
    amount: u64,
}

/// What a call answers.
#[utoipa::path(get, path = "/status", responses((status = 200, description = "A status of the node")))]
fn call() -> Result<(), Error> {
    const KEY: &str = "key";
    tracing::warn!(%key, "a peer is gone");
    let _ = one().with_context(|| format!("{} can't be read", path.display()))?;
    writeln!(out, concat!("two ", "parts"))?;
    assert!(sane, "no input leads here");
    known.expect("it is known");
    let text = anyhow!("no such node: {}", match name { Some(name) => "a b", None => unreachable!("never ever") });
}

#[test]
fn a_test() {
    let _ = "what tests say";
}

impl Send {
    #[cfg(test)]
    fn for_tests() -> &'static str {
        "only for tests"
    }

    fn help() -> &'static str {
        "what to type"
    }
}
"#;

    #[test]
    fn every_text_that_a_person_can_meet_is_listed_and_no_other() {
        let (found, modules) = of_source("a.rs", SOURCE).expect("Rust");
        let found: Vec<_> = found.iter().map(|it| (it.line, it.text.as_str())).collect();
        assert_eq!(
            found,
            [
                (15, "late"),
                (16, "the block is too late: {0}"),
                (21, "Sends coins\nTo one address, or to several."),
                (26, "See the README."),
                (28, "How many"),
                (29, "How many coins"),
                (33, "What a call answers."),
                (34, "A status of the node"),
                (37, "a peer is gone"),
                (38, "{} can't be read"),
                (39, "two parts"),
                (42, "no such node: {}"),
                (42, "a b"),
                (57, "what to type"),
            ]
        );
        assert_eq!(modules, [PathBuf::from("below"), PathBuf::from("block/deeper")]);
    }
}
