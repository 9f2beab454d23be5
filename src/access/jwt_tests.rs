//! What tokens can be made to say, and that none of it lets in.

use super::*;
use crate::config::{JwtKey, Secret, Upstream, UpstreamTls};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Request;
use jsonwebtoken::{Algorithm, EncodingKey, encode};
use proptest::prelude::*;
use serde_json::json;
use std::time::{Duration, UNIX_EPOCH};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn access(material: &str, algorithm: JwtAlgorithm) -> JwtAccess {
    JwtAccess {
        jwks: None::<Upstream>,
        key: Some(JwtKey {
            path: "key".into(),
            material: Secret(material.to_owned()),
            algorithm,
        }),
        algorithms: vec![algorithm],
        issuer: Vec::new(),
        audience: Vec::new(),
        claims: Vec::new(),
        leeway: Duration::ZERO,
        user_claim: "sub".to_owned(),
        cookie: Some("session".to_owned()),
        query: Some("token".to_owned()),
        tls: UpstreamTls::default(),
    }
}

fn secret() -> Jwt {
    Jwt::new("s", &access(SECRET, JwtAlgorithm::Hs256))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after").as_secs()
}

fn signed(claims: &Json) -> String {
    encode(
        &Header::new(Algorithm::HS256),
        claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    )
    .expect("a token")
}

fn good() -> String {
    signed(&json!({ "exp": now() + 60, "sub": "ann" }))
}

fn verdict(jwt: &Jwt, request: hyper::http::request::Builder) -> Result<Grant, DenyReason> {
    let request = request.body(()).expect("a request");
    match jwt.check(&AccessRequest::of(&request).expect("a path")) {
        Check::Now(Verdict::Granted(grant)) => Ok(grant),
        Check::Now(Verdict::Denied(denial)) => Err(denial.reason),
        Check::Later(_) => panic!("keys are here"),
    }
}

fn by_header(jwt: &Jwt, token: &str) -> Result<Grant, DenyReason> {
    verdict(
        jwt,
        Request::get("/").header("authorization", format!("Bearer {token}")),
    )
}

#[test]
fn a_token_lets_in_from_where_it_may_come() {
    let (jwt, token) = (secret(), good());
    let grant = by_header(&jwt, &token).expect("in");
    assert_eq!(grant.user.expect("a user").name, Box::from("ann"));
    let left = grant
        .expires
        .expect("a time")
        .duration_since(SystemTime::now())
        .expect("later");
    assert!(
        left > Duration::from_secs(57) && left <= Duration::from_secs(60),
        "{left:?}"
    );
    for request in [
        Request::get("/").header("authorization", format!("bearer  {token}")),
        Request::get("/").header("cookie", format!("a=b; session={token}")),
        Request::get(format!("/?a=b&token={token}")),
        // Any one is enough.
        Request::get(format!("/?token={token}")).header("authorization", "Bearer opaque"),
        Request::get(format!("/?token={token}")).header("authorization", "Basic YTpi"),
    ] {
        assert!(verdict(&jwt, request).is_ok());
    }
    for (request, reason) in [
        (Request::get("/"), DenyReason::Missing),
        (Request::get(format!("/?Token={token}")), DenyReason::Missing),
        (
            Request::get("/").header("cookie", format!("Session={token}")),
            DenyReason::Missing,
        ),
        (
            Request::get(format!("/?token={token}&token={token}")),
            DenyReason::Invalid,
        ),
        (
            Request::get("/").header("cookie", format!("session=x; session={token}")),
            DenyReason::Invalid,
        ),
        (
            Request::get("/")
                .header("authorization", format!("Bearer {token}"))
                .header("authorization", format!("Bearer {token}")),
            DenyReason::Invalid,
        ),
    ] {
        assert_eq!(verdict(&jwt, request), Err(reason));
    }
}

#[test]
fn times_and_claims_are_looked_at() {
    let now = now();
    let of = |access: &JwtAccess, claims: Json| by_header(&Jwt::new("s", access), &signed(&claims)).map(|_| ());
    let plain = access(SECRET, JwtAlgorithm::Hs256);
    for (claims, expected) in [
        (json!({}), Err(DenyReason::Invalid)),
        (json!({ "exp": now - 1 }), Err(DenyReason::Expired)),
        (json!({ "exp": now }), Err(DenyReason::Expired)),
        (json!({ "exp": "2100-01-01" }), Err(DenyReason::Invalid)),
        (json!({ "exp": null }), Err(DenyReason::Invalid)),
        (json!({ "exp": -1 }), Err(DenyReason::Invalid)),
        (json!({ "exp": now + 60, "nbf": now + 30 }), Err(DenyReason::NotYet)),
        (json!({ "exp": now + 60, "nbf": now }), Ok(())),
        (json!({ "exp": now + 60, "nbf": "x" }), Err(DenyReason::Invalid)),
        // It is for someone, and we are no one.
        (json!({ "exp": now + 60, "aud": "x" }), Err(DenyReason::Audience)),
        (json!({ "exp": now + 60, "iss": "x" }), Ok(())),
    ] {
        assert_eq!(of(&plain, claims.clone()), expected, "{claims}");
    }
    let strict = JwtAccess {
        issuer: vec!["i1".to_owned(), "i2".to_owned()],
        audience: vec!["us".to_owned()],
        claims: vec![("role".to_owned(), json!("editor"))],
        leeway: Duration::from_secs(30),
        ..plain
    };
    let whole = json!({ "exp": now - 20, "iss": "i2", "aud": ["x", "us"], "role": ["editor"] });
    let with = |name: &str, value: Json| {
        let mut claims = whole.clone();
        claims[name] = value;
        claims
    };
    for (claims, expected) in [
        (whole.clone(), Ok(())),
        (with("exp", json!(now - 40)), Err(DenyReason::Expired)),
        (with("iss", json!("i3")), Err(DenyReason::Audience)),
        (with("iss", Json::Null), Err(DenyReason::Audience)),
        (with("aud", json!("them")), Err(DenyReason::Audience)),
        (with("aud", Json::Null), Err(DenyReason::Audience)),
        (with("role", json!("reader")), Err(DenyReason::Insufficient)),
        (with("role", Json::Null), Err(DenyReason::Insufficient)),
    ] {
        assert_eq!(of(&strict, claims.clone()), expected, "{claims}");
    }
}

#[test]
fn no_token_chooses_how_it_is_verified() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let pem = pair.public_key_pem();
    let jwt = Jwt::new("s", &access(&pem, JwtAlgorithm::EdDsa));
    let claims = json!({ "exp": now() + 60 });
    let encoding = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).expect("a key");
    let token = encode(&Header::new(Algorithm::EdDSA), &claims, &encoding).expect("a token");
    assert!(by_header(&jwt, &token).is_ok());
    // The public key taken for a secret, as PEM and as its bytes.
    for secret in [pem.as_bytes(), pair.public_key_raw()] {
        let forged = encode(
            &Header::new(Algorithm::HS256),
            &claims,
            &EncodingKey::from_secret(secret),
        )
        .expect("a token");
        assert_eq!(by_header(&jwt, &forged), Err(DenyReason::Invalid));
    }
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let [header, payload, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().expect("three");
    for forged in [
        format!("{}.{payload}.", part(r#"{"alg":"none"}"#)),
        format!("{}.{payload}.{signature}", part(r#"{"alg":"none"}"#)),
        format!("{}.{payload}.{signature}", part(r#"{"alg":"NONE","typ":"JWT"}"#)),
        format!("{}.{payload}.{signature}", part(r#"{"alg":"EdDSA","crit":["exp"]}"#)),
        format!(
            "{}.{payload}.{signature}",
            part(r#"{"alg":"EdDSA","kid":"../../etc/passwd"}"#)
        ),
        format!(
            "{header}.{}.{signature}",
            part(&json!({ "exp": now() + 61 }).to_string())
        ),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{signature}.x"),
        format!("{header}.{payload}.{signature}="),
        format!(".{payload}.{signature}"),
        "..".to_owned(),
        String::new(),
        "x".repeat(TOKEN_BYTES_MAX + 1),
        format!("{header}.{}.{signature}", "A".repeat(TOKEN_BYTES_MAX)),
    ] {
        assert_eq!(by_header(&jwt, &forged), Err(DenyReason::Invalid), "{forged}");
    }
    // What it brings along as a key is none.
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let encoding = EncodingKey::from_ed_pem(other.serialize_pem().as_bytes()).expect("a key");
    let mut header = Header::new(Algorithm::EdDSA);
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(other.public_key_raw()) });
    header.jwk = Some(serde_json::from_value(jwk).expect("a key"));
    header.jku = Some("http://127.0.0.1:1/".to_owned());
    let forged = encode(&header, &claims, &encoding).expect("a token");
    assert_eq!(by_header(&jwt, &forged), Err(DenyReason::Invalid));
}

proptest! {
    #[test]
    fn what_nobody_has_signed_is_never_let_in(token in "([A-Za-z0-9_.-]{0,80}\\.){0,3}[A-Za-z0-9_-]{0,80}") {
        prop_assert!(by_header(&secret(), &token).is_err());
    }

    #[test]
    fn a_changed_byte_is_noticed(at in any::<prop::sample::Index>(), byte in 0x21..0x7fu8) {
        let token = good();
        let at = at.index(token.len());
        let mut changed = token.clone().into_bytes();
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        prop_assert!(by_header(&secret(), &String::from_utf8(changed).expect("ASCII")).is_err());
    }
}
