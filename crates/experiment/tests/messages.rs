//! What people read when a document is wrong.

use regiscope_experiment::{Document, Places, check, json_schema};

const GOOD: &str = "title = \"t\"\n[phantom]\n[view]\n[register]\n";

fn places() -> Places {
    Places { base_dir: env!("CARGO_MANIFEST_DIR").into(), data_dir: env!("CARGO_MANIFEST_DIR").into() }
}

fn parse_errors(text: &str) -> String {
    Document::parse(text, "doc.toml").unwrap_err().to_string()
}

fn check_errors(text: &str) -> String {
    check(&Document::parse(text, "doc.toml").unwrap(), &places()).unwrap_err().to_string()
}

#[test]
fn all_mistakes_stand_at_their_places_with_the_nearest_key() {
    let text = r#"
titel = "x"
[phantom]
spacing_mm = 0.1
[view]
rows = 2.5
primary_angle_deg = "ten"
[register]
similarity = "nc"
optimizer = "lbfgs"
"#;
    assert_eq!(
        parse_errors(text),
        "\
doc.toml:2:1: unknown key `titel` in the document (did you mean `title`?)
doc.toml:4:14: `phantom.spacing_mm` is 0.1; accepted is a number at least 0.5 and at most 20
doc.toml:6:8: `view.rows` is a number; an integer at least 8 and at most 4096 is accepted
doc.toml:7:21: `view.primary_angle_deg` is a string; a number at least -180 and at most 180 is accepted
doc.toml:9:14: `register.similarity` is \"nc\"; accepted are \"ssd\", \"ncc\", \"local-ncc\", \"gradient-ncc\", \"mutual-information\" (did you mean \"ncc\"?)
doc.toml:10:1: unknown key `optimizer` in [register] (did you mean `optimiser`?)"
    );
}

#[test]
fn a_caret_shows_the_place() {
    let errors = Document::parse("[register]\nsimilarty = \"ncc\"\n", "doc.toml").unwrap_err();
    assert_eq!(
        errors.render(false, 80),
        "  × unknown key `similarty` in [register]
   ╭─[doc.toml:2:1]
 1 │ [register]
 2 │ similarty = \"ncc\"
   · ────┬────
   ·     ╰── here
   ╰────
  help: did you mean `similarity`?

"
    );
}

#[test]
fn overrides_point_at_themselves() {
    let document = Document::parse(GOOD, "doc.toml").unwrap();
    let set = |key: &str, value: &str| document.with_overrides(&[(key.into(), value.into())]);
    let changed = set("register.optimiser", "lbfgs").unwrap();
    assert_eq!(serde_json::to_value(changed.tables.register.unwrap().optimiser).unwrap(), "lbfgs");
    assert_eq!(set("starts.count", "3").unwrap().tables.starts.unwrap().count, 3);
    assert_eq!(
        set("view.isocentre_mm", "[1, 2.5, 3]").unwrap().tables.view.unwrap().isocentre_mm,
        Some([1.0, 2.5, 3.0])
    );
    for (key, value, sentence) in [
        ("view.rows", "1", "--set view.rows=1: `view.rows` is 1; accepted is an integer at least 8 and at most 4096"),
        ("view.row", "9", "--set view.row=9: unknown key `row` in [view] (did you mean `rows`?)"),
        ("title.x", "9", "--set title.x=9: `title` is a string, it has no key `x`"),
        (
            "views.0.rows",
            "9",
            "--set views.0.rows=9: `views` is a table; a list (a table for each element) is accepted",
        ),
        ("view.", "9", "--set view.=9: `view.` is not a dotted key such as register.pyramid"),
        ("seed", "[1", "--set seed=[1: not TOML: unclosed array, expected `]`"),
    ] {
        assert_eq!(set(key, value).unwrap_err().to_string(), sentence);
    }
    let both = set("phantom", "{}").unwrap().with_overrides(&[("volume.file".into(), "x.nii".into())]).unwrap();
    let refused = check(&both, &places()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "--set volume.file=x.nii: the document has both [phantom] and [volume]; one of them is accepted"
    );
    assert!(refused.render(false, 80).contains("--set"));
}

#[test]
fn tables_must_fit_together() {
    for (text, sentence) in [
        ("[view]\n[render]\n", "doc.toml:1:1: no CT: the document needs a [phantom] or a [volume] table"),
        (
            "[phantom]\n[view]\n",
            "doc.toml:1:1: no task: the document needs a [register], a [posterior], a [render], a [deform], a [ranking], a [toys] or a [failures] table",
        ),
        (
            "[phantom]\n[view]\n[render]\n[starts]\ncount = 3\n",
            "doc.toml:4:2: [starts] belongs to [register], which is not there",
        ),
        (
            "[phantom]\n[view]\nsource_isocentre_mm = 2000\n[render]\n",
            "doc.toml:3:23: source_isocentre_mm = 2000 is not less than source_detector_mm = 1020: the isocentre lies between source and detector",
        ),
        ("[volume]\nfile = \"no.nii\"\n[view]\n[render]\n", "doc.toml:2:8: `volume.file`: there is no file"),
        (
            "[phantom]\n[[views]]\nname = \"a\"\n[[views]]\nname = \"a\"\n[render]\n",
            "doc.toml:5:8: two views have the name \"a\"",
        ),
        ("[phantom]\n[view]\nname = \"../a\"\n[render]\n", "doc.toml:3:8: the name \"../a\" is not good for a file"),
        (
            "[phantom]\n[view]\n[register]\npatch = 9\n",
            "doc.toml:4:9: `register.patch` does nothing here: it needs similarity = \"local-ncc\"",
        ),
        (
            "[phantom]\n[view]\n[register]\n[criteria]\nsuccess_within_mm = 1\n",
            "doc.toml:4:2: [criteria] needs `success_rate`, `median_mtre_mm` or `best_mtre_mm`",
        ),
    ] {
        let found = check_errors(text);
        assert!(found.contains(sentence), "expected\n{sentence}\nin\n{found}");
    }
}

#[test]
fn hostile_text_is_refused_in_sentences() {
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("title = \"{}\"", "x".repeat(10_000));
    let huge = " ".repeat(2 << 20);
    for (text, word) in [
        ("a = ", "not TOML"),
        ("seed = nan", "not a finite number"),
        ("seed = 99999999999999999999999", "64-bit"),
        ("seed = -1", "`seed` is -1"),
        ("[starts]\ncount = 4000000000", "at most 10000"),
        ("[a]\n[a]\n", "duplicate"),
        ("seed = 1\u{0}", "not TOML"),
        ("views = [1, 2]", "`views.0` is an integer"),
        (&deep, "not TOML"),
        (&wide, "at most 4096"),
        (&huge, "at most 1048576"),
    ] {
        let found = parse_errors(text);
        assert!(found.contains(word), "{word} in {}", &found[..found.len().min(400)]);
        Document::parse(text, "x").unwrap_err().render(true, 80);
    }
}

#[test]
fn the_resolved_document_reads_back() {
    let document = Document::parse(GOOD, "doc.toml").unwrap();
    let text = toml::to_string_pretty(&document.tables).unwrap();
    assert_eq!(Document::parse(&text, "resolved").unwrap().tables, document.tables);
}

#[test]
fn the_schema_describes_every_key() {
    fn walk(schema: &serde_json::Value, path: &str) {
        if let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) {
            assert_eq!(schema["additionalProperties"], false, "{path} accepts unknown keys");
            for (key, inner) in properties {
                assert!(inner.get("description").is_some(), "{path}.{key} has no description");
                walk(inner, &format!("{path}.{key}"));
                walk(&inner["items"], &format!("{path}.{key}"));
            }
        }
        assert!(!schema.to_string().contains("\"null\""), "{path} accepts null");
    }
    walk(&json_schema(), "");
}
