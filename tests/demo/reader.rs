//! A reader of the demo's pages, feeds and streams, that believes nothing.

use fanfare::demo::{Origin, STREAM_PATH};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn send(addr: SocketAddr, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

pub(crate) fn ask(addr: SocketAddr, request: &str) -> Answer {
    let mut text = String::new();
    send(addr, request).read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(crate) fn get(origin: &Origin, path: &str) -> Answer {
    get_at(origin.addr(), path)
}

pub(crate) fn get_at(addr: SocketAddr, path: &str) -> Answer {
    ask(addr, &format!("GET {path} HTTP/1.0\r\nHost: {addr}\r\n\r\n"))
}

pub(crate) fn post(origin: &Origin, section: u32, title: &str) -> Answer {
    let length = title.len();
    let head = format!("POST /changelog/section/{section} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n");
    ask(origin.addr(), &format!("{head}{title}"))
}

/// What a reader of Atom takes from a feed; fails where RFC 4287 is not kept.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) id: String,
    pub(crate) links: Vec<(String, String)>,
    /// Id and title, in the feed's order.
    pub(crate) entries: Vec<(String, String)>,
}

impl Feed {
    pub(crate) fn parse(text: &str) -> Self {
        const ATOM: &str = "http://www.w3.org/2005/Atom";
        let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let root = document.root_element();
        assert!(root.has_tag_name((ATOM, "feed")));
        // 4.1.1 and 4.1.2: exactly one each; the feed's author stands for the entries'.
        let one = |node: roxmltree::Node<'_, '_>, name: &str| {
            let found: Vec<_> = node
                .children()
                .filter(|child| child.has_tag_name((ATOM, name)))
                .collect();
            assert_eq!(found.len(), 1, "{name} in {text}");
            found[0].text().unwrap_or_default().to_owned()
        };
        let dated = |node| {
            let updated = one(node, "updated");
            assert!(updated.len() == 20 && updated.ends_with('Z'), "{updated}");
        };
        dated(root);
        one(root, "title");
        one(root, "author");
        let attribute = |node: roxmltree::Node<'_, '_>, name| node.attribute(name).unwrap().to_owned();
        let links = root.children().filter(|node| node.has_tag_name((ATOM, "link")));
        let links = links
            .map(|link| (attribute(link, "rel"), attribute(link, "href")))
            .collect();
        let entries = root.children().filter(|node| node.has_tag_name((ATOM, "entry")));
        let entries = entries
            .map(|entry| {
                dated(entry);
                // 4.1.2: an entry without an alternate link has content.
                one(entry, "content");
                (one(entry, "id"), one(entry, "title"))
            })
            .collect();
        Self {
            id: one(root, "id"),
            links,
            entries,
        }
    }

    pub(crate) fn link(&self, rel: &str) -> Option<&str> {
        self.links
            .iter()
            .find(|(found, _)| found == rel)
            .map(|(_, href)| href.as_str())
    }

    pub(crate) fn titles(&self) -> Vec<&str> {
        self.entries.iter().map(|(_, title)| title.as_str()).collect()
    }
}

pub(crate) fn feed(origin: &Origin, url: &str) -> Feed {
    let path = url.strip_prefix(&format!("http://{}", origin.addr())).unwrap_or(url);
    let answer = get(origin, path);
    assert_eq!(answer.status, 200, "{path}");
    assert!(
        answer
            .head
            .to_ascii_lowercase()
            .contains("content-type: application/atom+xml"),
        "{}",
        answer.head
    );
    Feed::parse(&answer.body)
}

/// The lines of a stream, without the head and the chunks' framing (it is asked in HTTP/1.0).
pub(crate) struct Stream(pub(crate) BufReader<TcpStream>);

impl Stream {
    pub(crate) fn open(origin: &Origin, headers: &str) -> Self {
        let socket = send(origin.addr(), &format!("GET {STREAM_PATH} HTTP/1.0\r\n{headers}\r\n"));
        let mut stream = Self(BufReader::new(socket));
        assert!(stream.line().contains(" 200 "));
        while !stream.line().is_empty() {}
        stream
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream has ended");
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = self.0.read_to_end(&mut rest);
    }

    /// Id and data of the next event.
    pub(crate) fn event(&mut self) -> (String, String) {
        let mut id = String::new();
        loop {
            let line = self.line();
            if let Some(value) = line.strip_prefix("id: ") {
                id = value.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                assert_eq!(self.line(), "");
                return (id, data.to_owned());
            }
        }
    }
}
