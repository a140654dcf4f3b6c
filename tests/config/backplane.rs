//! The server that several nodes share.

use crate::support::Operator;

#[test]
fn wrong_settings_of_the_backplane_are_refused_with_the_remedy() {
    for (text, expected) in [
        ("kind = \"nats\"", "2: backplane.kind = \"nats\": expected \"none\" or \"redis\""),
        (
            "kind = \"redis\"",
            "2: backplane.url = \"\" (default) must name a server, but backplane.kind = \"redis\" \
             (worldcast.toml:2): name a server such as \"redis://127.0.0.1:6379\", or set backplane.kind = \"none\"",
        ),
        (
            "url = \"redis+sentinel://a:1/main\"",
            "2: backplane.url = \"redis+sentinel://a:1/main\": redis+sentinel:// is not supported yet: name the",
        ),
        (
            "url = \"redis+cluster://a:1\"",
            "2: backplane.url = \"redis+cluster://a:1\": redis+cluster:// is not",
        ),
        (
            "url = \"http://a:1\"",
            "2: backplane.url = \"http://a:1\": expected the address of a server such as",
        ),
        (
            "url = \"127.0.0.1:6379\"",
            "2: backplane.url = \"127.0.0.1:6379\": expected the address of a server",
        ),
        ("url = \"redis://a/x\"", "2: backplane.url = \"redis://a/x\": expected the address of a server"),
        (
            "url = \"redis://a?protocol=resp2\"",
            "2: backplane.url = \"redis://a?protocol=resp2\": nothing may",
        ),
        ("timeout = \"99ms\"", "2: backplane.timeout = \"99ms\" must be from 100ms to 1m"),
        ("timeout = \"61s\"", "2: backplane.timeout = \"1m 1s\" must be from 100ms to 1m"),
        ("restore = \"61s\"", "2: backplane.restore = \"1m 1s\" must be at most 1m"),
        ("node_timeout = \"999ms\"", "2: backplane.node_timeout = \"999ms\" must be from 1s to 1h"),
        ("push_buffer = \"1023KiB\"", "2: backplane.push_buffer = \"1023KiB\" must be from 1MiB to 2GiB"),
        ("prefix = \"\"", "2: backplane.prefix = \"\" must have 1 to 64 visible ASCII characters"),
        ("prefix = \"a{b}\"", "2: backplane.prefix = \"a{b}\" must have 1 to 64 visible ASCII characters"),
        ("prefix = \"a b\"", "2: backplane.prefix = \"a b\" must have 1 to 64 visible ASCII characters"),
        (
            "url = \"redis://:a@b\"\npassword = \"c\"",
            "3: backplane.password = \"***\" (worldcast.toml:3) must be empty if the url has a password, but \
             backplane.url = \"redis://:***@b\" (worldcast.toml:2): delete one of them",
        ),
        (
            "password = \"c\"\npassword_file = \"/d\"",
            "3: backplane.password_file = \"/d\" (worldcast.toml:3) must be empty if there is a password, but",
        ),
        (
            "url = \"unix:///a?pass=secret\"\npassword_file = \"/d\"",
            "3: backplane.password_file = \"/d\" (worldcast.toml:3) must be empty if the url has a password, \
             but backplane.url = \"unix:///a?pass=***\"",
        ),
        (
            "url = \"redis://a\"\nca = \"/b\"",
            "3: backplane.ca = \"/b\" (worldcast.toml:3) must be empty unless the url begins with rediss://",
        ),
    ] {
        let stderr = Operator::with_file(&format!("[backplane]\n{text}\n")).is_refused();
        assert!(stderr.starts_with(&format!("worldcast: worldcast.toml:{expected}")), "{text:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{text:?}: {stderr}");
    }
}

#[test]
fn a_backplane_must_hold_four_messages() {
    let large = "[session]\nmax_message = \"5MiB\"\noutbox_bytes = \"6MiB\"\n";
    Operator::with_file(large).checks();
    let shared = format!("{large}[backplane]\nkind = \"redis\"\nurl = \"redis://a\"\n");
    let stderr = Operator::with_file(&shared).is_refused();
    assert!(
        stderr.contains("backplane.push_buffer = \"16MiB\" (default) must hold four messages"),
        "{stderr}"
    );
    Operator::with_file(&format!("{shared}push_buffer = \"20MiB\"\n")).checks();
}

#[test]
fn every_way_to_name_a_server_is_accepted_and_no_password_is_shown() {
    for url in [
        "redis://127.0.0.1:6379",
        "redis://anna:sesame@redis.example/3",
        "rediss://:sesame@redis.example:6380",
        "unix:///run/redis.sock",
        "redis+unix:///run/redis.sock?db=1&user=anna&pass=sesame",
    ] {
        let operator = Operator::with_file(&format!("[backplane]\nkind = \"redis\"\nurl = \"{url}\"\n"));
        let shown = operator.checks();
        assert!(shown.contains(&format!("url = \"{}\"", url.replace("sesame", "***"))), "{shown}");
    }
    let shown = Operator::with_file("[backplane]\nuser = \"anna\"\n")
        .sets("WORLDCAST_BACKPLANE__PASSWORD", "sesame")
        .sets("WORLDCAST_BACKPLANE__URL", "redis://a")
        .checks();
    assert!(shown.contains("password = \"***\""), "{shown}");
    for line in ["password = \"***\"", "url = \"redis://a\""] {
        let line = shown.lines().find(|shown| shown.starts_with(line)).unwrap_or_else(|| panic!("{line}"));
        assert!(line.contains("# WORLDCAST_BACKPLANE__"), "{line}");
    }
}

#[test]
fn a_password_in_a_wrong_address_is_not_shown() {
    for url in [
        "redis://u:sesame@h:x",
        "redis+sentinel://:sesame@a",
        "redis://u:ses/sesame@h",
        "unix:/a?pass=sesame",
    ] {
        let stderr = Operator::with_file(&format!("[backplane]\nurl = \"{url}\"\n")).is_refused();
        assert!(!stderr.contains("sesame"), "{stderr}");
    }
}
