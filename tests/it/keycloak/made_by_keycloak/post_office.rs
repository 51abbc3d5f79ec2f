//! A mail server that takes every mail and throws it away: without one Keycloak invites nobody.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Open as long as the test's runtime lives; gives back its port.
pub async fn open() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection));
        }
    });
    Ok(port)
}

async fn serve(mut connection: TcpStream) -> anyhow::Result<()> {
    let (reading, mut writing) = connection.split();
    let mut lines = BufReader::new(reading).lines();
    writing.write_all(b"220 post office\r\n").await?;
    let mut is_letter = false;
    while let Some(line) = lines.next_line().await? {
        let answer = match (is_letter, line.as_str()) {
            (true, ".") => "250 taken",
            (true, _) => continue,
            (false, "DATA") => "354 go on",
            (false, "QUIT") => "221 good bye",
            (false, _) => "250 fine",
        };
        is_letter = answer.starts_with("354");
        writing.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
