//! A broker that is away.
use crate::broker::Broker;
use crate::daemon::{Place, counter, listen, wait_for};
use serde_json::Value;

/// 2026-04-12T10:00:00Z.
const START_S: i64 = 1_775_988_000;

#[test]
fn row_37_a_broker_away_for_ten_minutes_of_the_meter_gets_everything_in_order_and_once() {
    let mut broker = Broker::with(&["allow_anonymous true", "autosave_on_changes true"]);
    let sink = format!(
        "[default.sink.broker]\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\nstreams = [\"readings\"]\n",
        broker.port
    );
    let place = Place::new("", &sink);
    let listener = listen(broker.port, "metergate/haus/history");
    let mut daemon = place.start();
    let said = |seconds: std::ops::Range<i64>| -> Vec<u8> {
        seconds.flat_map(|second| counter(START_S + second, "M1", 1_000_000 + second / 10)).collect()
    };
    daemon.say(&said(0..30));
    wait_for("readings before", || listener.so_far().len() == 30);
    broker.stop();
    daemon.say(&said(30..630));
    wait_for("readings in the store", || place.rows() == 630);
    broker.start_again();
    daemon.say(&said(630..660));
    wait_for("all 660 readings", || listener.so_far().len() >= 660);
    daemon.stop();
    let all = listener.so_far();
    let seconds = all.iter().map(|one| {
        let document: Value = serde_json::from_str(&one.payload).unwrap();
        let time: jiff::Timestamp = document["time"].as_str().unwrap().parse().unwrap();
        time.as_second() - START_S
    });
    assert!(seconds.eq(0..660), "all in order, once");
    assert_eq!(all.len(), 660);
}
