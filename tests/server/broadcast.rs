//! A message of one client is delivered to every client of its room, in one order.

use crate::support::{Client, Host, TestServer};
use actix_web::rt::spawn;
use futures_util::future::join_all;

#[actix_web::test]
async fn the_first_message_of_a_client_is_world() {
    let server = TestServer::start().await;
    let mut anna = server.connect("/").await;

    assert_eq!(anna.receives().await, "world");
}

#[actix_web::test]
async fn a_message_of_one_client_is_delivered_to_every_client_of_the_room() {
    let server = TestServer::start().await;
    let mut anna = server.join("news").await;
    let mut bert = server.join("news").await;

    anna.publishes("hello").await;

    assert_eq!(bert.receives().await, "hello");
    assert_eq!(anna.receives().await, "hello", "the publisher included");
}

#[actix_web::test]
async fn fifty_clients_receive_a_thousand_messages_of_ten_publishers_in_one_order() {
    let server = TestServer::start().await;
    let mut clients = server.join_many("news", 50).await;

    join_all(clients.iter_mut().take(10).zip(0..).map(async |(publisher, number)| {
        for message in 0..100 {
            publisher.publishes(format!("{number} {message}")).await;
        }
    }))
    .await;

    let mut received = join_all(clients.iter_mut().map(|client| client.receives_many(1000))).await;
    let order = received.pop().unwrap();
    assert!(received.iter().all(|received| *received == order));
    for publisher in 0..10 {
        let own = order.iter().filter_map(|message| message.strip_prefix(&format!("{publisher} ")));
        assert!(
            own.map(str::to_owned).eq((0..100).map(|number| number.to_string())),
            "each publisher in its own order, whole"
        );
    }
}

#[actix_web::test]
async fn a_client_that_joins_while_others_publish_misses_and_doubles_no_message() {
    let server = TestServer::start().await;
    let mut publisher = server.join("news").await;
    let publishing = spawn(async move {
        for burst in 0.. {
            for number in 0..20 {
                publisher.publishes((20 * burst + number).to_string()).await;
            }
            publisher.receives_many(20).await;
        }
    });

    for _ in 0..20 {
        let mut newcomers = join_all((0..5).map(|_| server.join("news"))).await;
        join_all(newcomers.iter_mut().map(receives_without_a_gap)).await;
    }
    publishing.abort();
}

/// Fifty numbers, each the one after the one before.
async fn receives_without_a_gap(newcomer: &mut Client) {
    let mut number = async || newcomer.receives().await.parse::<u32>().unwrap();
    let first = number().await;
    for expected in first + 1..first + 50 {
        assert_eq!(number().await, expected);
    }
}

#[actix_web::test]
async fn a_client_that_leaves_while_others_publish_ends_no_other_session() {
    let server = TestServer::start().await;
    let everybody = server.join_many("news", 45).await.into_iter().enumerate();
    let (staying, leaving): (Vec<_>, Vec<_>) = everybody.partition(|(at, _)| at % 9 == 8);
    let (mut staying, mut leaving) = (Vec::from_iter(staying), Vec::from_iter(leaving));

    for number in 0..40 {
        staying[0].1.publishes(number.to_string()).await;
        drop(leaving.swap_remove(number * 7 % leaving.len()));
        server.has_clients("news", 44 - number as u64).await;
    }

    let expected: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    for (_, client) in &mut staying {
        assert_eq!(client.receives_many(40).await, expected);
    }
}

#[actix_web::test]
async fn without_echo_only_the_publisher_is_excluded() {
    let server = TestServer::with(|settings| settings.rooms.echo = false).await;
    let mut anna = server.join("news").await;
    let mut bert = server.join("news").await;

    anna.publishes("from anna").await;
    assert_eq!(bert.receives().await, "from anna");
    bert.publishes("from bert").await;
    assert_eq!(anna.receives().await, "from bert"); // "from anna" would have come first
}

#[actix_web::test]
async fn each_client_chooses_its_own_echo() {
    for (setting, wish, receives_its_echo) in [(true, "false", false), (false, "true", true)] {
        let server = TestServer::with(|settings| settings.rooms.echo = setting).await;
        let mut anna = server.connect(&format!("/websocket/news?echo={wish}")).await;
        let mut bert = server.join("news").await;
        assert_eq!(anna.receives().await, "world");

        anna.publishes("from anna").await;
        assert_eq!(bert.receives().await, "from anna");
        bert.publishes("from bert").await;
        let first = if receives_its_echo { "from anna" } else { "from bert" };
        assert_eq!(anna.receives().await, first, "echo = {setting}, ?echo={wish}");
    }
}

#[actix_web::test]
async fn many_clients_without_echo_receive_all_others_in_one_order() {
    let server = TestServer::with(|settings| settings.rooms.echo = false).await;
    let mut clients = server.join_many("news", 10).await;
    let mut subscriber = server.join("news").await;

    join_all(clients.iter_mut().enumerate().map(async |(name, client)| {
        for message in 0..50 {
            client.publishes(format!("{name} {message}")).await;
        }
    }))
    .await;

    let order = subscriber.receives_many(500).await;
    for (name, client) in clients.iter_mut().enumerate() {
        let others = |message: &&String| !message.starts_with(&format!("{name} "));
        let expected: Vec<_> = order.iter().filter(others).cloned().collect();
        assert_eq!(client.receives_many(450).await, expected);
    }
}
