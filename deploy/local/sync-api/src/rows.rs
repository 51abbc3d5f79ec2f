//! Where the rows come from: the role, and an implementation in memory for tests. Cassandra is in `cassandra.rs`.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// What a call may name as `objectType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectType {
    User,
    Organisation,
    Location,
}

impl ObjectType {
    /// The service compares case-sensitively (recording 14).
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "user" => Some(Self::User),
            "organisation" => Some(Self::Organisation),
            "location" => Some(Self::Location),
            _ => None,
        }
    }
}

/// The columns that a document shows; no personal data is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub status: Option<i32>,
    pub is_deleted: Option<bool>,
    pub root_org_id: Option<String>,
}

/// The row could not be read; whether it exists is unknown.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Option<Row>, Unreadable>> + Send + 'a>>;

/// Reads one row by its id; `None` means that there is none.
pub trait RowSource: Send + Sync + 'static {
    fn read<'a>(&'a self, object_type: ObjectType, id: &'a str) -> Reading<'a>;
}

/// Rows in memory, for tests.
#[derive(Default)]
pub struct MemoryRows {
    rows: Mutex<HashMap<(ObjectType, String), Row>>,
}

impl MemoryRows {
    pub fn put(&self, object_type: ObjectType, id: &str, row: Row) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.insert((object_type, id.to_owned()), row);
    }
}

impl RowSource for MemoryRows {
    fn read<'a>(&'a self, object_type: ObjectType, id: &'a str) -> Reading<'a> {
        Box::pin(async move {
            let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(rows.get(&(object_type, id.to_owned())).cloned())
        })
    }
}
