//! That imports are found at all: the other tests would hold if none were.

use crate::imports::{Imports, imports};
use crate::tokens::{tokens, without_tests};

fn read(source: &str) -> Imports {
    let here = ["room".to_owned(), "file".to_owned()];
    imports(&without_tests(&tokens(source)), &here)
}

fn used(source: &str) -> Vec<String> {
    let used = read(source).used;
    used.iter().map(|path| path.join("::")).collect()
}

#[test]
fn trees_of_use() {
    assert_eq!(
        used("use crate::a::{self, b::{C, D as E}, f::*};"),
        ["a", "a::b::C", "a::b::D", "a::f::*"]
    );
    assert_eq!(
        used("use super::x::Y; use self::z::W;"),
        ["room::x::Y", "room::file::z::W"]
    );
    assert_eq!(
        used("mod child; use child::Name; fn f() { child::call() }"),
        ["room::file::child::Name", "room::file::child::call"]
    );
}

#[test]
fn paths_in_code() {
    assert_eq!(
        used("fn f(x: crate::a::B) -> Vec<super::C> { super::super::d::e::<u8>() }"),
        ["a::B", "room::C", "d::e"]
    );
}

#[test]
fn names_that_are_handed_on() {
    let imports = read("mod child; pub use child::{A, B as C}; pub(crate) use super::D;");
    let handed_on: Vec<_> = imports
        .handed_on
        .iter()
        .map(|(name, path)| format!("{name}: {}", path.join("::")))
        .collect();
    assert_eq!(
        handed_on,
        ["A: room::file::child::A", "C: room::file::child::B", "D: room::D"]
    );
    assert!(imports.used.is_empty());
}

#[test]
fn what_is_no_import() {
    let source = r##"
        // use crate::a::B;
        /* use crate::a::B; /* nested */ */
        /// [`B`](crate::a::B)
        const TEXT: &str = "use crate::a::B; \" crate::a::B";
        const RAW: &str = r#"crate::a::B""#;
        const QUOTE: char = '"';
        pub(in crate::a) const VISIBLE: u8 = 0;
        fn lifetime<'a>(x: &'a str) -> impl Sized + use<'a> { x }
        #[cfg(test)]
        use crate::only::Tests;
        #[cfg(test)]
        mod tests { use crate::a::B; }
        #[cfg(all(test, fanfare_loom))]
        mod loom;
    "##;
    let imports = read(source);
    assert!(imports.used.is_empty(), "{:?}", imports.used);
    assert!(imports.modules.is_empty());
}

#[test]
fn paths_of_other_crates() {
    let foreign = read("use std::{fmt, io::Write as _}; use bytes::Bytes; fn f() { tokio::spawn(g()) }").foreign;
    let foreign: Vec<_> = foreign.iter().map(|path| path.join("::")).collect();
    assert_eq!(foreign, ["std::fmt", "std::io::Write", "bytes::Bytes", "tokio::spawn"]);
}
