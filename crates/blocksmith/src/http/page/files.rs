//! The files of the page, which `cargo xtask web` makes and the program holds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use axum::http::HeaderValue;
use blocksmith_consensus::Hash;
use bytes::Bytes;
use rust_embed::RustEmbed;

use super::coding::Coding;

/// What was built before the program was, if anything.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Built;

/// The name of the document that every address of the page answers.
const DOCUMENT: &str = "index.html";

/// The folder of everything else.
const ASSETS: &str = "assets/";

/// The page: its document, and the files that the document names.
#[derive(Clone)]
pub struct Page(Arc<Files>);

struct Files {
    document: Option<File>,
    /// By their names below `assets/`.
    assets: BTreeMap<String, File>,
}

/// A file, in the forms that there are of it.
pub(super) struct File {
    /// Its media type.
    pub(super) kind: &'static str,
    forms: Vec<Form>,
}

/// A file as it is sent.
pub(super) struct Form {
    pub(super) coding: Coding,
    pub(super) bytes: Bytes,
    /// The entity tag: it tells these bytes from all others.
    pub(super) tag: HeaderValue,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("has_document", &self.0.document.is_some())
            .field("assets", &self.0.assets.len())
            .finish()
    }
}

impl Default for Page {
    /// The page that the program was built with.
    fn default() -> Self {
        static BUILT: LazyLock<Page> = LazyLock::new(|| {
            let names = Built::iter();
            Page::of(names.filter_map(|name| Some((name.clone(), Built::get(&name)?.data))))
        });
        BUILT.clone()
    }
}

impl Page {
    /// The page of these files, by their paths in the folder in which it was built. Beside `NAME` there
    /// may be `NAME.br` and `NAME.gz`. Without `index.html` there is no page.
    pub fn of<N: Into<String>>(files: impl IntoIterator<Item = (N, Cow<'static, [u8]>)>) -> Self {
        let files: BTreeMap<String, Bytes> =
            files.into_iter().map(|(name, bytes)| (name.into(), shared(bytes))).collect();
        let names: Vec<String> = files.keys().cloned().collect();
        let mut whole = BTreeMap::new();
        for name in names {
            let is_form_of = |coding: &Coding| match name.strip_suffix(coding.suffix()) {
                Some(of) => *coding != Coding::Plain && files.contains_key(of),
                None => false,
            };
            if !Coding::ALL.iter().any(is_form_of) {
                let form = |coding: Coding| {
                    Some(Form::new(coding, files.get(&format!("{name}{}", coding.suffix()))?))
                };
                let forms = Coding::ALL.into_iter().filter_map(form).collect();
                whole.insert(name.clone(), File { kind: media_type(&name), forms });
            }
        }
        let document = whole.remove(DOCUMENT);
        let below = |(name, file): (String, File)| Some((name.strip_prefix(ASSETS)?.into(), file));
        let assets = whole.into_iter().filter_map(below).collect();
        Self(Arc::new(Files { document, assets }))
    }

    /// The document, if there is a page.
    pub(super) fn document(&self) -> Option<&File> {
        self.0.document.as_ref()
    }

    /// The file of this name below `assets/`.
    pub(super) fn asset(&self, name: &str) -> Option<&File> {
        self.0.assets.get(name)
    }
}

/// Bytes that are part of the program are not copied.
fn shared(bytes: Cow<'static, [u8]>) -> Bytes {
    match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}

impl Form {
    fn new(coding: Coding, bytes: &Bytes) -> Self {
        let tag = format!("\"{}\"", &Hash::of(bytes).to_string()[..32]);
        let tag = HeaderValue::try_from(tag).expect("hex digits in quotes");
        Self { coding, bytes: bytes.clone(), tag }
    }
}

impl File {
    /// The form of this coding, if there is one.
    pub(super) fn form(&self, coding: Coding) -> Option<&Form> {
        self.forms.iter().find(|form| form.coding == coding)
    }
}

/// The media type of what a page is made of. Browsers are told not to guess, so that a file of another
/// kind is for download alone.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("webp") => "image/webp",
        Some("woff2") => "font/woff2",
        Some("json" | "map") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        Some("mp3") => "audio/mpeg",
        Some("ogg") => "audio/ogg",
        Some("wav") => "audio/wav",
        _ => "application/octet-stream",
    }
}
