//! The labels that are closed lists of this program: every value of them is there from the start, at zero.

/// How a call of a stage ended, probes left out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallEnd {
    Ok,
    Retry,
    Reject,
    Hold,
}

impl CallEnd {
    pub const ALL: [Self; 4] = [Self::Ok, Self::Retry, Self::Reject, Self::Hold];

    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retry => "retry",
            Self::Reject => "reject",
            Self::Hold => "hold",
        }
    }
}

/// Where the items of a stage are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ItemState {
    /// Could be called now.
    Ready,
    /// Waits for a time: a pause, the settle delay, a doubtful call before.
    Delayed,
    InCall,
}

impl ItemState {
    pub const ALL: [Self; 3] = [Self::Ready, Self::Delayed, Self::InCall];

    pub fn label(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::InCall => "in_call",
        }
    }
}

/// A breaker as a number, larger is worse.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BreakerLabel {
    Closed = 0,
    /// The dependency does not work; it is probed.
    Open = 1,
    /// A person must mend something; it is probed once a minute.
    Held = 2,
}

/// How a commit of offsets ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CommitEnd {
    Ok,
    Failed,
    /// The partition was gone meanwhile: nothing was sent.
    Stale,
}

impl CommitEnd {
    pub const ALL: [Self; 3] = [Self::Ok, Self::Failed, Self::Stale];

    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }
}

/// Why the worker goes over to new Kafka clients.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RenewalCause {
    /// Passwords or certificates have changed in their files.
    Files,
    /// Kafka answers others, and them no more.
    CutOff,
}

impl RenewalCause {
    pub const ALL: [Self; 2] = [Self::Files, Self::CutOff];

    pub fn label(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::CutOff => "cut_off",
        }
    }
}
