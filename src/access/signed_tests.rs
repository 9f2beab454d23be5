//! Properties of signed URLs: any change is noticed, and no other spelling of the same is.

use super::*;
use crate::access::signing::{SignedUrl, sign};
use crate::config::{NamedSecret, NamedSecrets, Secret};
use base64::Engine as _;
use hyper::Request;
use proptest::prelude::*;

const KEYS: [(&str, &[u8]); 2] = [("k1", b"0123456789abcdef0123456789abcdef"), ("k 2", b"another")];
const NOW: u64 = 1_000_000;

fn signed() -> Signed {
    let entries = KEYS.map(|(name, key)| NamedSecret {
        name: name.to_owned(),
        secret: Secret(base64::engine::general_purpose::STANDARD.encode(key)),
    });
    Signed::new(&SignedAccess {
        keys: NamedSecrets {
            path: "keys".into(),
            entries: entries.into(),
        },
    })
}

fn decide(target: &str) -> Result<Grant, DenyReason> {
    let request = Request::builder().uri(target).body(()).expect("a request");
    let request = AccessRequest::of(&request).expect("a path");
    signed().decide(&request, UNIX_EPOCH + Duration::from_secs(NOW))
}

fn signed_url(target: &str, expires: u64, key: usize) -> String {
    let (key_id, key) = KEYS[key];
    let url = SignedUrl {
        target,
        expires,
        key_id,
        key,
    };
    sign(&url).expect("signed")
}

#[test]
fn a_signed_url_lets_in_until_it_expires() {
    let grant = decide(&signed_url("/jobs/7?source=b&source=a", NOW + 1, 0)).expect("in");
    assert_eq!(grant.user.expect("a user").name, Box::from("k1"));
    assert_eq!(grant.expires, Some(UNIX_EPOCH + Duration::from_secs(NOW + 1)));
    assert_eq!(decide(&signed_url("/", NOW, 0)), Err(DenyReason::Expired));
    assert_eq!(decide(&signed_url("/", 0, 0)), Err(DenyReason::Expired));
    assert!(decide(&signed_url("/", u64::MAX, 1)).is_ok());
    assert_eq!(decide("/"), Err(DenyReason::Missing));
    assert_eq!(decide("/?expires=1&key=k1"), Err(DenyReason::Missing));
    assert_eq!(decide("/?key=k1&signature=x"), Err(DenyReason::Invalid));
}

#[test]
fn other_spellings_of_the_same_are_let_in_and_doubled_parameters_are_not() {
    let url = signed_url("/jobs/a~b/x?source=s1&source=s2", NOW + 60, 0);
    for same in [
        url.replace("a~b", "a%7Eb"),
        url.replace("/jobs/", "//jobs;v=1/"),
        url.replace("source=s1&source=s2", "source=s2&sourc%65=%731"),
        url.replace("key=", "%6bey="),
        format!("{url}&lastEventId=7&start=latest"),
    ] {
        assert!(decide(&same).is_ok(), "{same}");
    }
    for other in [
        url.replace("source=s1&", ""),
        url.replace("source=s1", "source=s3"),
        url.replace("source=s1", "source=s1&source=s1"),
        url.replace("/x?", "/x/?"),
        url.replace("/x?", "/X?"),
        url.replace("/jobs/", "/jobs%2F"),
        format!("{url}&source=s4"),
        format!("{url}&expires=1000060"),
        format!("{url}&%6bey=k1"),
        format!("{url}="),
        url.replace("expires=1000060", "expires=01000060"),
        url.replace("key=k1", "key=K1"),
        url.replace("key=k1", "key=k%202"),
    ] {
        assert!(decide(&other).is_err(), "{other}");
    }
}

proptest! {
    /// Any byte of the target that is another one is noticed, unless it spells the same thing or
    /// belongs to no part that is signed.
    #[test]
    fn a_changed_byte_is_noticed(at in any::<prop::sample::Index>(), byte in 0x21..0x7fu8, key in 0..2usize) {
        let url = signed_url("/jobs/42/events?source=video", NOW + 600, key);
        let at = at.index(url.len());
        let mut changed = url.clone().into_bytes();
        prop_assume!(changed[at] != byte && byte != b'#');
        changed[at] = byte;
        let changed = String::from_utf8(changed).expect("ASCII");
        let Ok(request) = Request::builder().uri(&changed).body(()) else { return Ok(()) };
        let Some(asked) = AccessRequest::of(&request) else { return Ok(()) };
        let same = crate::path::normalise("/jobs/42/events").expect("a path");
        if signed().decide(&asked, UNIX_EPOCH + Duration::from_secs(NOW)).is_ok() {
            let original: Vec<_> = crate::path::form_pairs(Some(url.split_once('?').expect("a query").1)).collect();
            let now: Vec<_> = crate::path::form_pairs(request.uri().query()).collect();
            prop_assert_eq!(&asked.path, &same);
            prop_assert_eq!(now, original);
        }
    }

    #[test]
    fn what_nobody_has_signed_is_never_let_in(signature in "[A-Za-z0-9_-]{43}", expires in NOW..NOW * 2) {
        let url = format!("/?expires={expires}&key=k1&signature={signature}");
        prop_assert_eq!(decide(&url), Err(DenyReason::Invalid));
    }
}
