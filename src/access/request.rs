//! What a gate is asked about: a request's path and what it shows of its sender.

use super::cookies;
use super::query::{self, One};
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Method, Request};
use std::borrow::Cow;

/// What a gate looks at of a request.
pub struct AccessRequest<'a> {
    /// In its normal form.
    pub(super) path: Cow<'a, str>,
    pub(super) query: Option<&'a str>,
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
}

impl<'a> AccessRequest<'a> {
    /// Of a request whose path has a normal form; `None`: it has none, and leads nowhere.
    pub fn of<B>(request: &'a Request<B>) -> Option<Self> {
        Some(Self {
            path: crate::path::normalise(request.uri().path()).ok()?,
            query: request.uri().query(),
            method: request.method(),
            headers: request.headers(),
        })
    }

    /// The credentials of this scheme (RFC 9110, 11.6.2), if they are of it. Two such fields are no
    /// request of anyone's.
    pub(super) fn authorization(&self, scheme: &str) -> One<&'a str> {
        let mut fields = self.headers.get_all(AUTHORIZATION).iter();
        let (field, more) = (fields.next(), fields.next());
        if more.is_some() {
            return One::Many;
        }
        let Some((named, rest)) = field.and_then(|field| field.to_str().ok()?.split_once(' ')) else {
            return One::None;
        };
        match named.eq_ignore_ascii_case(scheme) {
            true => One::Value(rest.trim_matches(' ')),
            false => One::None,
        }
    }

    pub(super) fn cookie(&self, name: &str) -> One<&'a str> {
        cookies::cookie(self.headers, name)
    }

    pub(super) fn parameter(&self, name: &str) -> One<Vec<u8>> {
        query::parameter(self.query, name)
    }
}
