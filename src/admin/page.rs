//! The dashboard's page: markup, style and scripts in one answer.
//!
//! They are files of their own here and one document there, so that who is let in to the page by a
//! query parameter gets all of it. The policy names style and script by their digests: nothing else
//! runs, whatever an origin manages to have shown.

use crate::auxiliary_http::response::{self, HTML, Response};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY};
use std::sync::LazyLock;

const MARKUP: &str = include_str!("dashboard/page.html");
const STYLE: &[&str] = &[
    include_str!("dashboard/colours.css"),
    include_str!("dashboard/layout.css"),
];
/// In this order they are one module.
const SCRIPT: &[&str] = &[
    include_str!("dashboard/words.js"),
    include_str!("dashboard/elements.js"),
    include_str!("dashboard/chart.js"),
    include_str!("dashboard/verdict.js"),
    include_str!("dashboard/overview.js"),
    include_str!("dashboard/sources.js"),
    include_str!("dashboard/shared_log.js"),
    include_str!("dashboard/source.js"),
    include_str!("dashboard/stream.js"),
];

/// Where the markup has the others.
const STYLE_PLACE: &str = "/* style */";
const SCRIPT_PLACE: &str = "/* script */";

struct Page {
    text: Bytes,
    policy: HeaderValue,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let (style, script) = (STYLE.concat(), SCRIPT.concat());
    let text = MARKUP.replace(STYLE_PLACE, &style).replace(SCRIPT_PLACE, &script);
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(&script),
        hash(&style),
    );
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let text = text.into();
    Page { text, policy }
});

/// As a policy names a piece of a page (CSP level 3, 2.3.1).
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

/// The page.
pub(super) fn dashboard() -> Response {
    let mut response = response::whole(StatusCode::OK, HTML, PAGE.text.clone());
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, PAGE.policy.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("x-frame-options"),
        HeaderValue::from_static("DENY"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No request leaves the page's server: dashboards are opened where there is no internet.
    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let text = String::from_utf8(PAGE.text.to_vec()).unwrap();
        for outside in [
            "https://",
            "//cdn",
            "<link rel=\"stylesheet",
            "src=",
            "@import",
            "url(",
            " style=\"",
        ] {
            assert!(!text.contains(outside), "{outside}");
        }
        // The namespace of SVG is a name, and no address.
        assert_eq!(
            text.matches("http://").count(),
            text.matches("http://www.w3.org/2000/svg").count()
        );
        for markup in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(markup), "what the page shows may hold markup: {markup}");
        }
    }

    #[test]
    fn everything_is_in_its_place() {
        let text = String::from_utf8(PAGE.text.to_vec()).unwrap();
        assert!(!text.contains(STYLE_PLACE) && !text.contains(SCRIPT_PLACE));
        for piece in STYLE.iter().chain(SCRIPT) {
            assert!(text.contains(piece));
            assert!(!piece.contains("</"), "it would end its element");
        }
        let policy = PAGE.policy.to_str().unwrap();
        assert!(policy.contains(&hash(&SCRIPT.concat())) && policy.contains(&hash(&STYLE.concat())));
        assert!(!policy.contains("unsafe"));
    }
}
