//! Paths: what a request's path means, and the texts that are put into one.
//!
//! Wherever a path is compared, it is compared in its normal form ([`normalise`]): by the router,
//! the proxy's prefixes, templates, the checks of the configuration, and link rewriting. What goes
//! on to an origin is what the client wrote, byte for byte. Origins read some spellings differently
//! from each other, so such a path goes on only if every reading of it ([`one_meaning`]) has the
//! same match here.

mod normal;
mod percent;
mod readings;
mod template;

#[cfg(test)]
mod models;
#[cfg(test)]
mod properties;

pub use normal::{BadPath, normalise};
pub(crate) use normal::{normal_segment, segments};
pub(crate) use percent::{decode, encode_bytes, encode_component, form_pairs, form_value, is_well_formed, raw_pairs};
pub use readings::one_meaning;
pub(crate) use template::{BadParameter, Parameters, Piece, Template, fill, pieces};
