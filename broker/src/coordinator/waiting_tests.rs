use std::time::Duration;

use weir_coordinator::{Answer, Token};
use weir_tiering::ids::Slot;

use super::waiting::Waiting;

const SECOND: Duration = Duration::from_secs(1);

fn answer(token: u64) -> (Token, Answer) {
    (Token(token), Answer::Heartbeat(Ok(())))
}

fn tokens(answers: &[(Token, Answer)]) -> Vec<u64> {
    answers.iter().map(|(token, _)| token.0).collect()
}

#[test]
fn answers_leave_with_their_slot_and_in_order() {
    let mut waiting = Waiting::default();
    waiting.push(Slot(3), SECOND, 10, vec![answer(1)]);
    waiting.push(Slot(3), SECOND, 0, vec![answer(2), answer(3)]);
    waiting.push(Slot(5), SECOND, 7, vec![answer(4)]);
    assert_eq!((waiting.slot(), waiting.bytes()), (Some(Slot(3)), 17));
    assert!(waiting.committed(Slot(2)).0.is_empty());
    let (answers, bytes) = waiting.committed(Slot(4));
    assert_eq!((tokens(&answers), bytes), (vec![1, 2, 3], 10));
    assert_eq!(waiting.slot(), Some(Slot(5)));
    assert_eq!(tokens(&waiting.committed(Slot(5)).0), [4]);
    assert_eq!(waiting.slot(), None);
}

#[test]
fn an_answer_whose_time_is_up_is_never_sent_but_its_bytes_still_count() {
    let mut waiting = Waiting::default();
    waiting.push(Slot(1), SECOND, 10, vec![answer(1)]);
    waiting.push(Slot(2), 2 * SECOND, 10, vec![answer(2)]);
    assert_eq!(waiting.deadline(), Some(SECOND));
    assert_eq!(waiting.expire(SECOND / 2), []);
    assert_eq!(waiting.expire(SECOND), [Token(1)]);
    assert_eq!(waiting.expire(SECOND), []);
    assert_eq!(
        (waiting.deadline(), waiting.bytes()),
        (Some(2 * SECOND), 20)
    );
    let (answers, bytes) = waiting.committed(Slot(1));
    assert_eq!((tokens(&answers), bytes), (vec![], 10));
    assert_eq!(waiting.deadline(), Some(2 * SECOND));
    assert_eq!(tokens(&waiting.committed(Slot(2)).0), [2]);
    assert_eq!(waiting.deadline(), None);
}
