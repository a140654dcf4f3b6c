//! Rooms, their members, and their addresses.

use crate::support::{Browser, proxy_below, server, server_with};

#[tokio::test]
async fn the_page_shows_the_number_of_clients_in_the_room() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let anna = browser.joins(&server, "#tea").await;
    anna.shows("#presence", "1 in the room").await;

    let bert = browser.joins(&server, "#tea").await;
    let _elsewhere = browser.joins(&server, "#coffee").await;
    bert.shows("#presence", "2 in the room").await;
    anna.shows("#presence", "2 in the room").await;

    bert.closes().await;
    anna.shows("#presence", "1 in the room").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn the_default_room_has_the_name_that_the_operator_gave_it() {
    let Some(browser) = Browser::start().await else { return };
    let server = server_with(&[("rooms.default", "hall")]);
    let unnamed = browser.joins(&server, "").await;
    unnamed.shows("#room", "hall").await;
    unnamed.shows("#presence", "1 in the room").await;

    let named = browser.joins(&server, "#hall").await;
    named.shows("#presence", "2 in the room").await;
    named.publishes("hello, hall").await;
    unnamed.has_line("client: received hello, hall").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn another_address_leads_to_another_room() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let (anna, bert) = (browser.joins(&server, "").await, browser.joins(&server, "#tea").await);
    let address = format!("ws://{}/websocket", server.listeners[0]);
    assert_eq!(anna.value("#address").await, address.as_str());

    anna.fills("#address", &format!("{address}/tea")).await;
    anna.clicks("#connect").await;
    anna.shows("#room", "tea").await;
    anna.is("open").await;
    anna.publishes("Tea, anyone?").await;
    bert.has_line("client: received Tea, anyone?").await;

    assert_eq!(anna.evaluates("location.hash", "").await, "#tea");
    let second = anna.evaluates("document.querySelector('#second-window').href", "").await;
    assert_eq!(second, format!("http://{}/#tea", server.listeners[0]));
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn an_invalid_address_is_explained_and_the_connection_stays_open() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;

    for (typed, shown) in [
        ("http://[", "This is no address. One looks like ws://localhost:8080/websocket"),
        ("ftp://localhost:8080/websocket", "An address begins with ws:// or, encrypted, with wss://"),
        ("/websocket/a b", "The path is /websocket/ and a room of 1 to 128 letters, digits or . _ ~ : @ -"),
    ] {
        window.fills("#address", typed).await;
        window.clicks("#connect").await;
        window.shows("#address-error", shown).await;
        window.has("#address[aria-invalid=true]").await;
    }
    window.publishes("still here").await;
    window.has_line("client: received still here").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn a_room_is_reached_by_its_bare_name_and_a_server_without_its_scheme() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;
    let address = server.listeners[0];
    for (typed, room) in [
        ("tea", "tea"),
        ("coffee", "coffee"),
        (&format!("{address}/websocket/news"), "news"),
        (&format!("http://{address}/websocket/sport"), "sport"),
        (&format!("{address}/websocket/127.0.0.1"), "127.0.0.1"),
    ] {
        window.fills("#address", typed).await;
        window.clicks("#connect").await;
        window.shows("#room", room).await;
        let address = format!("ws://{}/websocket/{room}", server.listeners[0]);
        assert_eq!(window.value("#address").await, address);
        window.shows("#presence", "1 in the room").await;
        assert_eq!(window.evaluates("location.hash", "").await, format!("#{room}"));
    }
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn the_second_window_is_offered_only_where_the_link_leads_to_the_same_room() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "").await;
    assert!(window.is_visible("#second-window").await);

    window.fills("#address", &format!("{}/websocket/news", server.listeners[1])).await;
    window.clicks("#connect").await;
    window.shows("#room", "news").await;
    assert!(!window.is_visible("#second-window").await);
    window.is("open").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn below_the_path_of_a_proxy_everything_stays_below_it() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let proxy = proxy_below("/live/", server.listeners[0]).await;
    let window = browser.window().await;
    window.navigates_to(&format!("http://{proxy}/live/")).await;
    window.has_line("client: received from client: hello").await;
    assert_eq!(window.value("#address").await, format!("ws://{proxy}/live/websocket"));
    window.shows("#presence", "1 in the room").await;

    window.fills("#address", "tea").await;
    window.clicks("#connect").await;
    window.shows("#room", "tea").await;
    window.is("open").await;
    assert_eq!(window.value("#address").await, format!("ws://{proxy}/live/websocket/tea"));
    assert_eq!(window.evaluates("location.pathname + location.hash", "").await, "/live/#tea");
    window.shows("#presence", "1 in the room").await;
    window.shows("#cut", "Subscribe").await;
    window.clicks("#cut").await;
    window.shows("#subscription", "Subscribed after message 0.").await;

    let second = browser.window().await;
    second.navigates_to(&format!("http://{proxy}/live/index.html#tea")).await;
    second.shows("#presence", "3 in the room").await;
    second.fills("#address", "/websocket/tea").await;
    second.clicks("#connect").await;
    let shown = "The path is /live/websocket/ and a room of 1 to 128 letters, digits or . _ ~ : @ -";
    second.shows("#address-error", shown).await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn lines_of_another_room_stand_below_its_name() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "#tea").await;
    window.fills("#address", "coffee").await;
    window.clicks("#connect").await;
    window.shows("#rows li:nth-child(4) .entered", "Room coffee").await;
    window.has("#rows li:nth-child(4).event:not(.elsewhere)").await;
    window.has("#rows li:nth-child(3).elsewhere").await;
    let names = "[...document.querySelectorAll('#rows .entered')].map((name) => name.textContent)";
    assert_eq!(window.evaluates(names, "").await, serde_json::json!(["Room coffee"]));

    window.fills("#address", "/websocket").await;
    window.clicks("#connect").await;
    window.shows("#rows .entered", "Default room").await;
    browser.logs_no_errors().await;
}

#[tokio::test]
async fn one_connection_ends_before_the_next_begins() {
    let Some(browser) = Browser::start().await else { return };
    let server = server();
    let window = browser.joins(&server, "#tea").await;
    window.fills("#address", "coffee").await;
    window.clicks("#connect").await;
    window.shows("#rows li:nth-child(5) .line", "client: received world").await;
    let open = "client: ws connection is open";
    let closed = "client: ws connection is closed (1000 normal closure)";
    assert_eq!(
        window.lines().await,
        [open, "client: received world", closed, open, "client: received world"]
    );
    browser.logs_no_errors().await;
}
