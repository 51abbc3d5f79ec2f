//! Records that leave the worker: where they go and what they are made of.

/// The topics that are written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum OutputTopic {
    Status,
    Failed,
    Delay,
    /// Commands only (`submit`); the worker itself never asks itself for work.
    Request,
    /// Orders to running workers, and their answers.
    Control,
}

impl OutputTopic {
    pub fn label(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Failed => "failed",
            Self::Delay => "delay",
            Self::Request => "request",
            Self::Control => "control",
        }
    }
}

/// A record to be published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputRecord {
    pub topic: OutputTopic,
    pub key: Option<Vec<u8>>,
    pub payload: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
}
