//! What is rewritten in a feed, and that nothing else is.

use super::super::links::tests::{links, view};
use super::*;

const SOURCES: &str = "
  log: { path: /changelog/sse, upstream: \"http://inner:8080/webservice/sse?a=1&b\" }
  job: { path: \"/v1/monitor/{job}\", upstream: \"https://jobs.example/x/{job}\" }
";

fn rewritten_as(body: &[u8], charset: Option<&str>) -> Result<Option<Vec<u8>>, Unreadable> {
    let to = Url::parse("http://inner:8080").unwrap();
    rewrite(body, charset, &links(SOURCES, None), &view(&to))
}

fn rewritten(feed: &str) -> String {
    let done = rewritten_as(feed.as_bytes(), None).unwrap();
    done.map_or_else(|| feed.to_owned(), |bytes| String::from_utf8(bytes).unwrap())
}

/// A feed whose link has these attributes.
fn with(link: &str) -> String {
    format!(
        "<?xml version='1.0'?>\r\n<feed\txmlns=\"http://www.w3.org/2005/Atom\" xmlns:o='urn:other'>\n  <title>a &amp; b</title>{link}</feed>\n"
    )
}

const STREAM: &str = "type=\"text/event-stream\"";
const THEIRS: &str = "http://inner:8080/webservice/sse?a=1&amp;b";
const OURS: &str = "https://cue.example.com/changelog/sse";

#[test]
fn a_link_is_replaced_and_nothing_else() {
    for (link, wanted) in [
        (
            format!("<link rel='x' {STREAM} href=\"{THEIRS}\"/>"),
            format!("<link rel='x' {STREAM} href=\"{OURS}\"/>"),
        ),
        (
            format!("<link\n  href = '{THEIRS}'\n  {STREAM}   >text</link>"),
            format!("<link\n  href = '{OURS}'\n  {STREAM}   >text</link>"),
        ),
        (
            format!("<entry><link type='Text/Event-Stream; charset=utf-8' href='{THEIRS}'/></entry>"),
            format!("<entry><link type='Text/Event-Stream; charset=utf-8' href='{OURS}'/></entry>"),
        ),
        (
            String::from(
                "<link type='text&#47;event&#x2d;stream' href='http&#58;//inner:8080/webservice/sse?a=1&#38;b'/>",
            ),
            format!("<link type='text&#47;event&#x2d;stream' href='{OURS}'/>"),
        ),
        (
            format!("<a:link xmlns:a='http://www.w3.org/2005/Atom' {STREAM} o:href='{THEIRS}' href='{THEIRS}'/>"),
            format!("<a:link xmlns:a='http://www.w3.org/2005/Atom' {STREAM} o:href='{THEIRS}' href='{OURS}'/>"),
        ),
    ] {
        assert_eq!(rewritten(&with(&link)), with(&wanted));
    }
}

#[test]
fn several_links_are_replaced_each_by_its_own() {
    let link = |href: &str| format!("<link {STREAM} href='{href}'/>");
    let feed = with(&format!(
        "{}é{}{}{}",
        link(THEIRS),
        link("http://other/stays"),
        link("https://jobs.example/x/b396"),
        link("https://proxy:443/v1/monitor/7?a=1&amp;b='&lt;").replace("='&lt;'", "=%27&lt;'")
    ));
    let wanted = with(&format!(
        "{}é{}{}{}",
        link(OURS),
        link("http://other/stays"),
        link("https://cue.example.com/v1/monitor/b396"),
        link("https://cue.example.com/v1/monitor/7?a=1&amp;b=%27%3C"),
    ));
    assert_eq!(rewritten(&feed), wanted);
}

#[test]
fn an_apostrophe_and_an_ampersand_are_escaped() {
    let feed = with(&format!("<link {STREAM} href=\"http://h/v1/monitor/it's?a&amp;b\"/>"));
    let wanted = with(&format!(
        "<link {STREAM} href=\"https://cue.example.com/v1/monitor/it&#39;s?a&amp;b\"/>"
    ));
    assert_eq!(rewritten(&feed), wanted);
}

#[test]
fn relative_links_are_resolved_first() {
    // The request was for /webservice/feed at cue.example.com.
    for (link, wanted) in [
        (
            format!("<link {STREAM} href='sse?a=1&amp;b'/>"),
            format!("<link {STREAM} href='{OURS}'/>"),
        ),
        (
            format!(
                "<entry xml:base='http://inner:8080/x/'><link xml:base='../webservice/' {STREAM} href='./sse?a=1&amp;b'/></entry>"
            ),
            format!(
                "<entry xml:base='http://inner:8080/x/'><link xml:base='../webservice/' {STREAM} href='{OURS}'/></entry>"
            ),
        ),
        (
            format!("<link xml:base='//elsewhere/' {STREAM} href='/v1/monitor/7'/>"),
            format!("<link xml:base='//elsewhere/' {STREAM} href='https://cue.example.com/v1/monitor/7'/>"),
        ),
        (
            format!("<link {STREAM} href='../sse?a=1&amp;b'/>"),
            format!("<link {STREAM} href='../sse?a=1&amp;b'/>"),
        ),
    ] {
        assert_eq!(rewritten(&with(&link)), with(&wanted));
    }
}

#[test]
fn what_is_no_such_link_stays() {
    for feed in [
        with(&format!("<!-- <link {STREAM} href='{THEIRS}'/> -->")),
        with(&format!(
            "<content><![CDATA[<link {STREAM} href='{THEIRS}'/>]]></content>"
        )),
        with(&format!("<content>&lt;link {STREAM} href='{THEIRS}'/></content>")),
        with(&format!("<o:link {STREAM} href='{THEIRS}'/>")),
        with(&format!("<link {STREAM} src='{THEIRS}'/>")),
        with(&format!(
            "<link type='application/atom+xml' href='{THEIRS}'/><!-- event-stream -->"
        )),
        with(&format!("<link href='{THEIRS}'/><!-- event-stream -->")),
        with(&format!(
            "<link {STREAM} href='http://other.example/webservice/sse?a=1&amp;b'/>"
        )),
        with(&format!("<link {STREAM} href='{OURS}'/>")),
        with(&format!(
            "<link {STREAM} href='HTTPS://Cue.example.com:443/changelog/sse'/>"
        )),
        with(&format!("<link {STREAM} href='ftp://h/changelog/sse'/>")),
        with(&format!("<link {STREAM} href='http://[broken/changelog/sse'/>")),
        format!("<feed><link {STREAM} href='{THEIRS}'/></feed>"),
        with("<link href='http://inner:8080/webservice/sse'/>"),
        String::new(),
    ] {
        assert_eq!(rewritten_as(feed.as_bytes(), None), Ok(None), "{feed}");
    }
}

#[test]
fn a_byte_order_mark_and_line_ends_stay() {
    let feed = with(&format!("\r\n<link {STREAM} href='{THEIRS}'/>\r"));
    let wanted = feed.replace(THEIRS, OURS);
    assert_eq!(rewritten(&format!("\u{feff}{feed}")), format!("\u{feff}{wanted}"));
    assert_eq!(rewritten(&format!("\n {feed}")), format!("\n {wanted}"));
}

#[test]
fn a_feed_of_single_bytes_keeps_them() {
    let feed = |declaration: &str, href: &[u8]| {
        let before = with("")
            .replace("<?xml version='1.0'?>", declaration)
            .replace("</feed>\n", "");
        let link = [
            b"<\xe9l\xe8ve \xe0='\xe9'/><link type='text/event-stream' href='",
            href,
            b"'/></feed>",
        ]
        .concat();
        [before.as_bytes(), &link].concat()
    };
    let latin = "<?xml version='1.0' encoding=\"ISO-8859-1\"?>";
    for (declaration, charset) in [(latin, None), ("", Some("windows-1252")), (latin, Some("Latin1"))] {
        assert_eq!(
            rewritten_as(&feed(declaration, THEIRS.as_bytes()), charset),
            Ok(Some(feed(declaration, OURS.as_bytes())))
        );
    }
    // Which letter it is, is not known.
    assert_eq!(
        rewritten_as(&feed(latin, b"http://inner:8080/v1/monitor/\xe9"), None),
        Ok(None)
    );
}

#[test]
fn what_can_not_be_read_is_said() {
    let link = format!("<link {STREAM} href='{THEIRS}'/>");
    let feed = with(&link);
    let declared = |name: &str| {
        feed.replace(
            "<?xml version='1.0'?>",
            &format!("<?xml version='1.0' encoding = \"{name}\" ?>"),
        )
    };
    let wide = declared("Shift_JIS");
    assert_eq!(rewritten_as(wide.as_bytes(), None), Err(Unreadable::Encoding));
    assert_eq!(rewritten_as(feed.as_bytes(), Some("gbk")), Err(Unreadable::Encoding));
    assert_eq!(
        rewritten_as(&[feed.as_bytes(), b"\xe5"].concat(), None),
        Err(Unreadable::Encoding)
    );
    let utf_16: Vec<u8> = format!("\u{feff}{feed}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(rewritten_as(&utf_16, None), Err(Unreadable::Encoding));
    // What the content type says counts before what the document says.
    assert!(rewritten_as(wide.as_bytes(), Some("UTF-8")).is_ok_and(|done| done.is_some()));
    let with_dtd =
        format!("<!DOCTYPE feed [<!ENTITY e \"x\">]><feed xmlns='http://www.w3.org/2005/Atom'>{link}</feed>");
    for broken in [&feed.replace("</feed>", ""), &with_dtd, &format!("{link}{link}")] {
        assert_eq!(rewritten_as(broken.as_bytes(), None), Err(Unreadable::Xml), "{broken}");
    }
}

#[test]
fn an_attribute_that_the_parser_can_not_place_is_left() {
    let spaces = " ".repeat(300);
    let feed = with(&format!("<link {STREAM} href{spaces}={spaces}'{THEIRS}'/>"));
    assert_ne!(rewritten_as(feed.as_bytes(), None), Ok(None));
}
