//! Draining into a channel and into lines of JSON.

use super::*;
use crate::{BoxError, ChannelSink, Drained, Error, JsonlSink, ResetReason, Sink, drain};

#[test]
fn a_channel_gets_every_event_and_the_token_is_that_of_the_last_flush() {
    let mut dam = Dam::new(FeedSettings::default());
    let mut subscription = dam.after(0, whole(1));
    let (mut sink, receiver) = ChannelSink::new(16);
    for _ in 0..3 {
        dam.commit(1, b"k");
    }
    dam.feed.close();
    let Drained { token, reset } = drain(&mut subscription, &mut sink).unwrap();
    assert_eq!((token.unwrap().lsn, reset), (Lsn(3), None));
    let lsns: Vec<_> = receiver
        .try_iter()
        .map(|event| frame(event).lsn.0)
        .collect();
    assert_eq!(lsns, [1, 2, 3]);
}

#[test]
fn lines_of_json_say_everything() {
    let mut dam = Dam::new(FeedSettings::default());
    let rows = vec![(StorageId(1), key(&[1, 0xab]), Arc::from(&b"\x00"[..]))];
    let start = Start::SnapshotThenDeltas {
        lsn: Lsn(0),
        rows: Box::new(rows.into_iter()),
    };
    let mut subscription = dam
        .feed
        .subscribe(SubscribeRequest::new(whole(1), start))
        .unwrap();
    let whole_record = tailwater_proto::Record {
        commit_time_us: -5,
        principal: "a\"\\\n".into(),
        base: vec![
            change(1, b"k", Some(b"\x01"), Some(b"\x02")),
            change(1, b"l", Some(b"\x03"), None),
        ],
        ..tailwater_proto::Record::default()
    };
    let mut sink = JsonlSink::new(Vec::new());
    // Everything up to the deltas is read before the commit and the reset.
    for _ in 0..3 {
        let event = subscription.try_recv().unwrap().unwrap();
        sink.deliver(event).unwrap();
    }
    assert_eq!(subscription.try_recv().unwrap(), None);
    dam.commit_bytes(tailwater_proto::encode_record((&whole_record).into()).unwrap());
    dam.feed.reset(&[StorageId(1)], ResetReason::Replaced);
    let Drained { token, reset } = drain(&mut subscription, &mut sink).unwrap();
    assert_eq!(reset, Some(ResetReason::Replaced));
    let one = token.unwrap();
    let zero = crate::Token {
        lsn: Lsn(0),
        ..one.clone()
    };
    let expected = format!(
        r#"{{"event":"snapshot_begin","lsn":0}}
{{"event":"snapshot_rows","rows":[{{"storage":1,"key":"01ab","row":"00"}}]}}
{{"event":"snapshot_end","lsn":0,"token":"{zero}"}}
{{"event":"frame","lsn":1,"commit_time_us":-5,"durable":true,"principal":"a\"\\\u000a","changes":[{{"storage":1,"schema_version":1,"op":"update","key":"6b","before":"01","after":"02"}},{{"storage":1,"schema_version":1,"op":"delete","key":"6c","before":"03","after":null}}],"token":"{one}"}}
{{"event":"reset","reason":"replaced","oldest":0}}
"#
    );
    assert_eq!(String::from_utf8(sink.into_inner()).unwrap(), expected);
}

/// Takes two events, the second of which it cannot flush.
struct Failing(usize);

impl Sink for Failing {
    fn deliver(&mut self, _: Event) -> Result<(), BoxError> {
        self.0 += 1;
        Ok(())
    }
    fn flush(&mut self) -> Result<(), BoxError> {
        if self.0 > 1 {
            Err("full".into())
        } else {
            Ok(())
        }
    }
}

#[test]
fn a_failing_sink_leaves_the_token_of_what_it_kept() {
    let mut dam = Dam::new(FeedSettings::default());
    let mut subscription = dam.after(0, whole(1));
    dam.commit(1, b"k");
    let feed = Arc::clone(&dam.feed);
    let (done, wait) = crossbeam_channel::bounded(1);
    let drainer = std::thread::spawn(move || {
        let result = drain(&mut subscription, &mut Telling(Failing(0), done));
        drop(feed);
        result
    });
    wait.recv().unwrap();
    dam.commit(1, b"k");
    let Err(Error::Sink { token, .. }) = drainer.join().unwrap() else {
        panic!("the sink fails")
    };
    assert_eq!(token.unwrap().lsn, Lsn(1));
}

/// Says so when the first event was flushed.
struct Telling(Failing, crossbeam_channel::Sender<()>);

impl Sink for Telling {
    fn deliver(&mut self, event: Event) -> Result<(), BoxError> {
        self.0.deliver(event)
    }
    fn flush(&mut self) -> Result<(), BoxError> {
        self.0.flush()?;
        if self.0.0 == 1 {
            self.1.try_send(()).ok();
        }
        Ok(())
    }
}
