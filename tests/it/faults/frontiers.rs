//! Looks at the committed offsets all the time: none may ever go back.

use std::collections::BTreeMap;
use std::time::Duration;

use local_stack::Topics;
use local_stack::topics::{DELAY, DELETE, REQUEST};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::scene::Scene;

const PAUSE: Duration = Duration::from_millis(100);

pub struct Frontiers {
    stop: oneshot::Sender<()>,
    watching: JoinHandle<(usize, Vec<String>)>,
}

impl Frontiers {
    pub fn watch(scene: &Scene) -> Self {
        let topics = Topics::of(&scene.stack, &scene.topics.env).unwrap();
        let (stop, stopped) = oneshot::channel();
        Self { stop, watching: tokio::spawn(watch(topics, stopped)) }
    }

    pub async fn never_went_back(self) {
        self.stop.send(()).unwrap();
        let (looks, steps_back) = self.watching.await.unwrap();
        assert!(looks > 0, "nothing was looked at");
        assert!(steps_back.is_empty(), "committed offsets went back: {steps_back:?}");
    }
}

async fn watch(topics: Topics, mut stopped: oneshot::Receiver<()>) -> (usize, Vec<String>) {
    let (mut last, mut looks, mut steps_back) = (BTreeMap::new(), 0, Vec::new());
    while tokio::time::timeout(PAUSE, &mut stopped).await.is_err() {
        // A broker that is away shows nothing.
        let Ok(progress) = topics.progress(&[DELETE, REQUEST, DELAY]).await else { continue };
        looks += 1;
        for ((topic, partition), place) in progress {
            let before = last.insert((topic.clone(), partition), place.committed).unwrap_or_default();
            if place.committed < before {
                steps_back.push(format!("{topic} {partition}: {before} to {}", place.committed));
            }
        }
    }
    (looks, steps_back)
}
