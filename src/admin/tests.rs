use tokio_util::sync::CancellationToken;

use super::overview::{About, FAILURES, FailureLook, Look};
use super::*;
use crate::ports::pulse::Pulse;

struct Served {
    address: SocketAddr,
    health: Arc<Health>,
    pulse: Arc<Pulse>,
    drain: CancellationToken,
    metrics: Arc<Metrics>,
    overview: Arc<Overview>,
}

fn serve_somewhere() -> Served {
    let (pulse, drain, metrics) = (Arc::new(Pulse::new()), CancellationToken::new(), Arc::new(Metrics::new()));
    let health = Arc::new(Health::new(Arc::clone(&pulse), drain.clone()));
    let overview = Arc::new(Overview::new(About { env: "dev".to_owned(), ..About::default() }));
    let shown = Shown { health: Arc::clone(&health), metrics: Arc::clone(&metrics), overview: Arc::clone(&overview) };
    let address = serve("127.0.0.1:0", shown).unwrap();
    Served { address, health, pulse, drain, metrics, overview }
}

impl Served {
    async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("http://{}{path}", self.address)).await.unwrap()
    }

    async fn codes<const N: usize>(&self, paths: [&str; N]) -> [u16; N] {
        let mut codes = [0; N];
        for (code, path) in codes.iter_mut().zip(paths) {
            *code = self.get(path).await.status().as_u16();
        }
        codes
    }
}

#[tokio::test]
async fn probes_follow_the_health() {
    let served = serve_somewhere();
    let paths = ["/startupz", "/livez", "/healthz", "/readyz", "/ready"];
    assert_eq!(served.codes(paths).await, [503, 200, 200, 503, 503]);
    served.health.set_started();
    served.pulse.set_joined();
    assert_eq!(served.codes(paths).await, [200, 200, 200, 200, 200]);
    served.drain.cancel();
    assert_eq!(served.codes(paths).await, [200, 200, 200, 503, 503]);
}

#[tokio::test]
async fn the_page_leads_only_to_what_is_served_here() {
    let served = serve_somewhere();
    let answer = served.get("/").await;
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    let page = answer.text().await.unwrap();
    let links = ["href=\"", "src=\""].map(|attribute| page.split(attribute).skip(1));
    let links: Vec<&str> = links.into_iter().flatten().filter_map(|rest| rest.split('"').next()).collect();
    for link in links.iter().filter(|link| !link.starts_with("data:")) {
        assert_ne!(served.get(&format!("/{link}")).await.status(), 404, "{link}");
    }
    assert!(links.contains(&"overview.js") && links.contains(&"metrics"), "{links:?}");
    assert_eq!(served.codes(["/elsewhere"]).await, [404]);
}

fn failed(at: i64, user: Option<&str>) -> FailureLook {
    let (what, reason) = ("delete-user".to_owned(), "sync_failed (sync: http_500)".to_owned());
    FailureLook { at, status: "FAILED", what, reason, user: user.map(str::to_owned) }
}

#[tokio::test]
async fn the_document_says_how_old_it_is_and_keeps_the_last_failures_only() {
    let served = serve_somewhere();
    let read = async || -> serde_json::Value { served.get("/overview.json").await.json().await.unwrap() };
    let before = read().await;
    assert_eq!((&before["ageSeconds"], &before["about"]["env"]), (&serde_json::Value::Null, &"dev".into()), "{before}");
    let failures = i64::try_from(FAILURES).unwrap();
    served.overview.hand_over(Look::default(), [3, 0, 1, 0, 0], (0..failures + 5).map(|at| failed(at, None)));
    served.overview.hand_over(Look::default(), [2, 0, 0, 0, 0], [failed(failures + 5, Some("u-1"))]);
    let after = read().await;
    assert!(after["ageSeconds"].as_f64().unwrap() < 60.0, "{after}");
    let slices = after["outcomes"]["slices"].as_array().unwrap();
    let sum = |index: usize| slices.iter().map(|slice| slice[index].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum(0), sum(2)), (5, 1), "{after}");
    let kept = after["failures"].as_array().unwrap();
    assert_eq!((kept.len(), &kept[0]["at"]), (FAILURES, &6.into()));
    assert_eq!((&kept[FAILURES - 2]["user"], &kept[FAILURES - 1]["user"]), (&serde_json::Value::Null, &"u-1".into()));
}

#[tokio::test]
async fn metrics_have_the_type_that_prometheus_reads() {
    let served = serve_somewhere();
    served.metrics.sync_limits(42, 4);
    let response = served.get("/metrics").await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4");
    assert!(response.text().await.unwrap().contains("user_purge_sync_sync_block_size 42\n"));
}

/// The runtime of the test stands for the pipeline's: it is blocked while the request is under way.
#[tokio::test]
async fn it_is_served_while_the_pipeline_is_stuck() {
    use std::io::{Read, Write};

    let served = serve_somewhere();
    let mut connection = std::net::TcpStream::connect(served.address).unwrap();
    connection.write_all(b"GET /livez HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}

#[test]
fn a_port_in_use_is_told_by_the_key_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let health = Health::new(Arc::new(Pulse::new()), CancellationToken::new());
    let (metrics, overview) = (Arc::new(Metrics::new()), Arc::new(Overview::new(About::default())));
    let error = serve(&listen, Shown { health: Arc::new(health), metrics, overview }).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("http.listen") && text.contains(&listen) && text.contains("in use"), "{text}");
}
