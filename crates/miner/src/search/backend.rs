//! The backends, and which of them this processor supports.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::portable;
use super::template::Template;
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512, lanes, sha_ni::ShaNi};

/// A way to hash. Backends differ in speed, never in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// One message at a time through `sha2`, which has its own acceleration for some processors;
    /// it works on all.
    Portable,
    /// x86-64 with AVX2: eight messages at a time.
    Avx2,
    /// x86-64 with the SHA extensions: four messages at a time.
    ShaNi,
    /// x86-64 with AVX-512F: two times sixteen messages at a time.
    Avx512,
}

impl Backend {
    /// All backends, so ordered that the last one that a processor supports is its fastest.
    pub const ALL: &[Self] = &[Self::Portable, Self::Avx2, Self::ShaNi, Self::Avx512];

    /// The name that users write and [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::ShaNi => "sha_ni",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this processor supports it.
    pub fn is_available(self) -> bool {
        Kernel::new(self).is_some()
    }

    /// The last of [`Backend::ALL`] that is available.
    ///
    /// Million tries per second on one core of a Zen 3 at 3.2 GHz, a short prefix: `sha_ni` 50,
    /// `avx2` 26, `portable` 31 where it finds the SHA extensions and 4 where it does not. So
    /// `sha_ni` comes first where there are SHA extensions, and without them `avx2`.
    pub fn fastest() -> Self {
        let available = Self::ALL.iter().rev().find(|backend| backend.is_available());
        *available.expect("portable is available everywhere")
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// From a [`Backend::name`].
impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        let known = Self::ALL.iter().find(|backend| backend.name() == name);
        known.copied().ok_or_else(|| UnknownBackend(name.into()))
    }
}

/// The text is not the name of a [`Backend`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownBackend(pub String);

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no backend {:?}; choose one of", self.0)?;
        for (i, backend) in Backend::ALL.iter().enumerate() {
            write!(f, "{} {backend}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownBackend {}

/// This processor does not support the [`Backend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable(pub Backend);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needs = match self.0 {
            Backend::Portable => "nothing",
            Backend::Avx2 => "an x86-64 processor with AVX2",
            Backend::ShaNi => "an x86-64 processor with the SHA extensions and SSE4.1",
            Backend::Avx512 => "an x86-64 processor with AVX-512F",
        };
        write!(f, "backend {} needs {needs}; available here:", self.0)?;
        let available = Backend::ALL.iter().filter(|backend| backend.is_available());
        for (i, backend) in available.enumerate() {
            write!(f, "{} {backend}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for Unavailable {}

/// A backend together with the proof that this processor supports it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kernel {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    ShaNi(ShaNi),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Kernel {
    pub(super) fn new(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Portable => Some(Self::Portable),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 => Avx2::new().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Backend::ShaNi => ShaNi::new().map(Self::ShaNi),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 => Avx512::new().map(Self::Avx512),
            #[cfg(not(target_arch = "x86_64"))]
            Backend::Avx2 | Backend::ShaNi | Backend::Avx512 => None,
        }
    }

    pub(super) fn backend(self) -> Backend {
        match self {
            Self::Portable => Backend::Portable,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Backend::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi(_) => Backend::ShaNi,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Backend::Avx512,
        }
    }

    /// About how many compressions a thread does before it checks on the others: they take up to a
    /// millisecond, or two without help from the processor. Two streams of sixteen lanes that take
    /// ten numbers each leave some lanes empty in a short range.
    pub(super) fn range_compressions(self) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => 100_000,
            _ => 10_000,
        }
    }

    /// The lowest valid proof in `range`, which is not empty and whose numbers all have the
    /// template's number of digits.
    pub(super) fn first_hit(self, template: &mut Template, range: Range<u64>) -> Option<u64> {
        match self {
            Self::Portable => portable::first_hit(template, range),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => lanes::first_hit(&avx2, template, range),
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi(sha_ni) => lanes::first_hit(&sha_ni, template, range),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(avx512) => lanes::first_hit(&avx512, template, range),
        }
    }
}
