//! A certificate authority, a server certificate for `localhost` from it, and another authority: for tests only, valid
//! from 2020 to 2120.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::NamedTempFile;

pub(crate) fn pem_file(pem: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    file
}

/// A TLS server on loopback that gives `answer` to one request on each connection; its port.
pub(crate) fn serve(answer: Vec<u8>) -> u16 {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(SERVER.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut socket);
            let mut request = [0; 16 * 1024];
            // A refused handshake is what some tests want to see on the other side.
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                stream.write_all(&answer).unwrap();
            }
        }
    });
    port
}

pub(crate) const CA: &str = "\
-----BEGIN CERTIFICATE-----
MIIBdjCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAiMSAwHgYDVQQDDBd1c2VyLXB1
cmdlLXN5bmMgdGVzdCBjYTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAw
MFowIjEgMB4GA1UEAwwXdXNlci1wdXJnZS1zeW5jIHRlc3QgY2EwWTATBgcqhkjO
PQIBBggqhkjOPQMBBwNCAAS+PrNtPg66yphV9YNCpvHySyUEAuu6400Xt5gGkfnu
VQ52uBaVmkwDqphq62yyaDm0TNTQqPz0lJ9cb/FdO12Yo0IwQDAPBgNVHRMBAf8E
BTADAQH/MA4GA1UdDwEB/wQEAwICBDAdBgNVHQ4EFgQUtQz49mvoqdPRdOkcZFQB
idAwGHowCgYIKoZIzj0EAwIDRwAwRAIgCwHNesiLO1qcFp75kHK3r8i+jO2tHXM0
7KtKqeRXod8CICt+wu7cjH0rWQFXvxSm+CqGfpc37Wjb4oqT2r+63T3g
-----END CERTIFICATE-----
";

pub(crate) const OTHER_CA: &str = "\
-----BEGIN CERTIFICATE-----
MIIBfTCCASOgAwIBAgIBATAKBggqhkjOPQQDAjAlMSMwIQYDVQQDDBp1c2VyLXB1
cmdlLXN5bmMgdGVzdCBvdGhlcjAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAw
MDAwMFowJTEjMCEGA1UEAwwadXNlci1wdXJnZS1zeW5jIHRlc3Qgb3RoZXIwWTAT
BgcqhkjOPQIBBggqhkjOPQMBBwNCAATjkBhP15hcAJBXz9ixc5Ocfz0o9jXi/Z9X
PGrL3/1BdWmTBtUVfH6n9rSwTbt/I/GNI3DOE6vG5BEKH3gZtblNo0IwQDAPBgNV
HRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwICBDAdBgNVHQ4EFgQUfLwoalExEM//
WADfJ4a50SKGwAYwCgYIKoZIzj0EAwIDSAAwRQIgNfbuNaye6zYG0kWnG14sjHEB
GzDt9+8MTP1ZOnrSOb4CIQCfeM4o/XQ0nc7yFCcoZxhmILkyBBtXOW+rL+Mz5keW
Hg==
-----END CERTIFICATE-----
";

/// For `localhost`, not for `127.0.0.1`.
pub(crate) const SERVER: &str = "\
-----BEGIN CERTIFICATE-----
MIIBoDCCAUWgAwIBAgIBAjAKBggqhkjOPQQDAjAiMSAwHgYDVQQDDBd1c2VyLXB1
cmdlLXN5bmMgdGVzdCBjYTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAw
MFowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
QgAEn1qYyEoCCsITiTL14+tVPRTEairTzPV+nhvl4tB5l5WO6bVlewbzCiSFlP3h
XTH8PorLdfbqmmvoMEXYzBtpOaN4MHYwFAYDVR0RBA0wC4IJbG9jYWxob3N0MAkG
A1UdEwQCMAAwEwYDVR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFEwbdlnj+eaN
+AVVhqisk+p6fc39MB8GA1UdIwQYMBaAFLUM+PZr6KnT0XTpHGRUAYnQMBh6MAoG
CCqGSM49BAMCA0kAMEYCIQC6QRm1In7G8FyUGqEN0c6D3Znym9emVEA5kmN+3Wyn
BQIhAMdFu2jlNCIU7z0IfAM+wfqGBEruBOCSgfen2c8Jk4R/
-----END CERTIFICATE-----
";

pub(crate) const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwssNUBC/aXLLcxYv
SJZFsvLWUU48aUHgPyrlw+c/uvihRANCAASfWpjISgIKwhOJMvXj61U9FMRqKtPM
9X6eG+Xi0HmXlY7ptWV7BvMKJIWU/eFdMfw+ist19uqaa+gwRdjMG2k5
-----END PRIVATE KEY-----
";
