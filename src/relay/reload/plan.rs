//! What another configuration asks for, as data: nothing is done here.

use crate::config::{ClientListener, Config, Listen, Source};
use crate::source::Change;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// From the configuration in force to another one.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Every source of the new one, in its order, and what it means for it.
    pub(crate) sources: Vec<(Arc<Source>, Change)>,
    /// The names of those that it has no more.
    pub(crate) removed: Vec<String>,
    pub(crate) listeners: Vec<(Listen, ListenerChange)>,
    /// Whether requests are proxied in another way, or other links lead to the relay.
    pub(crate) is_proxy_changed: bool,
    /// Whether anything else is another.
    pub(crate) is_rest_changed: bool,
    /// Keys that can't change while the process runs, and that say something else now.
    pub(crate) not_in_force: Vec<&'static str>,
}

/// What becomes of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListenerChange {
    Added,
    /// It listens on; new connections are taken up in another way.
    Changed,
    Removed,
}

impl Plan {
    /// From `before`, which is in force, to `after`.
    pub(crate) fn new(before: &Config, after: &Config) -> Self {
        let known: HashMap<&str, &Arc<Source>> = by_name(before);
        let agree = |path: &std::path::Path| after.files.agree_on(&before.files, path);
        let change = |source: &Arc<Source>| match known.get(source.name.as_str()) {
            Some(before) => Change::of(before, source, agree),
            None => Change::Added,
        };
        let sources: Vec<_> = after
            .sources
            .iter()
            .map(|source| (source.clone(), change(source)))
            .collect();
        let left = by_name(after);
        let removed = before
            .sources
            .iter()
            .filter(|source| !left.contains_key(source.name.as_str()));
        let removed: Vec<_> = removed.map(|source| source.name.clone()).collect();
        let is_linked = |change: &Change| !matches!(change, Change::Unchanged | Change::Settings);
        let are_links_changed = !removed.is_empty()
            || sources.iter().any(|(_, change)| is_linked(change))
            || before
                .sources
                .iter()
                .map(|source| &source.paths)
                .ne(after.sources.iter().map(|source| &source.paths));
        Self {
            is_proxy_changed: before.pass != after.pass
                || before.public_url != after.public_url
                || before.trusted_proxies != after.trusted_proxies
                || (are_links_changed && !after.pass.is_empty()),
            is_rest_changed: rest(before) != rest(after),
            listeners: listeners(&before.listen, &after.listen),
            not_in_force: fixed(before, after),
            sources,
            removed,
        }
    }

    /// Whether nothing is to be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.removed.is_empty()
            && self.listeners.is_empty()
            && !self.is_proxy_changed
            && !self.is_rest_changed
            && self.sources.iter().all(|(_, change)| *change == Change::Unchanged)
    }

    /// In words, a line for each thing that changes.
    pub(crate) fn said(&self) -> Vec<String> {
        let changed = self.sources.iter().filter(|(_, change)| *change != Change::Unchanged);
        let sources = changed.map(|(source, change)| format!("source {}: {}", source.name, in_words(change)));
        let removed = self.removed.iter().map(|name| format!("source {name}: removed"));
        let listeners = self
            .listeners
            .iter()
            .map(|(listen, change)| format!("listener {listen}: {change}"));
        let proxy = self.is_proxy_changed.then(|| "pass: changed".to_owned());
        let rest = self.is_rest_changed.then(|| "other settings: changed".to_owned());
        sources
            .chain(removed)
            .chain(listeners)
            .chain(proxy)
            .chain(rest)
            .collect()
    }
}

fn in_words(change: &Change) -> &'static str {
    match change {
        Change::Unchanged => "unchanged",
        Change::Settings => "other settings",
        Change::Upstreams(_) => "reconnects",
        Change::Replaced => "replaced",
        Change::Added => "added",
    }
}

impl fmt::Display for ListenerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        })
    }
}

fn by_name(config: &Config) -> HashMap<&str, &Arc<Source>> {
    config
        .sources
        .iter()
        .map(|source| (source.name.as_str(), source))
        .collect()
}

/// What is looked up where it is needed, and has no part of its own in a plan.
fn rest(config: &Config) -> impl PartialEq + '_ {
    (
        &config.limits,
        &config.drain,
        (config.reload, config.access_log),
        config.public_url.as_ref(),
        &config.trusted_proxies,
        &config.admin_access,
        &config.combine,
        config.sources.iter().map(|source| &source.name).collect::<Vec<_>>(),
    )
}

fn listeners(before: &[ClientListener], after: &[ClientListener]) -> Vec<(Listen, ListenerChange)> {
    let at = |list: &[ClientListener], address: &Listen| list.iter().find(|other| other.address == *address).cloned();
    let new = after.iter().filter_map(|listener| match at(before, &listener.address) {
        None => Some((listener.address.clone(), ListenerChange::Added)),
        Some(same) if same == *listener => None,
        Some(_) => Some((listener.address.clone(), ListenerChange::Changed)),
    });
    let gone = before.iter().filter(|listener| at(after, &listener.address).is_none());
    new.chain(gone.map(|listener| (listener.address.clone(), ListenerChange::Removed)))
        .collect()
}

/// The admin's thread has its listener, each shard its clients, and a process that hands over is
/// looked for where it was found before.
fn fixed(before: &Config, after: &Config) -> Vec<&'static str> {
    let admin = (before.admin != after.admin).then_some("admin");
    let workers = (before.workers != after.workers).then_some("workers");
    let handover = (before.handover != after.handover).then_some("handover");
    let fleet = (before.fleet != after.fleet).then_some("fleet");
    [admin, workers, handover, fleet].into_iter().flatten().collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
