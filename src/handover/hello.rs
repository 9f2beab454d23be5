//! The beginning: both sides say what they are, and agree on a format or part.

use super::codec::{decode_beginning, encode};
use super::error::LinkError;
use super::frame::Frame;
use super::kind::Kind;
use serde::{Deserialize, Serialize};

/// The formats that this build speaks.
pub const FORMATS: Formats = Formats { oldest: 1, newest: 1 };

/// What a hello begins with, in every format there will be.
const MAGIC: [u8; 8] = *b"fanfare\n";
/// Bytes of a version or reason that are shown.
const TEXT_BYTES_MAX: usize = 1024;

/// A range of formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formats {
    /// The lowest number.
    pub oldest: u16,
    /// The highest.
    pub newest: u16,
}

impl Formats {
    /// One alone.
    pub fn only(number: u16) -> Self {
        Self {
            oldest: number,
            newest: number,
        }
    }

    /// The highest that both speak; `None`: there is none.
    pub fn agree(self, other: Self) -> Option<u16> {
        let highest = self.newest.min(other.newest);
        (highest >= self.oldest.max(other.oldest)).then_some(highest)
    }
}

impl std::fmt::Display for Formats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.oldest == self.newest {
            true => write!(f, "{}", self.newest),
            false => write!(f, "{} to {}", self.oldest, self.newest),
        }
    }
}

/// Who connects. What a later format may add stands behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    magic: [u8; 8],
    /// What it speaks.
    pub formats: Formats,
    /// Its version.
    pub version: String,
    /// How many files it may have open.
    pub descriptors: u64,
}

/// The answer to one who is let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// What both speak from now on.
    pub format: u16,
    /// The version of the one that answers.
    pub version: String,
}

/// The answer to one who is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The version of the one that answers.
    pub version: String,
    /// For people; holds no secret.
    pub why: String,
}

impl Hello {
    /// Of a process of this build that may open so many files.
    pub fn new(formats: Formats, version: &str, descriptors: u64) -> Self {
        Self {
            magic: MAGIC,
            formats,
            version: version.to_owned(),
            descriptors,
        }
    }

    /// As a payload.
    pub fn bytes(&self) -> Result<Vec<u8>, LinkError> {
        encode(self)
    }

    /// The hello in a first frame.
    pub fn of(frame: &Frame) -> Result<Self, LinkError> {
        let (hello, _later): (Self, _) = decode_beginning(&frame.payload)?;
        match hello.magic == MAGIC {
            true => Ok(Self {
                version: shown(&hello.version),
                ..hello
            }),
            false => Err(LinkError::Malformed("a hello of another program")),
        }
    }
}

impl Welcome {
    /// The answer to a hello.
    pub fn of(frame: &Frame) -> Result<Self, LinkError> {
        match frame.kind {
            Kind::Welcome => {
                let (welcome, _later): (Self, _) = decode_beginning(&frame.payload)?;
                Ok(Self {
                    version: shown(&welcome.version),
                    ..welcome
                })
            }
            Kind::Refused => Err(Refused::of(frame)?),
            found => Err(LinkError::Unexpected {
                found,
                expected: "an answer",
            }),
        }
    }
}

impl Refused {
    /// As the error that it is.
    pub fn of(frame: &Frame) -> Result<LinkError, LinkError> {
        let (Self { version, why }, _later) = decode_beginning(&frame.payload)?;
        Ok(LinkError::Refused {
            version: shown(&version),
            why: shown(&why),
        })
    }
}

/// A text of the other side, as it may stand in a log line.
fn shown(text: &str) -> String {
    let readable = text.chars().filter(|character| !character.is_control());
    let mut shown = String::new();
    for character in readable {
        if shown.len() + character.len_utf8() > TEXT_BYTES_MAX {
            break;
        }
        shown.push(character);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: Kind, payload: Vec<u8>) -> Frame {
        Frame {
            kind,
            payload,
            descriptors: Vec::new(),
        }
    }

    #[test]
    fn the_highest_common_format_is_agreed_on() {
        let formats = |oldest, newest| Formats { oldest, newest };
        for (ours, theirs, agreed) in [
            (formats(1, 1), formats(1, 1), Some(1)),
            (formats(1, 1), formats(1, 2), Some(1)),
            (formats(1, 3), formats(2, 9), Some(3)),
            (formats(1, 1), formats(2, 2), None),
            (formats(4, 5), formats(1, 3), None),
            // One that means nothing.
            (formats(1, 1), formats(9, 0), None),
        ] {
            assert_eq!(ours.agree(theirs), agreed, "{ours} and {theirs}");
            assert_eq!(theirs.agree(ours), agreed, "{ours} and {theirs}");
        }
    }

    #[test]
    fn a_hello_may_say_more_and_must_be_ours() {
        let hello = Hello::new(FORMATS, "1.2.3", 1024);
        let mut bytes = hello.bytes().expect("a hello");
        bytes.extend(b"what a later format says");
        assert_eq!(Hello::of(&frame(Kind::TakeOver, bytes)).expect("a hello"), hello);
        let other = Hello {
            magic: *b"nothing\n",
            ..hello
        };
        let other = encode(&other).expect("a value");
        assert!(Hello::of(&frame(Kind::TakeOver, other)).is_err());
        assert!(Hello::of(&frame(Kind::TakeOver, Vec::new())).is_err());
    }

    #[test]
    fn what_the_other_side_says_is_bounded_and_readable() {
        let refused = Refused {
            version: "1\u{1b}[2J".to_owned(),
            why: "ä\n".repeat(5000),
        };
        let error = Welcome::of(&frame(Kind::Refused, encode(&refused).expect("a value")));
        let told = error.expect_err("a refusal").to_string();
        assert!(told.len() < TEXT_BYTES_MAX + 100, "{}", told.len());
        assert!(
            !told.chars().any(char::is_control) && told.contains("fanfare 1[2J"),
            "{told}"
        );
    }
}
