//! Random values of types that `arbitrary` knows nothing of, and edges that it would seldom find.

use super::zoo::{Double, Single};
use arbitrary::{Arbitrary, Result, Unstructured};
use chrono::{DateTime, FixedOffset, Offset, Utc};
use serde_json::{Map, Number, Value, value::RawValue};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) type From<'u, 'a> = &'u mut Unstructured<'a>;

impl<'a> Arbitrary<'a> for Single {
    fn arbitrary(u: From<'_, 'a>) -> Result<Single> {
        let edges = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MIN_POSITIVE, f32::MAX];
        Ok(Single(if u.arbitrary()? { *u.choose(&edges)? } else { u.arbitrary()? }))
    }
}

impl<'a> Arbitrary<'a> for Double {
    fn arbitrary(u: From<'_, 'a>) -> Result<Double> {
        let edges = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e15, f64::from(f32::MAX), 0.1];
        Ok(Double(if u.arbitrary()? { *u.choose(&edges)? } else { u.arbitrary()? }))
    }
}

pub(super) fn seconds(u: From) -> Result<Duration> {
    u.arbitrary().map(Duration::from_secs)
}

pub(super) fn some<'a, T: Arbitrary<'a>>(u: From<'_, 'a>) -> Result<Option<T>> {
    u.arbitrary().map(Some)
}

pub(super) fn negative(u: From) -> Result<i64> {
    Ok(-1 - i64::from(u32::arbitrary(u)?))
}

/// A text that is no address, and the name of no field or tag.
pub(super) fn no_name(u: From) -> Result<String> {
    Ok(format!("~{}", u.arbitrary::<String>()?))
}

pub(super) fn no_names<'a, V: Arbitrary<'a>>(u: From<'_, 'a>) -> Result<BTreeMap<String, V>> {
    few(u, |u| Ok((no_name(u)?, u.arbitrary()?)))
}

pub(super) fn one_entry(u: From) -> Result<BTreeMap<u8, i128>> {
    Ok(BTreeMap::from([u.arbitrary()?]))
}

pub(super) fn owned_text(u: From) -> Result<Cow<'static, str>> {
    String::arbitrary(u).map(Cow::Owned)
}

pub(super) fn owned_number(u: From) -> Result<Cow<'static, u8>> {
    u8::arbitrary(u).map(Cow::Owned)
}

pub(super) fn shared(u: From) -> Result<mux::Bytes> {
    Vec::arbitrary(u).map(mux::Bytes::from)
}

pub(super) fn no_text(u: From) -> Result<mux::Bytes> {
    let mut bytes: Vec<u8> = u.arbitrary()?;
    bytes.push(0xff);
    Ok(bytes.into())
}

/// Serde writes neither the flow nor the scope of an address.
pub(super) fn socket(u: From) -> Result<SocketAddr> {
    let port = u16::arbitrary(u)?;
    Ok(if u.arbitrary()? {
        (Ipv4Addr::arbitrary(u)?, port).into()
    } else {
        (Ipv6Addr::arbitrary(u)?, port).into()
    })
}

pub(super) fn moment(u: From) -> Result<SystemTime> {
    Ok(UNIX_EPOCH + Duration::new(u32::arbitrary(u)?.into(), u.int_in_range(0..=999_999_999)?))
}

pub(super) fn before_1970(u: From) -> Result<SystemTime> {
    Ok(UNIX_EPOCH - Duration::new(u32::arbitrary(u)?.into(), 1))
}

pub(super) fn os_string(u: From) -> Result<OsString> {
    Vec::arbitrary(u).map(OsString::from_vec)
}

pub(super) fn path_of_no_text(u: From) -> Result<PathBuf> {
    let mut path: Vec<u8> = u.arbitrary()?;
    path.push(0xff);
    Ok(OsString::from_vec(path).into())
}

pub(super) fn url(u: From) -> Result<url::Url> {
    let mut url = url::Url::parse("https://example.com/").map_err(|_| arbitrary::Error::IncorrectFormat)?;
    url.set_path(u.arbitrary()?);
    url.set_query(u.arbitrary()?);
    Ok(url)
}

/// Its text has no seconds of an offset.
pub(super) fn offset_date(u: From) -> Result<DateTime<FixedOffset>> {
    let offset = FixedOffset::east_opt(60 * u.int_in_range(-1439..=1439)?).unwrap_or_else(|| Utc.fix());
    let moment = DateTime::from_timestamp(u32::arbitrary(u)?.into(), u.int_in_range(0..=999_999_999)?);
    Ok(moment.unwrap_or_default().with_timezone(&offset))
}

pub(super) fn milliseconds(u: From) -> Result<DateTime<Utc>> {
    Ok(DateTime::from_timestamp_millis(u32::arbitrary(u)?.into()).unwrap_or_default())
}

pub(super) fn second(u: From) -> Result<Option<DateTime<Utc>>> {
    let second: Option<u32> = u.arbitrary()?;
    Ok(second.and_then(|second| DateTime::from_timestamp(second.into(), 0)))
}

pub(super) fn decimal(u: From) -> Result<rust_decimal::Decimal> {
    let number: i128 = u.arbitrary()?;
    Ok(rust_decimal::Decimal::from_i128_with_scale(
        number >> u.int_in_range(33..=127)?,
        u.int_in_range(0..=28)?,
    ))
}

pub(super) fn time(u: From) -> Result<time::OffsetDateTime> {
    let seconds = u.int_in_range(-60_000_000_000..=250_000_000_000)?;
    let nanoseconds = time::Duration::nanoseconds(u.int_in_range(0..=999_999_999)?);
    let moment =
        time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let offset = time::UtcOffset::from_whole_seconds(u.int_in_range(-90_000..=90_000)?);
    Ok((moment + nanoseconds).to_offset(offset.unwrap_or(time::UtcOffset::UTC)))
}

pub(super) fn whole_seconds(u: From) -> Result<time::OffsetDateTime> {
    Ok(time::OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(i32::arbitrary(u)?.into()))
}

pub(super) fn date(u: From) -> Result<time::Date> {
    Ok(time(u)?.date())
}

pub(super) fn time_parts(
    u: From,
) -> Result<(time::PrimitiveDateTime, time::Date, time::Time, time::Duration)> {
    let time = time(u)?;
    let moment = time::PrimitiveDateTime::new(time.date(), time.time());
    Ok((moment, time.date(), time.time(), time::Duration::new(u.arbitrary()?, 0)))
}

pub(super) fn net(u: From) -> Result<ipnet::IpNet> {
    let net = if u.arbitrary()? {
        ipnet::IpNet::new(Ipv4Addr::arbitrary(u)?.into(), u.int_in_range(0..=32)?)
    } else {
        ipnet::IpNet::new(Ipv6Addr::arbitrary(u)?.into(), u.int_in_range(0..=128)?)
    };
    net.map_err(|_| arbitrary::Error::IncorrectFormat)
}

/// As it may be written: with an exponent, with zeros at its end, and of any size.
pub(super) fn number(u: From) -> Result<Number> {
    let text = match u.int_in_range(0..=5)? {
        0 => u64::arbitrary(u)?.to_string(),
        1 => i64::arbitrary(u)?.to_string(),
        2 => format!("{}.{}", i64::arbitrary(u)?, u16::arbitrary(u)?),
        3 => format!("{}e{}", i16::arbitrary(u)?, i16::arbitrary(u)?),
        4 => i128::arbitrary(u)?.to_string(),
        _ => return Ok(Number::from_f64(u.arbitrary()?).unwrap_or_else(|| 0.into())),
    };
    serde_json::from_str(&text).map_err(|_| arbitrary::Error::IncorrectFormat)
}

pub(super) fn json(u: From) -> Result<Value> {
    Ok(match u.int_in_range(0..=6)? {
        0 => Value::Null,
        1 => Value::Bool(u.arbitrary()?),
        2 | 3 => Value::Number(number(u)?),
        4 => Value::String(u.arbitrary()?),
        5 => Value::Array(few(u, json)?),
        _ => Value::Object(object(u)?),
    })
}

pub(super) fn json_in_list(u: From) -> Result<[Value; 1]> {
    Ok([json(u)?])
}

pub(super) fn object(u: From) -> Result<Map<String, Value>> {
    few(u, |u| Ok((u.arbitrary()?, json(u)?)))
}

pub(super) fn raw_json(u: From) -> Result<Box<RawValue>> {
    RawValue::from_string(json(u)?.to_string()).map_err(|_| arbitrary::Error::IncorrectFormat)
}

pub(super) fn toml(u: From) -> Result<toml::Value> {
    Ok(match u.int_in_range(0..=6)? {
        0 => toml::Value::Boolean(u.arbitrary()?),
        1 => toml::Value::Integer(u.arbitrary()?),
        2 => toml::Value::Float(f64::from(i32::arbitrary(u)?) / 8.0),
        3 => toml::Value::String(u.arbitrary()?),
        4 => {
            let time = format!(
                "{}-0{}-1{}T00:32:00Z",
                u.int_in_range(1000..=9999)?,
                u.int_in_range(1..=9)?,
                u.int_in_range(0..=9)?
            );
            toml::Value::Datetime(time.parse().map_err(|_| arbitrary::Error::IncorrectFormat)?)
        }
        5 => toml::Value::Array(few(u, toml)?),
        _ => toml::Value::Table(few(u, |u| Ok((u.arbitrary()?, toml(u)?)))?),
    })
}

fn few<'a, T, C: FromIterator<T>>(
    u: From<'_, 'a>,
    mut any: impl FnMut(From<'_, 'a>) -> Result<T>,
) -> Result<C> {
    (0..u.int_in_range(0..=3)?).map(|_| any(u)).collect()
}
