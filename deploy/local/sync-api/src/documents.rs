//! The documents that were "indexed": what the search index would hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use crate::rows::{ObjectType, Row};

/// One document, as `GET /documents/{id}` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub id: String,
    pub object_type: ObjectType,
    pub status: Option<i32>,
    pub is_deleted: Option<bool>,
    pub root_org_id: Option<String>,
    /// When it was last written, RFC 3339 in UTC.
    pub indexed_at: String,
    /// How often it was written since the last reset.
    pub writes: u64,
    /// The number of its last write among all writes, from 1.
    pub order: u64,
}

/// What `GET /documents` shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub documents: usize,
    pub writes: u64,
    /// Documents by the status of their row; "null" where the row had none.
    pub by_status: BTreeMap<String, usize>,
    /// In the order of their last write; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
}

#[derive(Default)]
pub struct Documents {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    by_id: HashMap<String, Document>,
    writes: u64,
}

impl Documents {
    pub(crate) fn put(&self, object_type: ObjectType, id: &str, row: Row) {
        let mut held = self.lock();
        held.writes += 1;
        let order = held.writes;
        let writes = held.by_id.get(id).map_or(0, |document| document.writes) + 1;
        let document = Document {
            id: id.to_owned(),
            object_type,
            status: row.status,
            is_deleted: row.is_deleted,
            root_org_id: row.root_org_id,
            indexed_at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            writes,
            order,
        };
        held.by_id.insert(document.id.clone(), document);
    }

    pub fn get(&self, id: &str) -> Option<Document> {
        self.lock().by_id.get(id).cloned()
    }

    /// `ids`: "true" for all of them, a status for those of its documents.
    pub fn summary(&self, ids: Option<&str>) -> Summary {
        let held = self.lock();
        let status_of =
            |document: &Document| document.status.map_or_else(|| "null".to_owned(), |status| status.to_string());
        let mut by_status = BTreeMap::new();
        for document in held.by_id.values() {
            *by_status.entry(status_of(document)).or_default() += 1;
        }
        let ids = ids.map(|wanted| {
            let is_wanted = |document: &&Document| wanted == "true" || status_of(document) == wanted;
            let mut documents: Vec<&Document> = held.by_id.values().filter(is_wanted).collect();
            documents.sort_by_key(|document| document.order);
            documents.into_iter().map(|document| document.id.clone()).collect()
        });
        Summary { documents: held.by_id.len(), writes: held.writes, by_status, ids }
    }

    pub fn clear(&self) {
        *self.lock() = Held::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
