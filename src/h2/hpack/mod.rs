//! HPACK (RFC 7541): header blocks of requests are read with the dynamic table that clients make
//! use of, those of responses are written without one.

mod decoder;
mod dynamic_table;
mod encoder;
mod huffman;
mod integer;
mod static_table;

pub(crate) use decoder::{DecodeError, Decoder};
pub(crate) use encoder::Encoder;
