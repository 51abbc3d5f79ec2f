//! One new connection to Keycloak's PostgreSQL: with the password and the authorities as they are in their files now.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::AbortOnDropHandle;

use super::failure::{of_ca_file, of_password_file, of_postgres};
use crate::adapters::secret::Secret;
use crate::adapters::tls::{Ends, Keys, Trust};
use crate::ports::Failure;
use crate::settings::KeycloakSettings;

pub(super) const KEYS: Keys = Keys { ca_file: "keycloak.tls.ca_file", address: "keycloak.host" };

/// As [`connect`]; no statement on it runs longer than `keycloak.statement_timeout`.
pub(super) async fn connect_bounded(
    settings: &KeycloakSettings,
    ends: &Ends,
) -> Result<(Client, AbortOnDropHandle<()>), Failure> {
    let (client, driver) = connect(settings, ends).await?;
    let bound = format!("SET statement_timeout = {}", settings.statement_timeout.as_millis());
    client.batch_execute(&bound).await.map_err(of_postgres)?;
    Ok((client, driver))
}

pub(super) async fn connect(
    settings: &KeycloakSettings,
    ends: &Ends,
) -> Result<(Client, AbortOnDropHandle<()>), Failure> {
    let password = Secret::of(&settings.password, "keycloak.password_file", settings.password_file.as_deref());
    let password = password.read().map_err(of_password_file)?;
    let mut config = Config::new();
    config
        .host(&settings.host)
        .port(settings.port)
        .dbname(&settings.database)
        .user(&settings.username)
        .password(password.expose_secret())
        .application_name("user-purge-sync")
        .keepalives_idle(Duration::from_secs(30));
    if settings.tls.enabled {
        let trust = Trust::of(KEYS, settings.tls.ca_file.as_deref()).noting(ends);
        let trust = trust.client_config().map_err(|error| of_ca_file(&error))?;
        // The name that is verified is `keycloak.host`; a server that answers without TLS is refused.
        config.ssl_mode(SslMode::Require);
        let (client, connection) = config.connect(MakeRustlsConnect::new(trust)).await.map_err(of_postgres)?;
        return Ok((client, drive(connection)));
    }
    config.ssl_mode(SslMode::Disable);
    let (client, connection) = config.connect(NoTls).await.map_err(of_postgres)?;
    Ok((client, drive(connection)))
}

/// The task lives exactly as long as its connection; its error reaches every call as "closed".
#[expect(clippy::disallowed_methods, reason = "aborted with its connection, so it outlives nothing")]
fn drive(
    connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.await {
            let failure = of_postgres(error);
            tracing::debug!(reason = %failure, "a connection to Keycloak's database ended");
        }
    }))
}
