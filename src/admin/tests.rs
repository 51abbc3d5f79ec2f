use tokio_util::sync::CancellationToken;

use super::*;
use crate::ports::pulse::Pulse;

struct Served {
    address: SocketAddr,
    health: Arc<Health>,
    pulse: Arc<Pulse>,
    drain: CancellationToken,
    metrics: Arc<Metrics>,
}

fn serve_somewhere() -> Served {
    let (pulse, drain, metrics) = (Arc::new(Pulse::new()), CancellationToken::new(), Arc::new(Metrics::new()));
    let health = Arc::new(Health::new(Arc::clone(&pulse), drain.clone()));
    let address = serve("127.0.0.1:0", Arc::clone(&health), Arc::clone(&metrics)).unwrap();
    Served { address, health, pulse, drain, metrics }
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
async fn the_page_lists_what_is_served() {
    let served = serve_somewhere();
    let page = served.get("/").await.text().await.unwrap();
    for path in page.split_whitespace().filter(|word| word.starts_with('/')) {
        assert_ne!(served.get(path).await.status(), 404, "{path}");
    }
    assert!(page.contains("/metrics"));
    assert_eq!(served.codes(["/elsewhere"]).await, [404]);
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
    let error = serve(&listen, Arc::new(health), Arc::new(Metrics::new())).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("http.listen") && text.contains(&listen) && text.contains("in use"), "{text}");
}
