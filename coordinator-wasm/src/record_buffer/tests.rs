//! Batches, pauses, drops, and the last message.

use super::*;
use crate::testing::record;

fn buffer(limit: usize, n_records: usize) -> RecordBuffer {
    let mut buffer = RecordBuffer::new(limit);
    for index in 0..n_records {
        buffer.push(0, record(&index.to_string()));
    }
    buffer
}

fn ids(records: &[RunRecord]) -> Vec<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}

#[track_caller]
fn check(buffer: &RecordBuffer, n_pending: usize, n_posted: u64, n_dropped: u64) {
    assert_eq!((buffer.n_pending(), buffer.n_posted(), buffer.n_dropped()), (n_pending, n_posted, n_dropped));
}

#[test]
fn first_record_waits_for_company() {
    let mut buffer = buffer(10, 2);
    assert_eq!(buffer.poll_timeout(), Some(GATHER_MICROS));
    assert_eq!(buffer.poll_batch(GATHER_MICROS - 1), None);
    let batch = buffer.poll_batch(GATHER_MICROS).unwrap();
    assert_eq!(ids(&batch), ["0", "1"]);
    assert_eq!(buffer.poll_timeout(), None);
    assert_eq!(buffer.take_batch(), None, "one request at a time");
    buffer.on_accepted(GATHER_MICROS);
    check(&buffer, 0, 2, 0);
    assert_eq!(buffer.poll_timeout(), None);
}

#[test]
fn full_batch_goes_at_once_and_the_rest_follows() {
    let mut buffer = buffer(1000, BATCH_SIZE + 3);
    assert_eq!(buffer.poll_batch(0).unwrap().len(), BATCH_SIZE);
    buffer.on_accepted(5);
    check(&buffer, 3, BATCH_SIZE as u64, 0);
    assert_eq!(buffer.poll_timeout(), Some(5));
}

#[test]
fn oldest_is_dropped_and_counted() {
    let mut buffer = buffer(3, 5);
    check(&buffer, 3, 0, 2);
    assert_eq!(ids(&buffer.take_batch().unwrap()), ["2", "3", "4"]);
    buffer.push(1, record("5"));
    check(&buffer, 3, 0, 3);
    buffer.on_accepted(2);
    check(&buffer, 0, 3, 3);
}

#[test]
fn pauses_grow_to_a_limit_and_nothing_is_lost() {
    let mut buffer = buffer(10, 1);
    let mut now = GATHER_MICROS;
    let mut pauses = Vec::new();
    for _ in 0..40 {
        assert_eq!(buffer.poll_batch(now).unwrap().len(), 1);
        buffer.on_unreachable(now);
        let next = buffer.poll_timeout().unwrap();
        pauses.push((next - now) / 1_000_000);
        now = next;
    }
    assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(pauses.last(), Some(&60));
    assert!(!buffer.is_agent_reachable());
    buffer.poll_batch(now).unwrap();
    buffer.on_accepted(now);
    assert!(buffer.is_agent_reachable());
    check(&buffer, 0, 1, 0);
}

#[test]
fn many_records_do_not_shorten_a_pause() {
    let mut buffer = buffer(1000, 1);
    buffer.take_batch().unwrap();
    buffer.on_unreachable(0);
    for index in 0..2 * BATCH_SIZE {
        buffer.push(1, record(&index.to_string()));
    }
    assert_eq!(buffer.poll_timeout(), Some(FIRST_PAUSE_MICROS));
}

#[test]
fn refused_batch_is_dropped() {
    let mut buffer = buffer(10, 2);
    buffer.take_batch().unwrap();
    buffer.on_refused(0);
    check(&buffer, 0, 0, 2);
}

#[test]
fn last_message_takes_records_in_flight_too() {
    let mut buffer = buffer(10, 3);
    buffer.take_batch().unwrap();
    buffer.push(1, record("3"));
    assert_eq!(buffer.unanswered().count(), 4);
    buffer.on_handed_over(4);
    check(&buffer, 0, 4, 0);
    buffer.on_accepted(2);
    check(&buffer, 0, 4, 0);
}

#[test]
fn what_is_given_up_is_counted() {
    let mut buffer = buffer(10, 3);
    buffer.take_batch().unwrap();
    buffer.on_unreachable(0);
    buffer.give_up();
    check(&buffer, 0, 0, 3);
    assert_eq!(buffer.poll_timeout(), None);
}
