//! How single values are read, printed and described; and lists of them.

use super::item::Item;
use super::shape::Shape;
use super::units;
use super::wording::{between, nearest, one_of, with_hint};
use serde_json::Value as Json;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::time::Duration;

/// One kind of value.
pub(super) trait Codec {
    /// What is made of it.
    type Value;
    /// What it looks like.
    fn shape(&self) -> Shape;
    /// Reads it. `None` only after a mistake has been recorded.
    fn read(&self, item: &Item<'_>) -> Option<Self::Value>;
    /// Writes it so that it is read back; `None`: it is not written.
    fn print(&self, value: &Self::Value) -> Option<Json>;
}

/// A count's bound that no machine reaches, and that any arithmetic stands.
pub(super) const COUNT_MAX: u64 = 1_000_000_000;
/// Any duration.
pub(super) const ANY_DURATION: Span = Span(Duration::ZERO..=units::DURATION_MAX);
/// A duration where none would mean "at once, again and again", or "nothing at all".
pub(super) const SOME_DURATION: Span = Span(Duration::from_millis(1)..=units::DURATION_MAX);

/// `true` or `false`.
pub(super) struct Flag;

impl Codec for Flag {
    type Value = bool;

    fn shape(&self) -> Shape {
        Shape::Flag
    }

    fn read(&self, item: &Item<'_>) -> Option<bool> {
        Word(&[("true", true), ("false", false)]).read(item)
    }

    fn print(&self, value: &bool) -> Option<Json> {
        Some((*value).into())
    }
}

/// One of several words.
pub(super) struct Word<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Codec for Word<T> {
    type Value = T;

    fn shape(&self) -> Shape {
        Shape::Word(self.0.iter().map(|(word, _)| *word).collect())
    }

    fn read(&self, item: &Item<'_>) -> Option<T> {
        let words: Vec<&str> = self.0.iter().map(|(word, _)| *word).collect();
        let expected = one_of(&words);
        let text = item.text(&expected)?;
        let found = self.0.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let near = nearest(text, words.iter().copied()).filter(|_| !item.is_from_environment());
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        item.checked(found, with_hint(&expected, hint.as_deref()))
    }

    fn print(&self, value: &T) -> Option<Json> {
        let word = self.0.iter().find(|(_, known)| known == value);
        word.map(|(word, _)| Json::from(*word))
    }
}

/// A whole number in a range.
pub(super) struct Count(pub(super) RangeInclusive<u64>);

impl Codec for Count {
    type Value = u64;

    fn shape(&self) -> Shape {
        Shape::Count(*self.0.start(), *self.0.end())
    }

    fn read(&self, item: &Item<'_>) -> Option<u64> {
        let expected = format!("a whole number {}", between(&self.0, |n| n.to_string()));
        let text = item.text(&expected)?;
        let number = Some(text)
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|number| self.0.contains(number));
        let hint = without_separators(text).map(|plain| format!("write `{plain}`"));
        let hint = hint.filter(|_| !item.is_from_environment());
        item.checked(number, with_hint(&expected, hint.as_deref()))
    }

    fn print(&self, value: &u64) -> Option<Json> {
        Some((*value).into())
    }
}

/// `10_000`, `10,000` and `1e4` as digits.
fn without_separators(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !"_', ".contains(*c)).collect();
    let is_number = digits.len() < text.len() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some(digits)
}

/// A byte size in a range.
pub(super) struct Size(pub(super) RangeInclusive<u64>);

impl Codec for Size {
    type Value = u64;

    fn shape(&self) -> Shape {
        Shape::Size(*self.0.start(), *self.0.end())
    }

    fn read(&self, item: &Item<'_>) -> Option<u64> {
        match units::size(item.text(units::SIZE_FORM)?) {
            Ok(bytes) if self.0.contains(&bytes) => Some(bytes),
            Ok(_) => item.checked(None, format!("a size {}", between(&self.0, units::format_size))),
            Err(hint) => item.checked(None, with_hint(units::SIZE_FORM, hint)),
        }
    }

    fn print(&self, value: &u64) -> Option<Json> {
        Some(units::format_size(*value).into())
    }
}

/// A count or a size as the number that its field has; see [`number`].
pub(super) struct To<C, T>(C, PhantomData<T>);

/// The range of `codec` has to fit into the field's type.
pub(super) const fn number<C: Codec<Value = u64>, T>(codec: C) -> To<C, T> {
    To(codec, PhantomData)
}

impl<C: Codec<Value = u64>, T: TryFrom<u64> + TryInto<u64> + Copy> Codec for To<C, T> {
    type Value = T;

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn read(&self, item: &Item<'_>) -> Option<T> {
        T::try_from(self.0.read(item)?).ok()
    }

    fn print(&self, value: &T) -> Option<Json> {
        self.0.print(&(*value).try_into().ok()?)
    }
}

/// A duration in a range.
pub(super) struct Span(pub(super) RangeInclusive<Duration>);

impl Codec for Span {
    type Value = Duration;

    fn shape(&self) -> Shape {
        Shape::Duration(*self.0.start(), *self.0.end())
    }

    fn read(&self, item: &Item<'_>) -> Option<Duration> {
        match units::duration(item.text(units::DURATION_FORM)?) {
            Ok(duration) if self.0.contains(&duration) => Some(duration),
            Ok(_) => item.checked(None, format!("a duration {}", between(&self.0, units::format_duration))),
            Err(hint) => item.checked(None, with_hint(units::DURATION_FORM, hint)),
        }
    }

    fn print(&self, value: &Duration) -> Option<Json> {
        Some(units::format_duration(*value).into())
    }
}

/// A part of one: `0.5` or `50%`.
pub(super) struct Ratio;

impl Codec for Ratio {
    type Value = f64;

    fn shape(&self) -> Shape {
        Shape::Ratio
    }

    fn read(&self, item: &Item<'_>) -> Option<f64> {
        let form = "a part of one, such as `0.5` or `50%`";
        let text = item.text(form)?;
        let (number, divisor) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
        let simple = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let ratio = number
            .parse::<f64>()
            .ok()
            .filter(|_| simple)
            .map(|number| number / divisor);
        item.checked(ratio.filter(|ratio| (0.0..=1.0).contains(ratio)), form)
    }

    fn print(&self, value: &f64) -> Option<Json> {
        Some((*value).into())
    }
}

/// Text of a form of its own.
pub(super) struct Text<T> {
    /// What is expected, for messages.
    pub(super) form: &'static str,
    pub(super) examples: &'static [&'static str],
    /// The error says what the text is instead; empty: that it is none is all there is to say.
    pub(super) parse: fn(&str) -> Result<T, &'static str>,
    pub(super) show: fn(&T) -> String,
}

impl<T> Codec for Text<T> {
    type Value = T;

    fn shape(&self) -> Shape {
        Shape::Text(self.examples)
    }

    fn read(&self, item: &Item<'_>) -> Option<T> {
        match (self.parse)(item.text(self.form)?) {
            Ok(value) => Some(value),
            Err("") => item.checked(None, self.form),
            Err(why) => {
                item.mistake(format!("{} is {why}", item.found()), self.form);
                None
            }
        }
    }

    fn print(&self, value: &T) -> Option<Json> {
        Some((self.show)(value).into())
    }
}

/// A value that is read and printed by functions of its own.
pub(super) struct Custom<T> {
    pub(super) shape: fn() -> Shape,
    pub(super) read: fn(&Item<'_>) -> Option<T>,
    pub(super) print: fn(&T) -> Option<Json>,
}

impl<T> Codec for Custom<T> {
    type Value = T;

    fn shape(&self) -> Shape {
        (self.shape)()
    }

    fn read(&self, item: &Item<'_>) -> Option<T> {
        (self.read)(item)
    }

    fn print(&self, value: &T) -> Option<Json> {
        (self.print)(value)
    }
}

/// A list, or the one value that stands instead of it.
pub(super) struct OneOrMore<C>(pub(super) C);

impl<C: Codec> Codec for OneOrMore<C> {
    type Value = Vec<C::Value>;

    fn shape(&self) -> Shape {
        Shape::Either(vec![self.0.shape(), Shape::List(Box::new(self.0.shape()))])
    }

    fn read(&self, item: &Item<'_>) -> Option<Vec<C::Value>> {
        all(&self.0, item.one_or_more())
    }

    fn print(&self, values: &Vec<C::Value>) -> Option<Json> {
        let mut printed: Vec<Json> = values.iter().filter_map(|value| self.0.print(value)).collect();
        match printed.len() {
            1 => printed.pop(),
            _ => Some(Json::Array(printed)),
        }
    }
}

/// The same, and never empty: what is expected is for the message.
pub(super) struct AtLeastOne<C>(pub(super) C, pub(super) &'static str);

impl<C: Codec> Codec for AtLeastOne<C> {
    type Value = Vec<C::Value>;

    fn shape(&self) -> Shape {
        Shape::Either(vec![self.0.shape(), Shape::List(Box::new(self.0.shape()))])
    }

    fn read(&self, item: &Item<'_>) -> Option<Vec<C::Value>> {
        let items = item.one_or_more();
        if items.is_empty() {
            item.mistake("an empty list", self.1);
            return None;
        }
        all(&self.0, items)
    }

    fn print(&self, values: &Vec<C::Value>) -> Option<Json> {
        OneOrMore(&self.0).print(values)
    }
}

/// A list, and nothing instead of it: what is expected is for the message.
pub(super) struct List<C>(pub(super) C, pub(super) &'static str);

impl<C: Codec> Codec for List<C> {
    type Value = Vec<C::Value>;

    fn shape(&self) -> Shape {
        Shape::List(Box::new(self.0.shape()))
    }

    fn read(&self, item: &Item<'_>) -> Option<Vec<C::Value>> {
        all(&self.0, item.list(self.1)?)
    }

    fn print(&self, values: &Vec<C::Value>) -> Option<Json> {
        Some(values.iter().filter_map(|value| self.0.print(value)).collect())
    }
}

impl<C: Codec> Codec for &C {
    type Value = C::Value;

    fn shape(&self) -> Shape {
        (*self).shape()
    }

    fn read(&self, item: &Item<'_>) -> Option<C::Value> {
        (*self).read(item)
    }

    fn print(&self, value: &C::Value) -> Option<Json> {
        (*self).print(value)
    }
}

/// Every value, read to the last one whatever is wrong with one before.
fn all<C: Codec>(codec: &C, items: Vec<Item<'_>>) -> Option<Vec<C::Value>> {
    let values: Vec<Option<C::Value>> = items.iter().map(|item| codec.read(item)).collect();
    values.into_iter().collect()
}
