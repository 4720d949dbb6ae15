//! Listeners and advertised addresses.

use crate::{errors_of, from_file};

/// `NAME bind -> advertised` of each listener, or the error.
fn listeners(text: &str) -> Result<Vec<String>, String> {
    let config = from_file(text).map_err(|errors| errors.to_string())?;
    let bind = config.listeners.bind.iter();
    Ok(bind
        .map(|l| format!("{} {} -> {}", l.name, l.bind, l.advertised))
        .collect())
}

#[test]
fn the_default_serves_this_machine_only() {
    assert_eq!(
        listeners("").unwrap(),
        ["PLAINTEXT 127.0.0.1:9092 -> 127.0.0.1:9092"]
    );
}

#[test]
fn hosts_ports_and_names_are_understood_as_in_kafka() {
    for (text, expected) in [
        (
            "listeners=plaintext://10.0.0.1:0",
            "PLAINTEXT 10.0.0.1:0 -> 10.0.0.1:0",
        ),
        (
            "listeners=PLAINTEXT://[::1]:9092",
            "PLAINTEXT [::1]:9092 -> [::1]:9092",
        ),
        (
            "listeners=PLAINTEXT://:9092",
            "PLAINTEXT :9092 -> box.example:9092",
        ),
        (
            "listeners=PLAINTEXT://0.0.0.0:9092\nadvertised.listeners=PLAINTEXT://db1.example:19092",
            "PLAINTEXT 0.0.0.0:9092 -> db1.example:19092",
        ),
    ] {
        assert_eq!(listeners(text).unwrap(), [expected], "{text}");
    }
}

#[test]
fn several_listeners_keep_their_order_and_addresses() {
    let text = "listeners=INSIDE://10.0.0.1:9092,OUTSIDE://10.0.0.1:9093\n\
                advertised.listeners=OUTSIDE://public.example:443,INSIDE://10.0.0.1:9092\n\
                listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT\n\
                inter.broker.listener.name=INSIDE";
    assert_eq!(
        listeners(text).unwrap(),
        [
            "INSIDE 10.0.0.1:9092 -> 10.0.0.1:9092",
            "OUTSIDE 10.0.0.1:9093 -> public.example:443"
        ]
    );
}

#[test]
fn all_interfaces_without_an_advertised_address_is_an_error_that_names_the_flag() {
    for host in ["0.0.0.0", "[::]"] {
        let error = errors_of(&format!("listeners=PLAINTEXT://{host}:9092"));
        assert!(
            error.contains("--advertised-listeners PLAINTEXT://HOST:9092"),
            "{error}"
        );
    }
}

#[test]
fn listeners_that_cannot_be_are_refused() {
    const MAP: &str = "\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT";
    for (text, part) in [
        ("listeners=127.0.0.1:9092", "there is no '://'"),
        ("listeners=PLAINTEXT://127.0.0.1", "it must end in :PORT"),
        (
            "listeners=PLAINTEXT://127.0.0.1:70000",
            "'70000' is not a port",
        ),
        ("listeners=PLAINTEXT://ho st:9092", "cannot contain ' '"),
        ("listeners=", "there must be a listener"),
        ("listeners=A://h:1,A://h:2", "'A' stands twice"),
        ("listeners=A://h:1,B://h:1", "different port; 1 has two"),
        (
            "listeners=NEW://h:1",
            "no security protocol for the listener NEW",
        ),
        (
            "listeners=A://h:1\nadvertised.listeners=B://h:1",
            "'B' is not one of listeners",
        ),
        (
            "listeners=A://h:1,B://h:2\nadvertised.listeners=A://h:1",
            "no address for the listener B",
        ),
        (
            "listeners=A://h:1\nadvertised.listeners=A://0.0.0.0:1",
            "cannot connect to '0.0.0.0:1'",
        ),
        (
            "listeners=A://h:1\ninter.broker.listener.name=B",
            "it must be one of listeners",
        ),
        (
            "listeners=A://h:1\ninter.broker.listener.name=A\nsecurity.inter.broker.protocol=PLAINTEXT",
            "only one of it and security.inter.broker.protocol",
        ),
        (
            "listeners=A://h:1\ncontroller.listener.names=A",
            "there must be a listener",
        ),
    ] {
        let map = if text.contains("A://") { MAP } else { "" };
        let error = errors_of(&format!("{text}{map}"));
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(listeners(&format!("listeners=A://1.2.3.4:1,B://[::1]:1{MAP}")).is_ok());
    assert!(listeners(&format!("listeners=A://h:0,B://h:0{MAP}")).is_ok());
}
