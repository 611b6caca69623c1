//! Limits, timeouts and workers as they are kept in files.

use mux::{Limits, Timeouts, Workers};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    workers: Workers,
    limits: Limits,
    timeouts: Timeouts,
}

fn read(text: &str) -> Result<Settings, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
}

#[test]
fn the_example_file_has_every_setting_at_its_default() {
    let text = include_str!("../../examples/settings.toml");
    assert_eq!(read(text), Ok(Settings::default()));
    let written = toml::to_string(&Settings::default()).unwrap();
    let keys = |text: &str| {
        let mut keys: Vec<_> =
            text.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect();
        keys.retain(|key| !key.starts_with('#'));
        keys.sort_unstable();
        keys
    };
    assert_eq!(keys(text), keys(&written));
}

#[test]
fn what_is_left_out_has_its_default() {
    let settings = read(
        r#"
        workers = { pool = 8 }
        limits.max_message = 65536
        timeouts.handshake = "250ms"
        timeouts.idle = "1m 30s"
        "#,
    );
    let expected = Settings {
        workers: Workers::Pool(8),
        limits: Limits { max_message: 65_536, ..Limits::default() },
        timeouts: Timeouts {
            handshake: Duration::from_millis(250),
            idle: Duration::from_secs(90),
            ..Timeouts::default()
        },
    };
    assert_eq!(settings, Ok(expected));
}

#[test]
fn what_is_written_is_read_back() {
    let times = [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(90_061_001), Duration::MAX];
    for time in times {
        let timeouts = Timeouts { handshake: time, ..Timeouts::default() };
        let settings = Settings { workers: Workers::Pool(1), timeouts, ..Settings::default() };
        assert_eq!(read(&toml::to_string(&settings).unwrap()), Ok(settings));
    }
}

#[test]
fn what_is_not_understood_is_an_error_that_says_what_is() {
    let errors = [
        ("limits.max_mesage = 1", "unknown field `max_mesage`, expected one of `max_message`,"),
        ("timeouts.linger = \"1s\"", "unknown field `linger`, expected one of `handshake`,"),
        ("timeouts.idle = 30", "expected a time, such as \"250ms\", \"1m 30s\" or \"forever\""),
        ("timeouts.idle = \"30\"", "\"30\": "),
        ("limits.window = -1", "expected usize"),
        ("workers = \"many\"", "unknown variant `many`, expected `on_demand` or `pool`"),
    ];
    for (text, expected) in errors {
        let error = read(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
