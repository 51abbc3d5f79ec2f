//! Logging in: with the password as it is in its file when a connection is made.

use async_trait::async_trait;
use scylla::authentication::{AuthError, AuthenticatorProvider, AuthenticatorSession, PlainTextAuthenticator};
use secrecy::ExposeSecret;

use crate::adapters::secret::Secret;

/// Begins the failure of a login that was never tried, since its password cannot be read.
pub(super) const PASSWORD_FILE: &str = "cassandra.password_file: ";

pub(super) struct Login {
    user: String,
    password: Secret,
}

impl Login {
    pub(super) fn new(user: &str, password: &Secret) -> Self {
        Self { user: user.to_owned(), password: password.clone() }
    }
}

#[async_trait]
impl AuthenticatorProvider for Login {
    async fn start_authentication_session(
        &self,
        authenticator_name: &str,
    ) -> Result<(Option<Vec<u8>>, Box<dyn AuthenticatorSession>), AuthError> {
        let password = self.password.read().map_err(|error| error.to_string())?;
        let plain = PlainTextAuthenticator::new(self.user.clone(), password.expose_secret().to_owned());
        plain.start_authentication_session(authenticator_name).await
    }
}
