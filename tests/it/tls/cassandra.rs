//! Cassandra over TLS with a password: what is wrong is named, and what is rotated is followed.

use std::path::PathBuf;

use local_stack::eventually;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use user_purge_sync::adapters::cassandra::CassandraDirectory;
use user_purge_sync::domain::ids::ObjectType;
use user_purge_sync::ports::{Disposition, Failure, UserDirectory as _};
use user_purge_sync::settings::{CassandraSettings, TlsSettings};

use crate::cassandra::support::{directory, settings, user_id};
use crate::scene::PATIENCE;
use crate::tls::certificates::{Authority, Folder, Identity};
use crate::tls::mounted::Mounted;
use crate::tls::own::Own;

/// Of the role that every new Cassandra has.
const PASSWORD: &str = "cassandra";

struct Node {
    own: Own,
    folder: Folder,
    mounted: Mounted,
    ca: Authority,
    other: Authority,
}

impl Node {
    /// Its certificate is over: nobody minds at its start, and the stack makes the keyspace in the clear.
    fn up() -> Self {
        let (ca, other, folder) = (Authority::new("ring"), Authority::new("ring 2"), Folder::new());
        let yaml = write_yaml(&folder, &ca.expired_server(&["localhost"]), "AllowAllAuthenticator");
        let node = Self { own: Own::cassandra(&yaml), folder, mounted: Mounted::new(), ca, other };
        node.mount(&node.ca, PASSWORD);
        node
    }

    /// As an operator rolls a node: from now on it asks for a password, too.
    fn restart_with(&self, identity: &Identity) {
        self.own.stop();
        write_yaml(&self.folder, identity, "PasswordAuthenticator");
        self.own.start();
    }

    fn mount(&self, authority: &Authority, password: &str) {
        self.mounted.update(&[("ca.pem", authority.certificate()), ("password", password)]);
    }

    fn port(&self) -> u16 {
        self.own.value("CASSANDRA_PORT").parse().unwrap()
    }

    /// At `localhost`, believing the right authority.
    fn settings(&self) -> CassandraSettings {
        CassandraSettings {
            hosts: vec![format!("localhost:{}", self.port())],
            username: "cassandra".to_owned(),
            password_file: Some(self.mounted.file("password")),
            tls: TlsSettings { enabled: true, ca_file: Some(self.mounted.file("ca.pem")) },
            ..settings()
        }
    }

    /// In the clear, which this node also takes.
    async fn superuser(&self, password: &str) -> Session {
        let builder =
            SessionBuilder::new().known_node(format!("127.0.0.1:{}", self.port())).user("cassandra", password);
        // The role is made a moment after the node answers.
        let connected = eventually("the superuser is let in", PATIENCE, async || builder.build().await.ok());
        connected.await.unwrap()
    }
}

/// `optional`: the stack itself asks and sets it up in the clear.
fn write_yaml(folder: &Folder, identity: &Identity, authenticator: &str) -> PathBuf {
    let keystore = folder.write("node.pem", &identity.both());
    let yaml = format!(
        "authenticator: {authenticator}\nclient_encryption_options:\n  enabled: true\n  optional: true\n  \
         keystore: {}\n  ssl_context_factory:\n    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory\n",
        keystore.display()
    );
    folder.write("cassandra.yaml", &yaml)
}

fn held(failure: &Failure) -> String {
    assert_eq!(failure.disposition, Disposition::Hold, "{}", failure.story());
    failure.story()
}

async fn refused(settings: &CassandraSettings) -> String {
    held(&directory(settings).probe().await.expect_err("this node should not be believed"))
}

async fn until_told(what: &str, directory: &CassandraDirectory, words: &str) {
    let mut last = String::new();
    let told = eventually(what, PATIENCE, async || {
        last = directory.probe().await.err()?.story();
        last.contains(words).then_some(())
    });
    told.await.unwrap_or_else(|error| panic!("{error:?}: {last}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cassandra_is_verified_and_follows_what_is_rotated() {
    let node = Node::up();
    let right = node.settings();
    let over =
        "certificate: cassandra.hosts: the certificate of 127.0.0.1 ended on 2021-01-01T00:00:00Z: renew it there";
    assert_eq!(refused(&right).await, over);

    node.restart_with(&node.ca.server(&["localhost"]));
    drop(node.superuser(PASSWORD).await);
    let directory = directory(&right);
    directory.probe().await.map_err(|failure| failure.story()).unwrap();
    assert_eq!(directory.lookup(&ObjectType::user(), &[user_id("nobody")]).await.unwrap().len(), 1);
    assert_eq!(directory.certificates().noted().server, Some(4_733_510_400));
    what_is_wrong_is_named(&node, &right).await;

    // A new authority and a new password, one file behind the other.
    let superuser = node.superuser(PASSWORD).await;
    superuser.query_unpaged("ALTER ROLE cassandra WITH PASSWORD = 'rotated-zq'", ()).await.unwrap();
    drop(superuser);
    directory.probe().await.expect("connections that stand go on");
    node.restart_with(&node.other.server(&["localhost"]));
    until_told("the new certificate is refused", &directory, "cassandra.tls.ca_file: the certificate of 127.0.0.1")
        .await;
    held(&directory.lookup(&ObjectType::user(), &[user_id("nobody")]).await.unwrap_err());
    node.mount(&node.other, PASSWORD);
    until_told("the old password is refused", &directory, "credentials").await;
    node.mount(&node.other, "rotated-zq\n");
    let works = eventually("both files are read again", PATIENCE, async || directory.probe().await.ok());
    works.await.unwrap();
    assert_eq!(directory.lookup(&ObjectType::user(), &[user_id("nobody")]).await.unwrap().len(), 1);
}

async fn what_is_wrong_is_named(node: &Node, right: &CassandraSettings) {
    let by_address = CassandraSettings { hosts: vec![format!("127.0.0.1:{}", node.port())], ..right.clone() };
    assert_eq!(
        refused(&by_address).await,
        "certificate: cassandra.hosts: the certificate of 127.0.0.1 is for localhost, not for 127.0.0.1"
    );
    let other = node.folder.write("other.pem", node.other.certificate());
    let tls = TlsSettings { enabled: true, ca_file: Some(other.clone()) };
    assert_eq!(
        refused(&CassandraSettings { tls, ..right.clone() }).await,
        format!(
            "certificate: cassandra.tls.ca_file: the certificate of 127.0.0.1 is signed by \"CN=ring\", not by any of \
             those in {}",
            other.display()
        )
    );
    let wrong = node.folder.write("wrong-password", "wrong-zq");
    let told = refused(&CassandraSettings { password_file: Some(wrong), ..right.clone() }).await;
    assert!(told.starts_with("credentials") && !told.contains("zq"), "{told}");
    let absent = CassandraSettings { password_file: Some("/no/such".into()), ..right.clone() };
    let told = refused(&absent).await;
    assert!(told.starts_with("secret_file: ") && told.contains("cassandra.password_file: /no/such"), "{told}");
}
