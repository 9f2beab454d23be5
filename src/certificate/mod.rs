//! Certificates as files: what a PEM file with a chain, one with a key and one with authorities
//! hold, and what is wrong with them.
//!
//! Nothing that stands in a key's file is ever part of an error.

mod pem;
mod validity;

pub(crate) use pem::{Certificate, CertificateError, Part, authorities, provider};
pub(crate) use validity::Validity;
