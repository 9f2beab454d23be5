//! A parser in the middle of a stream, as plain data: what another one needs to go on in its place.

/// All that a [`Parser`](super::Parser) knows of the stream so far.
///
/// Made by [`Parser::state`](super::Parser::state), and made a parser again by
/// [`Parser::from_state`](super::Parser::from_state): then it yields what the first one would have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParserState {
    /// How much of a BOM there was so far; `None` once the stream itself has begun.
    pub bom: Option<u8>,
    /// The last read ended with a CR.
    pub after_cr: bool,
    /// What is left of the read at hand.
    pub unread: Vec<u8>,
    /// The block in the making.
    pub block: BlockState,
}

/// A block in the making.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockState {
    /// Its complete lines, in plain form; of an oversized block its id instead.
    pub lines: Vec<u8>,
    /// The line in the making.
    pub line: Vec<u8>,
    /// What happens to the rest of that line.
    pub fate: LineState,
    /// Bytes dropped so far of a block over the limit, and whether it has an id.
    pub oversized: Option<(u64, bool)>,
}

/// What happens to a line in the making.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LineState {
    /// It is read at its end.
    #[default]
    Collected,
    /// A comment that is not passed on.
    Ignored,
    /// A line of an oversized block that does not matter.
    Dropped,
}
