//! Patience of the commands with servers that accept a connection and do nothing useful with it.

use crate::{
    commands::{end_of, worldcast},
    support::Fake,
};

#[actix_web::test]
async fn a_server_that_ends_each_connection_after_its_welcome_is_exit_code_3() {
    let servers = [
        (Fake::that_ends_after_its_welcome(Some(1013), false).await, "closed with 1013 full"),
        (Fake::that_ends_after_its_welcome(Some(1000), false).await, "closed with 1000 full"),
        (Fake::that_ends_after_its_welcome(None, false).await, "the connection was cut"),
    ];
    let commands = servers.iter().flat_map(|(server, reason)| {
        ["listen", "pipe"].map(|command| async move {
            let (code, lines) = end_of(worldcast(command, server.address, &["--patience", "2s"])).await;
            assert_eq!(code, Some(3), "{command}: {lines}");
            assert!(lines.lines().count() == 2 && lines.contains(reason), "{command}: {lines}");
            assert!(lines.contains("trying for 2s"), "{command}: {lines}");
        })
    });
    futures_util::future::join_all(commands).await;
    for (server, reason) in &servers {
        assert!((12..=40).contains(&server.accepted()), "{reason}: {} connections", server.accepted());
    }
}

#[actix_web::test]
async fn a_message_that_comes_again_and_again_is_no_progress() {
    let server = Fake::that_ends_after_its_welcome(None, true).await;
    let (code, lines) = end_of(worldcast("listen", server.address, &["--patience", "2s"])).await;
    assert_eq!(code, Some(3), "{lines}");
    assert!(server.accepted() <= 40, "{} connections", server.accepted());
}

#[actix_web::test]
async fn another_server_than_worldcast_is_named_as_that() {
    let server = Fake::without_a_subprotocol().await;
    let (code, lines) = end_of(worldcast("listen", server.address, &["--patience", "0s"])).await;
    assert_eq!(code, Some(3), "{lines}");
    assert!(lines.contains("it is no worldcast server"), "{lines}");
}
