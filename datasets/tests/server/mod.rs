//! A small HTTP server on this machine, and made-up wheels for it to serve.

use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the server says to one path.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Say the body's length.
    length: bool,
    /// Answer a range with the range.
    ranges: bool,
    /// Close the connection after so many bytes of the body.
    cut: Option<usize>,
}

impl Answer {
    fn new(status: u16, content_type: &str, body: &[u8]) -> Self {
        let headers = vec![("content-type", content_type.to_string())];
        Self { status, headers, body: body.to_vec(), length: true, ranges: false, cut: None }
    }

    pub fn html(page: &str) -> Self {
        Self::new(200, "text/html; charset=utf-8", page.as_bytes())
    }

    pub fn status(status: u16) -> Self {
        Self::new(status, "text/plain", b"no")
    }

    pub fn file(body: &[u8]) -> Self {
        Self { ranges: true, ..Self::new(200, "application/octet-stream", body) }
    }

    pub fn ignoring_ranges(body: &[u8]) -> Self {
        Self { ranges: false, ..Self::file(body) }
    }

    pub fn without_length(body: &[u8]) -> Self {
        Self { length: false, ..Self::file(body) }
    }

    pub fn cut(body: &[u8], after: usize) -> Self {
        Self { cut: Some(after), ..Self::file(body) }
    }

    pub fn redirect(to: &str) -> Self {
        let mut answer = Self::new(302, "text/plain", b"");
        answer.headers.push(("location", to.to_string()));
        answer
    }

    fn send(&self, request: &str, mut to: TcpStream) -> std::io::Result<()> {
        let lower = request.to_ascii_lowercase();
        let start = lower.split("range: bytes=").nth(1).and_then(|t| t.split('-').next()?.parse::<usize>().ok());
        let (status, from) = match start.filter(|_| self.ranges) {
            Some(start) => (206, start),
            None => (self.status, 0),
        };
        let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if status == 206 {
            head += &format!("content-range: bytes {from}-{}/{}\r\n", self.body.len() - 1, self.body.len());
        }
        let body = &self.body[from..];
        if self.length {
            head += &format!("content-length: {}\r\n", body.len());
        }
        to.write_all(head.as_bytes())?;
        to.write_all(b"\r\n")?;
        to.write_all(&body[..self.cut.unwrap_or(body.len())])
    }
}

/// The server; its thread lives as long as the test's process.
pub struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves these paths, 404 for all others.
    pub fn start(paths: Vec<(&'static str, Answer)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(mut request) = read_request(&stream) else { continue };
                if request.starts_with("CONNECT ") {
                    // As a proxy it leads every tunnel to itself.
                    log.lock().unwrap().push(request);
                    let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                    let Some(inner) = read_request(&stream) else { continue };
                    request = inner;
                }
                let path = request.split(' ').nth(1).unwrap_or("").to_string();
                log.lock().unwrap().push(request.clone());
                let found = paths.iter().find(|(p, _)| *p == path).map(|(_, a)| a.clone());
                // A client that hangs up early is what some tests are about.
                let _ = found.unwrap_or_else(|| Answer::status(404)).send(&request, stream);
            }
        });
        Self { port, requests }
    }

    pub fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The requests so far, each with its headers.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(mut stream: &TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        text.push(byte[0]);
    }
    String::from_utf8(text).ok()
}

/// An index page in JSON with one file.
pub fn json_page(file: &str, url: &str, sha256: &str) -> Answer {
    let page = format!(
        "{{\"meta\":{{\"api-version\":\"1.0\"}},\"name\":\"p\",\"files\":[{{\"filename\":\"{file}\",\"url\":\"{url}\",\
         \"hashes\":{{\"sha256\":\"{sha256}\"}}}}]}}"
    );
    Answer::new(200, "application/vnd.pypi.simple.v1+json", page.as_bytes())
}

/// A zip file with these members.
pub fn wheel(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// SHA-256 in lower-case hexadecimal.
pub fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect()
}
