//! Tests of the example `web_service`: one process serves HTTP, other processes run the tasks, on one database.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::examples::{CEILING, program};

/// A process of the example, which is killed when this value is dropped.
struct Process {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
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
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, output }
    }

    async fn worker(db: &Path) -> Self {
        let mut worker = Self::start(db, &["worker"]);
        worker.wait_for_line("working").await;
        worker
    }

    /// Waits for the next line that contains this text.
    async fn wait_for_line(&mut self, text: &str) -> String {
        let search = async {
            while let Some(line) = self.output.next_line().await.unwrap() {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("the process ended without printing {text:?}");
        };
        let found = timeout(CEILING, search).await;
        found.unwrap_or_else(|_| panic!("not within {CEILING:?}: {text}"))
    }

    async fn kill(mut self) {
        timeout(CEILING, self.child.kill()).await.unwrap().unwrap();
    }

    async fn stop(mut self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.await.unwrap().success());
        let status = timeout(CEILING, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{signal}: {status}");
    }
}

struct Service {
    process: Process,
    address: String,
}

impl Service {
    async fn start(db: &Path) -> Self {
        let mut process = Process::start(db, &["serve", "--listen", "127.0.0.1:0"]);
        let line = process.wait_for_line("").await;
        let address = line
            .strip_prefix("listening on http://")
            .unwrap()
            .to_owned();
        Self { process, address }
    }

    /// Sends a request, and returns the status and the body of the response.
    async fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            let text = format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                self.address,
                body.len()
            );
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).await.unwrap();
            response
        };
        let response = timeout(CEILING, exchange).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    async fn order(&self, picture: &str, width: u32) -> String {
        let order = json!({ "picture": picture, "width": width }).to_string();
        let (status, body) = self.request("POST", "/thumbnails", &order).await;
        assert_eq!(status, 202, "{body}");
        let ordered: Value = serde_json::from_str(&body).unwrap();
        ordered["id"].as_str().unwrap().to_owned()
    }

    async fn get(&self, id: &str) -> Value {
        let (status, body) = self.request("GET", &format!("/thumbnails/{id}"), "").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn cancel(&self, id: &str) -> u16 {
        self.request("DELETE", &format!("/thumbnails/{id}"), "")
            .await
            .0
    }
}

fn db(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("thumbnails.db")
}

#[tokio::test]
async fn a_thumbnail_is_produced_although_its_worker_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let db = db(&folder);
    let service = Service::start(&db).await;
    let mut first = Process::worker(&db).await;

    let id = service.order("cat.png", 64).await;
    first.wait_for_line("row 8 of 16").await;
    let half = service.get(&id).await;
    assert_eq!(half["status"], "RUNNING");
    assert!(
        half["progress"]["fraction"].as_f64().unwrap() > 0.0,
        "{half}"
    );
    first.kill().await;

    let mut second = Process::worker(&db).await;
    let line = second.wait_for_line("cat.png: done").await;
    assert!(line.starts_with(&id), "{line}");
    second.stop("TERM").await;
    let finished = service.get(&id).await;
    assert_eq!(
        (&finished["status"], &finished["attempts"]),
        (&json!("SUCCESS"), &json!(1))
    );
    assert_eq!(finished["progress"]["fraction"], 1.0);
    assert!(
        finished["result"]["svg"]
            .as_str()
            .unwrap()
            .starts_with("<svg")
    );
    service.process.stop("INT").await;
}

#[tokio::test]
async fn orders_can_be_cancelled_and_refused_and_the_page_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let db = db(&folder);
    let service = Service::start(&db).await;
    let waiting = service.order("dog.png", 64).await;
    assert_eq!(service.cancel(&waiting).await, 204);
    assert_eq!(service.cancel(&waiting).await, 409);
    assert_eq!(service.cancel("01K3Z8N4Q0001").await, 404);
    assert_eq!(service.request("GET", "/thumbnails/dog", "").await.0, 400);

    let mut worker = Process::worker(&db).await;
    let running = service.order("owl.png", 64).await;
    worker.wait_for_line("row 2 of 16").await;
    assert_eq!(service.cancel(&running).await, 204);
    let line = worker.wait_for_line("asked to stop").await;
    assert!(line.starts_with(&running), "{line}");
    let too_wide = service.order("elk.png", 9_999).await;
    let (_, page) = service.request("GET", "/", "").await;
    assert!(page.starts_with("<!doctype html>") && page.contains("/thumbnails"));
    worker.stop("INT").await;

    let (_, list) = service.request("GET", "/thumbnails", "").await;
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    let ids: Vec<_> = list
        .iter()
        .map(|task| task["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [&too_wide, &running, &waiting],
        "the newest task is first"
    );
    service.process.stop("TERM").await;
}
