//! The files of `src`, and the arrows between them: file A has an arrow to B if A names something
//! that B defines.

use crate::imports::{Imports, imports};
use crate::tokens::{tokens, without_tests};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module's path, `["http", "head", "parse"]`; the program's own is `["main"]`.
pub(crate) type Module = Vec<String>;

/// All files of `src`, without what only tests see.
pub(crate) struct House {
    files: BTreeMap<Module, Imports>,
}

/// One file that names something in another, and what.
pub(crate) struct Arrow {
    pub(crate) from: Module,
    pub(crate) to: Module,
    pub(crate) name: String,
}

impl House {
    /// Reads the files from the program and the library on, along `mod name;`.
    pub(crate) fn read(src: &Path) -> Self {
        let mut house = Self { files: BTreeMap::new() };
        house.add(src, &src.join("main.rs"), vec!["main".to_owned()]);
        house.add(src, &src.join("lib.rs"), Vec::new());
        house
    }

    fn add(&mut self, src: &Path, file: &Path, module: Module) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let imports = imports(&without_tests(&tokens(&text)), &module);
        let children = imports.modules.clone();
        self.files.insert(module.clone(), imports);
        for child in children {
            let module = [module.as_slice(), &[child]].concat();
            let path: std::path::PathBuf = std::iter::once(src.as_os_str())
                .chain(module.iter().map(std::ffi::OsStr::new))
                .collect();
            let (flat, folder) = (path.with_extension("rs"), path.join("mod.rs"));
            self.add(src, if flat.exists() { &flat } else { &folder }, module);
        }
    }

    /// The rooms: the modules at the top, and the program.
    pub(crate) fn rooms(&self) -> BTreeSet<String> {
        self.files.keys().filter_map(|module| module.first().cloned()).collect()
    }

    /// Every path inside the crate that a file names, with the file.
    pub(crate) fn named(&self) -> Vec<(Module, Vec<String>)> {
        let named = |imports: &Imports| {
            [
                imports.used.clone(),
                imports.handed_on.iter().map(|(_, path)| path.clone()).collect(),
            ]
            .concat()
        };
        self.each(named)
    }

    /// Every path of another crate that a file names, with the file.
    pub(crate) fn foreign(&self) -> Vec<(Module, Vec<String>)> {
        self.each(|imports| imports.foreign.clone())
    }

    fn each(&self, paths: impl Fn(&Imports) -> Vec<Vec<String>>) -> Vec<(Module, Vec<String>)> {
        let files = self.files.iter().filter(|(module, _)| !module.is_empty());
        files
            .flat_map(|(module, imports)| paths(imports).into_iter().map(|path| (module.clone(), path)))
            .collect()
    }

    /// All arrows, without those from a file to itself and those that only hand a name on.
    pub(crate) fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (from, imports) in &self.files {
            for path in &imports.used {
                let (to, name) = self.definition(path, 0);
                if to != *from && !to.is_empty() {
                    arrows.push(Arrow {
                        from: from.clone(),
                        to,
                        name,
                    });
                }
            }
        }
        arrows
    }

    /// The file that defines what a path names: the last module on the way, or the one that it has
    /// the name from.
    fn definition(&self, path: &[String], depth: usize) -> (Module, String) {
        let longest = (0..=path.len())
            .rev()
            .find(|&length| self.files.contains_key(&path[..length]));
        let (module, rest) = path.split_at(longest.unwrap_or(0));
        let Some(name) = rest.first() else {
            return (module.to_vec(), String::new());
        };
        let handed_on = self.files[module].handed_on.iter().find(|(handed, _)| handed == name);
        match handed_on {
            // Names may be handed on several times, but not for ever.
            Some((_, from)) if depth < 8 => self.definition(from, depth + 1),
            _ => (module.to_vec(), name.clone()),
        }
    }
}

/// The groups of modules from which one gets back to where one began.
pub(crate) fn circles(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<BTreeSet<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<Module>> = arrows.keys().map(|from| (from, reach(from, arrows))).collect();
    let circle = |module: &Module| -> BTreeSet<Module> {
        let there = &reached[module];
        let back = there
            .iter()
            .filter(|to| reached.get(to).is_some_and(|back| back.contains(module)));
        back.cloned().collect()
    };
    let all: BTreeSet<_> = arrows.keys().map(circle).filter(|circle| circle.len() > 1).collect();
    all.into_iter().collect()
}

fn reach(from: &Module, arrows: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.clone()];
    while let Some(module) = open.pop() {
        for next in arrows.get(&module).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}
