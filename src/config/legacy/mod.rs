//! The file of the Content Store's own proxy, recognised by its key `backends`.
//!
//! All backends become one source, merged, at `/` and `/sse`. A key that is known and means nothing
//! here is one warning, an unknown one a mistake. Where the file says nothing, our own defaults
//! hold, with one exception: the vendor's daemon takes 600 s of silence for a dead connection and
//! no heartbeat is documented, so `read_timeout` is that.

mod backend;
mod cors;
mod server;

use super::addresses::Listen;
use super::codec::{Custom, List};
use super::field::Presence as _;
use super::item::{Item, Section};
use super::node::{Node, Value};
use super::root::Config;
use super::shape::Shape;
use super::source::Source;
use super::table::{Ignored, Table as _, nested, section};
use super::upstream::{self, Upstream};
use backend::{BACKEND, BACKENDS_FORM};
use cors::LegacyCors;
use server::Server;
use std::sync::Arc;

/// The merged source's name.
const SOURCE_NAME: &str = "changelog";
/// Where its clients find it.
const PATHS: [&str; 2] = ["/", "/sse"];

section! {
    /// The whole file.
    struct File {
        /// Where clients and the admin connect.
        server: Server = nested().or("{}"),
        /// The origins.
        backends: Vec<Upstream> = List(BACKEND, BACKENDS_FORM).needed(BACKENDS_FORM),
        /// Cross-origin access.
        cors: Option<LegacyCors> = nested().optional(),
        /// What is logged.
        logging: Logging = nested().or("{}"),
    }
    unsupported = FILE_IGNORED.map(Ignored);
    check = check_file;
}

section! {
    /// What is logged.
    struct Logging {
        /// As a log filter.
        level: Option<&'static str> = LEVEL.optional(),
    }
    unsupported = LOGGING_IGNORED.map(Ignored);
    check = |section, _| Ignored::warn(&LOGGING_IGNORED, section);
}

/// Whether the tree is such a file.
pub(super) fn is_legacy(root: &Node) -> bool {
    root.get("backends").is_some() && root.get("sources").is_none()
}

/// Reads the whole file: the configuration, and the log filter that it asks for. `None` only after
/// a mistake.
pub(super) fn read(root: &Item<'_>) -> Option<(Config, Option<String>)> {
    let file = File::read(root)?;
    let first = file.backends.first()?.target.urls().first()?.clone();
    // The new form's defaults; what this file says comes in their place.
    let mut config = Config::for_upstream(&first, PATHS[0]).ok()?;
    let source = Arc::make_mut(config.sources.first_mut()?);
    *source = Source {
        name: SOURCE_NAME.to_owned(),
        paths: PATHS.iter().map(|path| (*path).to_owned()).collect(),
        upstreams: file.backends,
        cors: file.cors.map(cors::modern),
        ..source.clone()
    };
    upstream::name_apart(&mut source.upstreams);
    config.listen = file.server.listen().into_iter().map(Into::into).collect();
    config.admin = Some(file.server.admin());
    Some((config, file.logging.level.map(str::to_owned)))
}

fn check_file(section: &Section<'_>, file: Option<&mut File>) {
    Ignored::warn(&FILE_IGNORED, section);
    if section
        .get("backends")
        .is_some_and(|item| matches!(&item.node.value, Value::List(all) if all.is_empty()))
    {
        section.mistake_at("backends", "no backend", "at least one, with a `uri`");
    }
    let Some(file) = file else { return };
    let admin = file.server.admin();
    if admin.port() != 0 && file.server.listen().contains(&Listen::Tcp(admin)) {
        let expected = "an address and port of its own for each";
        section
            .item
            .mistake(format!("clients and admin both at `{admin}`"), expected);
    }
}

/// `logging.level` as a log filter.
const LEVEL: Custom<&'static str> = Custom {
    shape: || Shape::Text(&["INFO"]),
    read: |item| {
        let form = "one of `OFF`, `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`, `ALL`";
        let filter = match item.text(form)?.to_ascii_uppercase().as_str() {
            // YAML 1.1 reads a bare OFF as false, and tools that rewrite files write it so.
            "OFF" | "FALSE" => Some("off"),
            "ERROR" => Some("error"),
            "WARN" => Some("warn"),
            "INFO" => Some("info"),
            "DEBUG" => Some("debug"),
            "TRACE" | "ALL" => Some("trace"),
            _ => None,
        };
        item.checked(filter, form)
    },
    print: |_| None,
};

const FILE_IGNORED: [&str; 3] = ["metrics", "health", "admin"];
const LOGGING_IGNORED: [&str; 2] = ["loggers", "appenders"];
