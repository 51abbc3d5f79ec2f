//! How long users are in a stage.

use std::time::Duration;

/// Users who were in a stage, and their time in it together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    pub users: u64,
    pub milliseconds: u64,
}

impl Spent {
    /// One more user, if it was in the stage.
    pub fn add(&mut self, milliseconds: Option<u64>) {
        self.users += u64::from(milliseconds.is_some());
        self.milliseconds = self.milliseconds.saturating_add(milliseconds.unwrap_or_default());
    }

    /// Of a user, on average, since an earlier count; `None` where nobody has been in the stage.
    pub fn mean_since(self, earlier: Self) -> Option<Duration> {
        let users = self.users.saturating_sub(earlier.users);
        self.milliseconds.saturating_sub(earlier.milliseconds).checked_div(users).map(Duration::from_millis)
    }
}
