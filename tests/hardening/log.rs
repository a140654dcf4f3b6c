//! A log that nobody reads stops nobody.

use crate::{
    process::Launch,
    support::{Client, comes_to},
};

#[tokio::test]
async fn a_reader_of_the_log_who_stalls_stops_nobody() {
    let server = Launch::with(&[("log.messages", "true")]).log_unread().start();
    let mut client = Client::joins(&server, "/").await;
    let mut neighbour = Client::joins(&server, "/").await;
    for number in 0..8000 {
        client.hears_itself(&number.to_string()).await; // far more lines than a pipe holds
        assert_eq!(neighbour.hears().await, number.to_string());
    }
    comes_to(&server, "messages_received_total", 8000).await;
    assert!(server.metrics().await.value("log_lines_dropped_total") > 0, "what nobody read is counted");
}
