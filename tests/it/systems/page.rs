//! The page in a real browser. With `PICTURES=docs` the first test also writes the README's pictures into that folder:
//! `PICTURES=docs cargo test --test it -- systems::page` on a stack that is up.

use std::sync::Arc;

use local_stack::users::new_ids;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use user_purge_sync::admin::overview::{About, FailureLook, Look, Overview};
use user_purge_sync::admin::{Health, Shown, serve};
use user_purge_sync::metrics::Metrics;
use user_purge_sync::ports::pulse::Pulse;

use crate::browser::Browser;
use crate::scene::Scene;

/// Seconds of work for the stand-in at 8 ms a user; half of them come in the outage.
const USERS: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_a_load_an_outage_and_the_recovery() {
    let scene = Scene::with(2, &["--per-id", "8ms"]).await;
    let ids = new_ids(USERS);
    scene.users.put_all(&ids, 2).await.unwrap();
    // Nobody's row of these is deleted: they wait on the delay topic.
    scene.users.put_all(&ids[USERS - 50..], 1).await.unwrap();
    scene.sync_api.behave(&json!({ "falseIds": [&ids[3]] })).await.unwrap();
    let worker = scene.worker(&[("RETRY__ATTEMPTS", "2"), ("DELAY__AFTER", "20s"), ("DELAY__LOOKS", "1")]).await;
    let address = format!("http://{}/", worker.address().unwrap());
    let mut page = Browser::open(&address);
    scene.until("it works", async || page.text("#state") == "works").await;
    assert_eq!(page.text("#failures tbody"), "none since the start");

    let (before, during) = ids.split_at(USERS / 2);
    scene.publish_deletions(before).await;
    scene.until("there is a rate", async || page.text("#sync .rate").starts_with(|c: char| c.is_ascii_digit())).await;
    scene.until("users end", async || filled(&mut page, "#plot .success")).await;
    scene.until("one of them failed", async || page.text("#failures tbody").contains("sync_failed")).await;
    let shown = page.text("#failures tbody");
    assert!(shown.contains("PARTIAL") && shown.contains("delete-user"), "purged, and not indexed: {shown}");

    scene.sync_api.behave(&json!({ "mode": "fail", "status": 502 })).await.unwrap();
    scene.publish_deletions(during).await;
    scene.until("the outage is seen", async || page.text("#state") == "outage: sync").await;
    scene.until("with its reason", async || page.text("#stages tbody").contains("(http_502)")).await;
    assert_eq!(page.text("#sync .rate"), "outage");
    let states = page.value("['sync', 'purge'].map((id) => document.getElementById(id).dataset.state)");
    assert_eq!(states, json!(["open", "closed"]), "the other branch goes on");
    assert!(page.value("document.title").as_str().unwrap().starts_with("outage: sync"));
    if let Some(folder) = std::env::var_os("PICTURES").map(std::path::PathBuf::from) {
        for (name, is_dark) in [("page-light.png", false), ("page-dark.png", true)] {
            std::fs::write(folder.join(name), page.picture(is_dark)).unwrap();
        }
    }

    scene.sync_api.behave_normally().await.unwrap();
    scene.until("it works again", async || page.text("#state") == "works").await;
    scene.inputs_committed().await;
    // Follow-ups may still wait on the delay topic.
    let lag =
        "[...document.querySelectorAll('#partitions tbody tr')].filter((row) => row.cells[0].textContent === 'delete')
        .every((row) => row.cells[2].textContent === '0')";
    scene.until("nothing is left to do", async || page.value(lag) == true).await;
    let body = page.text("body");
    assert!(ids.iter().all(|id| !body.contains(id)), "the page names a user");
    assert!(page.asked.iter().all(|asked| asked.starts_with(&address)), "{:?}", page.asked);
    assert!(page.complaints.is_empty(), "{:?}", page.complaints);
}

fn filled(page: &mut Browser, path: &str) -> bool {
    page.value(&format!("(document.querySelector({path:?})?.getAttribute('d') ?? '').length > 0")).as_bool().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dependency_says_is_text_on_the_page_and_a_silent_worker_is_seen() {
    const MARKUP: &str = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>";
    let health = Health::new(Arc::new(Pulse::new()), CancellationToken::new());
    let overview = Arc::new(Overview::new(About { env: MARKUP.to_owned(), ..About::default() }));
    let (health, metrics) = (Arc::new(health), Arc::new(Metrics::new()));
    let address = serve("127.0.0.1:0", Shown { health, metrics, overview: Arc::clone(&overview) }).unwrap();
    let (reason, user) = (MARKUP.to_owned(), Some("u-1".to_owned()));
    overview.hand_over(
        Look::default(),
        [0, 0, 1, 0, 0],
        [FailureLook { at: 0, status: "FAILED", what: MARKUP.to_owned(), reason, user }],
    );
    let mut page = Browser::open(&format!("http://{address}/"));
    let patience = std::time::Duration::from_mins(1);
    let shown = async || page.text("#failures tbody").contains(MARKUP).then_some(());
    local_stack::eventually("the failure is shown as it is", patience, shown).await.unwrap();
    assert!(page.text("#failures tbody").ends_with("u-1"));
    assert!(page.text("#about").contains(MARKUP));
    assert_eq!(page.value("document.images.length + document.scripts.length"), 1);
    assert_ne!(page.value("document.title"), "owned");
    let still = async || page.text("#state").starts_with("the pipeline stands still for").then_some(());
    local_stack::eventually("a pipeline that tells nothing is seen", patience, still).await.unwrap();
}
