//! The program as a client.

use super::within;
use std::{net::SocketAddr, process::Stdio};
use testing::executable;
use tokio::process::{Child, Command};

/// `worldcast pipe` or `worldcast listen` in the room `news` of this node.
pub fn worldcast(command: &str, node: SocketAddr, arguments: &[&str]) -> Child {
    Command::new(executable())
        .args([command, "--room", "news", "--server", &format!("ws://{node}")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts")
}

/// The exit code and the standard error, after the end of its input.
pub async fn end_of(mut child: Child) -> (Option<i32>, String) {
    drop(child.stdin.take());
    let output = within("the end of the program", child.wait_with_output()).await.expect("a child of ours");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}
