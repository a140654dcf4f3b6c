//! A Redis of another version, as far as a client asks for it.

use std::net::SocketAddr;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A server that has this version, and answers `OK` to everything that has no better answer.
pub async fn redis_of_version(version: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answers(BufReader::new(socket), version));
        }
    });
    address
}

/// Answers until the connection ends.
async fn answers(mut socket: BufReader<TcpStream>, version: &str) -> Option<()> {
    loop {
        let command = command(&mut socket).await?;
        let answer = match command.first().map(|name| name.to_uppercase()).as_deref() {
            Some("HELLO") => format!("%3\r\n+server\r\n+redis\r\n+version\r\n+{version}\r\n+proto\r\n:3\r\n"),
            Some("INFO") => {
                let facts = format!(
                    "# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n\
                     run_id:0123456789abcdef0123456789abcdef01234567\r\n"
                );
                format!("${}\r\n{facts}\r\n", facts.len())
            }
            Some("TIME") => "*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        };
        socket.get_mut().write_all(answer.as_bytes()).await.ok()?;
    }
}

/// The next command, which is an array of bulk strings.
async fn command(socket: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let words = number(socket, "*").await?;
    let mut command = Vec::with_capacity(words);
    for _ in 0..words {
        let mut word = vec![0; number(socket, "$").await? + 2];
        socket.read_exact(&mut word).await.ok()?;
        command.push(String::from_utf8_lossy(&word).trim_end().to_owned());
    }
    Some(command)
}

async fn number(socket: &mut BufReader<TcpStream>, sign: &str) -> Option<usize> {
    let mut line = String::new();
    socket.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(sign)?.parse().ok()
}
