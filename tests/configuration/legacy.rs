//! The Content Store proxy's own file.

use crate::{right, wrong};
use fanfare::config::{self, Listen};
use std::time::Duration;

pub(crate) const LEGACY: &str = r#"
server:
  applicationConnectors:
    - type: http
      port: 9081
  adminConnectors:
    - type: http
      port: 7091
  gzip:
    enabled: false
  requestLog:
    appenders: []
backends:
  - uri: http://editorial-1.example.com:8080/webservice/escenic/changelog/sse
    credentials:
      username: relay
      password: ${PW:-secret}
    httpHeaders:
      Host: cue.example.com
  - uri: http://editorial-2.example.com:8080/webservice/escenic/changelog/sse
cors:
  allowedOrigins: "https://a.example.com, https://*.b.example.com"
  allowedHeaders: "X-Requested-With,Content-Type"
  allowedMethods: "GET,HEAD"
  preflightMaxAge: 1800
  allowCredentials: true
  exposedHeaders: ""
  chainPreflight: false
logging:
  level: DEBUG
  appenders:
    - type: console
"#;

#[test]
fn the_content_stores_own_file() {
    let loaded = right(LEGACY);
    let config = &loaded.config;
    assert_eq!(config.listen, [Listen::Tcp(([0, 0, 0, 0], 9081).into())]);
    assert_eq!(config.admin, Some(([127, 0, 0, 1], 7091).into()));
    assert_eq!(config.sources.len(), 1);
    let source = &config.sources[0];
    assert_eq!(source.paths, ["/", "/sse"]);
    assert_eq!(source.upstreams.len(), 2);
    assert_eq!(source.upstreams[0].read_timeout, Duration::from_secs(600));
    assert_eq!(source.upstreams[0].headers[0].0, "host");
    assert!(source.upstreams[0].credentials.is_some() && source.upstreams[1].credentials.is_none());
    let cors = source.cors.as_ref().expect("cors");
    assert_eq!(cors.origins, ["https://a.example.com", "https://*.b.example.com"]);
    assert_eq!((cors.credentials, cors.max_age), (true, Duration::from_secs(1800)));
    assert_eq!(cors.exposed_headers, Vec::<String>::new());
    assert_eq!(loaded.log.as_deref(), Some("debug"));
    let warned: Vec<String> = loaded
        .warnings
        .iter()
        .map(|warning| format!("{}:{}", warning.place.line, warning.key))
        .collect();
    assert_eq!(
        warned,
        ["9:server.gzip", "11:server.requestLog", "31:logging.appenders"]
    );

    let printed = config::print(&loaded);
    assert!(
        printed.starts_with("# On the command line: --log debug\nlisten: "),
        "{printed}"
    );
    assert!(!printed.contains("secret"), "{printed}");
    let again = right(&printed);
    assert_eq!(again.config.sources[0].upstreams[1], source.upstreams[1]);
    assert_eq!(again.config.listen, config.listen);
}

#[test]
fn mistakes_in_the_content_stores_own_file() {
    let text = "\
server:
  applicationConnectors: [ { type: https, port: 8443 } ]
  adminConnectors: []
  gzp: {}
backends:
  - url: http://o/
  - uri: nowhere
    credentials: { username: a }
cors: { allowedOrigins: 'https://*example.com', preflightMaxAge: 30m }
logging: { level: LOUD }
";
    let expected = "\
f.yaml:2:36: server.applicationConnectors[0].type: `https`; expected `http`: other connectors are not supported by this version
f.yaml:3:20: server.adminConnectors: an empty list; expected at least one connector with `type` and `port`
f.yaml:4:3: server.gzp: unknown key `gzp`; did you mean `gzip`?
f.yaml:6:5: backends[0].uri: missing; expected the URL of an event stream, such as `http://editorial.example.com/webservice/escenic/changelog/sse`
f.yaml:6:5: backends[0].url: unknown key `url`; did you mean `uri`?
f.yaml:7:10: backends[1].uri: `nowhere` is no URL: it has no scheme; expected the URL of an event stream, such as `http://editorial.example.com/webservice/escenic/changelog/sse`
f.yaml:8:18: backends[1].credentials: only one of `username` and `password`; expected both, or none
f.yaml:9:25: cors.allowedOrigins: `https://*example.com`; expected origins such as `https://www.example.com`, separated by commas, or `*`
f.yaml:9:66: cors.preflightMaxAge: `30m`; expected a whole number from 0 to 31536000
f.yaml:10:19: logging.level: `LOUD`; expected one of `OFF`, `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`, `ALL`";
    assert_eq!(wrong(text), expected);
    let loaded = right("backends: [ { uri: http://o/sse } ]\n");
    assert_eq!(loaded.config.listen, [Listen::Tcp(config::LISTEN)]);
    assert_eq!(loaded.config.admin, Some(config::ADMIN));
    assert_eq!(loaded.warnings, []);
}
