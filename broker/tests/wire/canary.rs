//! The helpers notice what they are for.

use weir_protocol::messages::ApiVersionsRequest;

use crate::broker::Broker;

#[test]
#[should_panic(expected = "correlation id")]
fn an_answer_to_another_request_is_noticed() {
    let broker = Broker::start();
    let mut client = broker.client();
    let id = client.send(0, &ApiVersionsRequest::default());
    client.receive::<ApiVersionsRequest>(0, id + 1);
}

#[test]
#[should_panic(expected = "bytes before the end")]
fn an_answer_where_none_is_due_is_noticed() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.send(0, &ApiVersionsRequest::default());
    client.expect_closed();
}
