//! The figures that a message adds to the metrics.

use crate::{
    process::Launch,
    support::{Client, reaches},
};

#[tokio::test]
async fn a_message_is_timed_once_for_each_batch_and_counted_in_its_turn() {
    let server = Launch::with(&[("workers", "1")]).start();
    let mut anna = Client::joins(&server, "/websocket/news").await;
    let _bert = Client::joins(&server, "/websocket/news").await;
    let before = server.metrics().await;
    let (deliveries, turns) = (before.value("delivery_seconds_count"), before.value("turn_messages_count"));
    let messages = before.value("turn_messages_sum");
    for number in 0..3_u64 {
        anna.receives_its_echo(&number.to_string()).await; // each ends its turn before the next
        reaches(&server, "delivery_seconds_count", deliveries + number + 1).await;
    }
    let after = server.metrics().await;
    assert_eq!(after.value("turn_messages_count"), turns + 3);
    assert_eq!(after.value("turn_messages_sum"), messages + 3);
}
