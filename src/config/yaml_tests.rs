//! Trees, places, structural mistakes and bounds.

use super::*;

fn tree(text: &str) -> Result<Option<Node>, String> {
    let diagnostics = Collector::new("f");
    let env = |name: &str| (name == "X").then(|| "a: b\n[c, {d}]".to_owned());
    let node = parse(text, &env, &diagnostics);
    diagnostics
        .finish(Some(node))
        .map(|(node, _)| node)
        .map_err(|mistakes| mistakes.to_string())
}

/// The tree without its places.
fn plain(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Scalar(scalar) if scalar.is_null() => serde_json::Value::Null,
        Value::Scalar(scalar) => scalar.text.clone().into(),
        Value::List(nodes) => nodes.iter().map(plain).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), plain(&entry.node)))
            .collect(),
    }
}

#[test]
fn a_value_never_changes_the_structure() {
    for text in [
        "k: ${X}\n",
        "k: \"${X}\"\n",
        "k: '${X}'\n",
        "k: [\"${X}\"]\n",
        "k: |-\n  ${X}\n",
    ] {
        let node = tree(text).expect("valid").expect("not empty");
        let found = plain(&node).to_string();
        assert!(found.contains(r#""a: b\n[c, {d}]""#), "{found}");
    }
}

#[test]
fn anchors_and_merges() {
    let node = tree("base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\nagain: *b\n")
        .expect("valid")
        .expect("not empty");
    let expected = serde_json::json!({
        "base": {"x": "1", "y": "2"}, "mine": {"y": "3", "x": "1"}, "again": {"x": "1", "y": "2"},
    });
    assert_eq!(plain(&node), expected);
}

#[test]
fn places_count_from_one() {
    let node = tree("a:\n  - b\n  - {c: d}\n").expect("valid").expect("not empty");
    let Value::Map(entries) = &node.value else {
        panic!("{node:?}")
    };
    assert_eq!(entries[0].place, Place { line: 1, column: 1 });
    let Value::List(nodes) = &entries[0].node.value else {
        panic!("{node:?}")
    };
    assert_eq!(nodes[0].place, Place { line: 2, column: 5 });
    let Value::Map(entries) = &nodes[1].value else {
        panic!("{node:?}")
    };
    assert_eq!(entries[0].node.place, Place { line: 3, column: 9 });
}

#[test]
fn structural_mistakes() {
    for (text, expected) in [
        (
            "a: 1\nb: 2\na: 3\n",
            "f:3:1: a: a duplicate key; expected each key once; the first is in line 1",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "f:2:1: a second document; expected one document per file",
        ),
        (
            "a: {b: !!binary x}\n",
            "f:1:8: a.b: the tag `!!binary`; expected no tag",
        ),
        (
            "a:\n- ${NONE}\n",
            "f:2:3: a[0]: the environment variable `NONE` is not set; expected it to be set, or a default: `${NONE:-...}`",
        ),
    ] {
        assert_eq!(tree(text).expect_err("a mistake"), expected, "{text}");
    }
    for text in [
        "a: [",
        "a: b: c",
        "a: *none\n",
        "a: &x [*x]\n",
        "? [a]\n: b\n",
        "a: \"",
        "{a: ${X}}",
    ] {
        let told = tree(text).expect_err(text);
        assert!(told.starts_with("f:1:") || told.starts_with("f:2:"), "{told}");
    }
    assert!(tree("{a: ${X}}").expect_err("flow").contains("needs quotes"));
    assert!(matches!(tree(""), Ok(None)));
    assert!(matches!(tree("# nothing\n"), Ok(None)));
}

#[test]
fn bombs_are_bounded() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..20 {
        let last = level - 1;
        bomb.push_str(&format!(
            "a{level}: &a{level} [*a{last},*a{last},*a{last},*a{last},*a{last},*a{last},*a{last},*a{last}]\n"
        ));
    }
    assert!(tree(&bomb).expect_err("a bomb").contains("more than"));
    assert!(tree(&"[".repeat(10_000)).is_err());
    assert!(
        tree(&format!("{}{}", "[".repeat(40), "]".repeat(40)))
            .expect_err("deep")
            .contains("nested")
    );
    assert!(tree(&(0..40).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>()).is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "([a-z:\\-&*<!|>'\"\\[\\]{}?#,%@` \n\t$]|\\$\\{X\\}|<<: |\\PC){0,60}") {
        let _ = tree(&text);
    }
}
