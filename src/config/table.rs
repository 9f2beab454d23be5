//! The table of keys. A section of the file is a struct, and each of its fields is a key: its doc
//! comment is the key's help, its type what the rest of the program gets, and the expression behind
//! it says how the value is read and printed, what it looks like and what holds without it. Schema,
//! `check --print`, documentation and defaults follow.
//!
//! ```text
//! section! {
//!     /// How the process leaves after SIGTERM.
//!     #[derive(Debug, Clone, PartialEq)]
//!     pub struct Drain {
//!         /// Over how long the ends of the streams are spread.
//!         pub spread: Duration = ANY_DURATION.or("10s"),
//!     }
//!     check = warn_of_bounds;
//! }
//! ```

use super::codec::Codec;
use super::field::{Field, row};
use super::item::{Item, Section};
use super::shape::{Key, Shape};
use serde_json::{Map, Value as Json};
use std::marker::PhantomData;

/// A section of the file; implemented by [`section!`].
pub(super) trait Table: Sized {
    /// Its keys, in the order in which they are documented and printed.
    fn keys() -> Vec<Key>;
    /// Old names of keys, with the new ones.
    const RENAMED: &'static [(&'static str, &'static str)];
    /// Every field, read; `None` after a mistake in any.
    fn fields(section: &Section<'_>) -> Option<Self>;
    /// What the keys mean together. Without the value, too: a mistake elsewhere must not hide one
    /// in here.
    fn check(section: &Section<'_>, value: Option<&mut Self>);
    /// As it is written.
    fn print(&self) -> Map<String, Json>;

    /// Reads the section.
    fn read(item: &Item<'_>) -> Option<Self> {
        let section = item.section(&Self::keys(), Self::RENAMED)?;
        let mut value = Self::fields(&section);
        Self::check(&section, value.as_mut());
        value
    }
}

/// A section as a value.
pub(super) struct Nested<T>(PhantomData<T>);

/// A section as a value.
pub(super) fn nested<T: Table>() -> Nested<T> {
    Nested(PhantomData)
}

impl<T: Table> Codec for Nested<T> {
    type Value = T;

    fn shape(&self) -> Shape {
        Shape::Section(T::keys())
    }

    fn read(&self, item: &Item<'_>) -> Option<T> {
        T::read(item)
    }

    fn print(&self, value: &T) -> Option<Json> {
        Some(value.print()).filter(|map| !map.is_empty()).map(Json::Object)
    }
}

/// A key of a later version: a mistake, unless it is turned off by one of these words.
pub(super) struct Unsupported(
    pub(super) &'static str,
    pub(super) &'static [&'static str],
    pub(super) &'static str,
);

impl Unsupported {
    pub(super) fn key(&self) -> Key {
        let Self(name, off, help) = self;
        row(
            name,
            Shape::Unsupported(off),
            &format!("Not supported by this version: {help}."),
        )
    }
}

/// A key that another program knows, and that means nothing here: a warning.
pub(super) struct Ignored(pub(super) &'static str);

impl Ignored {
    pub(super) fn key(&self) -> Key {
        row(self.0, Shape::Any, "")
    }

    /// One warning for each that is there.
    pub(super) fn warn(keys: &[&'static str], section: &Section<'_>) {
        for key in keys.iter().filter(|key| section.present(key).is_some()) {
            section.warn_at(key, "known, and not obeyed: it has no meaning for this relay");
        }
    }
}

/// Holds a field's codec to the field's type.
pub(super) fn typed<T, F: Field<Value = T>>(field: F) -> F {
    field
}

/// A doc comment's lines as one sentence.
pub(super) fn sentence(lines: &[&str]) -> String {
    let words: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    words.join(" ")
}

/// Declares a struct, and its keys with it; see the module.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $help:literal])+
                $field_vis:vis $field:ident $(($key:literal))? : $type:ty = $codec:expr,
            )*
        }
        $(unsupported = $unsupported:expr;)?
        $(renamed = $renamed:expr;)?
        $(check = $check:expr;)?
        $(printed = $printed:path;)?
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[doc = $help])+ $field_vis $field: $type, )*
        }

        impl $crate::config::table::Table for $name {
            const RENAMED: &'static [(&'static str, &'static str)] = &[ $( $renamed )? ];

            fn keys() -> Vec<$crate::config::shape::Key> {
                use $crate::config::field::Field as _;
                let mut keys = Vec::new();
                $( keys.extend($crate::config::table::typed::<$type, _>($codec).keys(
                    $crate::config::table::key_name!($field $($key)?),
                    &$crate::config::table::sentence(&[$($help),+]),
                )); )*
                $( keys.extend($unsupported.iter().map(|extra| extra.key())); )?
                keys
            }

            fn fields(section: &$crate::config::item::Section<'_>) -> Option<Self> {
                use $crate::config::field::Field as _;
                // All of them before the first that is missing ends it: every mistake is recorded.
                $( let $field = $crate::config::table::typed::<$type, _>($codec)
                    .read($crate::config::table::key_name!($field $($key)?), section); )*
                Some(Self { $( $field: $field?, )* })
            }

            fn check(section: &$crate::config::item::Section<'_>, value: Option<&mut Self>) {
                let _ = (section, &value);
                $( let check: fn(&$crate::config::item::Section<'_>, Option<&mut Self>) = $check; check(section, value); )?
            }

            fn print(&self) -> serde_json::Map<String, serde_json::Value> {
                use $crate::config::field::Field as _;
                let mut map = serde_json::Map::new();
                $( $crate::config::table::typed::<$type, _>($codec)
                    .print($crate::config::table::key_name!($field $($key)?), &self.$field, &mut map); )*
                $( $printed(self, &mut map); )?
                map
            }
        }
    };
}

/// A key's name: the field's, or its own.
macro_rules! key_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

pub(super) use {key_name, section};
