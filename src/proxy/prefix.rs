//! Which paths begin with a prefix, for the origin too.

/// Whether a path begins with a prefix, and also after an origin has resolved the `..` in it, in whatever disguise: what is not
/// passed must not be reached by way of what is.
pub(super) fn is_under(path: &str, prefix: &str) -> bool {
    let is_up = |segment: &str| {
        let plain = segment.split(';').next().unwrap_or_default().to_ascii_lowercase();
        plain.replace("%2e", ".") == ".."
    };
    if !path.starts_with(prefix) {
        return false;
    }
    if !path.split('/').any(is_up) {
        return true;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        if is_up(segment) {
            kept.pop();
        } else {
            kept.push(segment);
        }
    }
    format!("/{}", kept.join("/")).starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_can_not_be_left_by_the_back_door() {
        for (path, expected) in [
            ("/webservice/", true),
            ("/webservice/a/b", true),
            ("/webservice/a/../b", true),
            ("/webservice/./b", true),
            ("/webservice/..b/c..", true),
            ("/webservice", false),
            ("/other", false),
            ("/webservice/../admin", false),
            ("/webservice/a/../../admin", false),
            ("/webservice/%2e%2E/admin", false),
            ("/webservice/..;x=1/admin", false),
            ("/webservice/..", false),
            ("/webservice/../webservice/a", true),
        ] {
            assert_eq!(is_under(path, "/webservice/"), expected, "{path}");
        }
        assert!(is_under("/../a", "/"));
    }
}
