//! What a browser lets the page do: only what the page needs, and nothing with other hosts.

use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Which pages may show this one in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frames {
    /// Pages of this node.
    Own,
    /// All: nothing can be done there that a frame could trick a visitor into.
    Any,
}

/// Scripts, styles, images, sounds and workers are files of the page, and it calls this node alone. There are
/// no inline scripts and no inline styles, so that text from the chain becomes neither.
macro_rules! content {
    ($ancestors:literal) => {
        concat!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; ",
            "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors ",
            $ancestors
        )
    };
}

/// Sounds may be played and the screen may be filled; nothing here asks for a device, a place or a payment
/// of the browser's own.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(self), camera=(), display-capture=(), \
                           encrypted-media=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), \
                           local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), \
                           publickey-credentials-create=(), publickey-credentials-get=(), serial=(), \
                           storage-access=(), usb=(), xr-spatial-tracking=()";

/// Adds the headers to an answer. Every file has them: a worker follows the policy of its own script, and a
/// picture can be opened like a page.
pub(super) fn set(headers: &mut HeaderMap, frames: Frames) {
    let content = match frames {
        Frames::Own => content!("'self'"),
        Frames::Any => content!("*"),
    };
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, content),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, PERMISSIONS),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
