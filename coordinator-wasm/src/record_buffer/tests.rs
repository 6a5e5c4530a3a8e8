//! Batches, pauses, drops, and the last message.

use super::*;
use wire::{Browser, EventRecord, EventSource, MetricsBatch, PoolEvent};

use crate::testing::record;

fn buffer(limit: usize, n_records: usize) -> RecordBuffer {
    let mut buffer = RecordBuffer::new(limit);
    for index in 0..n_records {
        push(&mut buffer, 0, &index.to_string());
    }
    buffer
}

fn push(buffer: &mut RecordBuffer, now: u64, id: &str) {
    buffer.push(now, Kind::Run, serde_json::to_string(&record(id)).unwrap());
}

fn push_event(buffer: &mut RecordBuffer, id: &str) {
    let event = EventRecord {
        id: id.to_owned(),
        session: None,
        at_unix_micros: 0,
        source: EventSource::Page,
        browser: Browser::default(),
        connection: None,
        event: PoolEvent::Connection { to: "ready".to_owned(), cause: None },
    };
    buffer.push(0, Kind::Event, serde_json::to_string(&event).unwrap());
}

fn batch(json: &str) -> MetricsBatch {
    serde_json::from_str(json).unwrap()
}

fn ids(json: &str) -> Vec<String> {
    batch(json).records.into_iter().map(|record| record.id).collect()
}

#[track_caller]
fn check(buffer: &RecordBuffer, n_pending: usize, n_posted: u64, n_dropped: u64) {
    assert_eq!(buffer.counts(Kind::Run), Counts { n_pending, n_posted, n_dropped });
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
    assert_eq!(ids(&buffer.poll_batch(0).unwrap()).len(), BATCH_SIZE);
    buffer.on_accepted(5);
    check(&buffer, 3, BATCH_SIZE as u64, 0);
    assert_eq!(buffer.poll_timeout(), Some(5));
}

#[test]
fn oldest_is_dropped_and_counted() {
    let mut buffer = buffer(3, 5);
    check(&buffer, 3, 0, 2);
    assert_eq!(ids(&buffer.take_batch().unwrap()), ["2", "3", "4"]);
    push(&mut buffer, 1, "5");
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
        assert_eq!(ids(&buffer.poll_batch(now).unwrap()).len(), 1);
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
        push(&mut buffer, 1, &index.to_string());
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
    push(&mut buffer, 1, "3");
    let (message, n_entries) = buffer.last_message(usize::MAX);
    assert_eq!(ids(&message), ["0", "1", "2", "3"]);
    buffer.on_handed_over(n_entries);
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

#[test]
fn last_message_keeps_to_its_size() {
    let buffer = buffer(10, 3);
    let n_bytes = serde_json::to_string(&record("0")).unwrap().len();
    assert_eq!(buffer.last_message(2 * (n_bytes + 1)).1, 2);
    assert_eq!(buffer.last_message(n_bytes).1, 0);
}

#[test]
fn events_go_with_records_and_push_none_out() {
    let mut buffer = buffer(2, 2);
    for id in ["a", "b", "c"] {
        push_event(&mut buffer, id);
    }
    check(&buffer, 2, 0, 0);
    assert_eq!(buffer.counts(Kind::Event), Counts { n_pending: 2, n_posted: 0, n_dropped: 1 });
    let sent = batch(&buffer.take_batch().unwrap());
    let events: Vec<&str> = sent.events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!((sent.schema, sent.records.len(), events), (SCHEMA, 2, vec!["b", "c"]));
    buffer.on_accepted(0);
    check(&buffer, 0, 2, 0);
    assert_eq!(buffer.counts(Kind::Event), Counts { n_pending: 0, n_posted: 2, n_dropped: 1 });
}
