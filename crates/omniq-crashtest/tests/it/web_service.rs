//! The web service of the examples: one process that serves, others that work, on one file.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::examples::{CEILING, program};

/// One of its processes. Dropped, it is killed.
struct Process {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(db: &Path, role: &[&str]) -> Self {
        let mut child = Command::new(program("web_service"))
            .args(role)
            .arg("--db")
            .arg(db)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, says }
    }

    async fn worker(db: &Path) -> Self {
        let mut worker = Self::start(db, &["worker"]);
        worker.says("working").await;
        worker
    }

    /// The next line with this text.
    async fn says(&mut self, text: &str) -> String {
        let search = async {
            while let Some(line) = self.says.next_line().await.unwrap() {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("it ended without {text:?}");
        };
        let found = timeout(CEILING, search).await;
        found.unwrap_or_else(|_| panic!("not within {CEILING:?}: {text}"))
    }

    async fn kill(mut self) {
        timeout(CEILING, self.child.kill()).await.unwrap().unwrap();
    }

    async fn end(mut self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.await.unwrap().success());
        let ended = timeout(CEILING, self.child.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "{signal}: {ended}");
    }
}

struct Service {
    process: Process,
    address: String,
}

impl Service {
    async fn start(db: &Path) -> Self {
        let mut process = Process::start(db, &["serve", "--listen", "127.0.0.1:0"]);
        let line = process.says("").await;
        let address = line
            .strip_prefix("listening on http://")
            .unwrap()
            .to_owned();
        Self { process, address }
    }

    /// The status and the body of an answer.
    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                self.address,
                body.len()
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = timeout(CEILING, exchange).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    async fn order(&self, picture: &str, width: u32) -> String {
        let wish = json!({ "picture": picture, "width": width }).to_string();
        let (status, body) = self.ask("POST", "/thumbnails", &wish).await;
        assert_eq!(status, 202, "{body}");
        let ordered: Value = serde_json::from_str(&body).unwrap();
        ordered["id"].as_str().unwrap().to_owned()
    }

    async fn show(&self, id: &str) -> Value {
        let (status, body) = self.ask("GET", &format!("/thumbnails/{id}"), "").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn cancel(&self, id: &str) -> u16 {
        self.ask("DELETE", &format!("/thumbnails/{id}"), "").await.0
    }
}

fn db(scene: &tempfile::TempDir) -> PathBuf {
    scene.path().join("thumbnails.db")
}

#[tokio::test]
async fn a_thumbnail_is_made_though_its_worker_is_killed() {
    let scene = tempfile::tempdir().unwrap();
    let db = db(&scene);
    let service = Service::start(&db).await;
    let mut first = Process::worker(&db).await;

    let id = service.order("cat.png", 64).await;
    first.says("row 8 of 16").await;
    let half = service.show(&id).await;
    assert_eq!(half["status"], "RUNNING");
    assert!(
        half["progress"]["fraction"].as_f64().unwrap() > 0.0,
        "{half}"
    );
    first.kill().await;

    let mut second = Process::worker(&db).await;
    let line = second.says("cat.png: done").await;
    assert!(line.starts_with(&id), "{line}");
    second.end("TERM").await;
    let made = service.show(&id).await;
    assert_eq!(
        (&made["status"], &made["attempts"]),
        (&json!("SUCCESS"), &json!(1))
    );
    assert_eq!(made["progress"]["fraction"], 1.0);
    assert!(made["result"]["svg"].as_str().unwrap().starts_with("<svg"));
    service.process.end("INT").await;
}

#[tokio::test]
async fn orders_are_cancelled_and_refused_and_the_page_is_there() {
    let scene = tempfile::tempdir().unwrap();
    let db = db(&scene);
    let service = Service::start(&db).await;
    let waiting = service.order("dog.png", 64).await;
    assert_eq!(service.cancel(&waiting).await, 204);
    assert_eq!(service.cancel(&waiting).await, 409);
    assert_eq!(service.cancel("01K3Z8N4Q0001").await, 404);
    assert_eq!(service.ask("GET", "/thumbnails/dog", "").await.0, 400);

    let mut worker = Process::worker(&db).await;
    let running = service.order("owl.png", 64).await;
    worker.says("row 2 of 16").await;
    assert_eq!(service.cancel(&running).await, 204);
    let line = worker.says("asked to stop").await;
    assert!(line.starts_with(&running), "{line}");
    let too_wide = service.order("elk.png", 9_999).await;
    let (_, page) = service.ask("GET", "/", "").await;
    assert!(page.starts_with("<!doctype html>") && page.contains("/thumbnails"));
    worker.end("INT").await;

    let (_, list) = service.ask("GET", "/thumbnails", "").await;
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    let ids: Vec<_> = list
        .iter()
        .map(|task| task["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [&too_wide, &running, &waiting], "the newest first");
    service.process.end("TERM").await;
}
