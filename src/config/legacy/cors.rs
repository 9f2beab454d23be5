//! The old proxy's cross-origin access: `cors`.

use crate::config::codec::{Codec, Count, Flag, OneOrMore, Text};
use crate::config::cors::{self, Cors};
use crate::config::field::Presence as _;
use crate::config::item::{Item, Section};
use crate::config::shape::Shape;
use crate::config::table::section;
use std::time::Duration;

section! {
    /// Cross-origin access.
    pub(super) struct LegacyCors {
        /// Allowed origins.
        origins("allowedOrigins"): Vec<Vec<String>> = OneOrMore(Separated(cors::ORIGIN, ORIGINS_FORM)).or("*"),
        /// Allowed request headers.
        headers("allowedHeaders"): Option<Vec<Vec<String>>> = OneOrMore(Separated(cors::HEADER, NAMES_FORM)).optional(),
        /// Allowed methods.
        methods("allowedMethods"): Option<Vec<Vec<String>>> = OneOrMore(Separated(cors::METHOD, METHODS_FORM)).optional(),
        /// Response headers that scripts may read.
        exposed_headers("exposedHeaders"): Option<Vec<Vec<String>>> = OneOrMore(Separated(cors::HEADER, NAMES_FORM)).optional(),
        /// Whether requests may carry cookies.
        credentials("allowCredentials"): bool = Flag.or("false"),
        /// How long a preflight's answer may be kept: seconds, without a unit, since the file is
        /// the vendor's.
        max_age("preflightMaxAge"): u64 = Count(0..=365 * 24 * 3600).or("1800"),
        /// Whether the origin sees preflights.
        chained("chainPreflight"): bool = Flag.or("false"),
    }
    check = check_cors;
}

const ORIGINS_FORM: &str = "origins such as `https://www.example.com`, separated by commas, or `*`";
const NAMES_FORM: &str = "header names, separated by commas, or `*`";
const METHODS_FORM: &str = "methods, separated by commas";

/// Values in one text, separated by commas.
struct Separated(Text<String>, &'static str);

impl Codec for Separated {
    type Value = Vec<String>;

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn read(&self, item: &Item<'_>) -> Option<Vec<String>> {
        let parts = item
            .text(self.1)?
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let values: Result<Vec<String>, _> = parts.map(self.0.parse).collect();
        item.checked(values.ok(), self.1)
    }

    fn print(&self, _: &Vec<String>) -> Option<serde_json::Value> {
        None
    }
}

fn check_cors(section: &Section<'_>, cors: Option<&mut LegacyCors>) {
    let Some(cors) = cors else { return };
    if cors.chained {
        section.warn_at(
            "chainPreflight",
            "known, and not obeyed: the relay answers preflights itself",
        );
    }
    let any = cors.origins.iter().flatten().any(|origin| origin == "*");
    cors::warn_of_origins(section, any, cors.origins.iter().all(Vec::is_empty), cors.credentials);
}

/// The same in the new form.
pub(super) fn modern(legacy: LegacyCors) -> Cors {
    let default = Cors::any_origin();
    let texts = |texts: Option<Vec<Vec<String>>>, default| texts.map_or(default, |texts| texts.concat());
    Cors {
        origins: legacy.origins.concat(),
        credentials: legacy.credentials,
        headers: texts(legacy.headers, default.headers),
        methods: texts(legacy.methods, default.methods),
        exposed_headers: texts(legacy.exposed_headers, default.exposed_headers),
        max_age: Duration::from_secs(legacy.max_age),
    }
}
