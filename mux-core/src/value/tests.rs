use super::*;
use crate::api::descriptor::Encoding::{self, Compact, Named};
use crate::value::body;
use crate::value::bytes as shared_bytes;
use ::bytes::Bytes;
use mux_proto::session::outbox::payload::Payload;
use mux_proto::wire::settings::SMALL;
use proptest::prelude::{any, proptest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const BOTH: [Encoding; 2] = [Named, Compact];

fn payload<T: Serialize + 'static>(value: &T, encoding: Encoding) -> Result<Payload, String> {
    let mut out = Payload::default();
    body::encode_item(value, encoding, &mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

fn encoded<T: Serialize + 'static>(value: &T, encoding: Encoding) -> Vec<u8> {
    payload(value, encoding).unwrap().to_vec()
}

fn decoded<T: DeserializeOwned + 'static>(bytes: &[u8], encoding: Encoding) -> Result<T, String> {
    body::decode(bytes, encoding)
}

fn through<T: Serialize + DeserializeOwned + 'static>(value: &T, encoding: Encoding) -> Result<T, String> {
    decoded(&encoded(value, encoding), encoding)
}

#[track_caller]
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(value: T) {
    for encoding in BOTH {
        let arrived = through(&value, encoding);
        assert_eq!(arrived.as_ref(), Ok(&value), "{encoding:?}: {:02x?}", encoded(&value, encoding));
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    discount: Option<u32>,
    #[serde(default)]
    units: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Wrapped(u8),
    Pair(u8, u8),
    Named { width: u8 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Event {
    Up { ip: IpAddr },
    Moved(Point),
    Paid { wei: u128 },
    Idle,
    Counted(BTreeMap<String, Point>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Empty,
    Point(Point),
    Pair(u8, Order),
    Named {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        a: Option<u8>,
        b: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Id {
    Wide(u128),
    Small(u64),
    Name(String),
    Many(Vec<u64>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum When {
    At(SystemTime),
    Effects(Duration),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Host {
    name: String,
    #[serde(flatten)]
    place: Place,
    point: Point,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    address: SocketAddr,
    points: Vec<Point>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(Option<u8>);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// A row of the table, made from what is encoded.
fn row<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(text: &str, value: T) -> String {
    comes_back(value);
    text.to_owned()
}

fn bytes_of<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(text: &str, value: T) -> String {
    let (named, compact) = (hex(&encoded(&value, Named)), hex(&encoded(&value, Compact)));
    let compact = if named == compact { "the same".to_owned() } else { format!("`{compact}`") };
    row(&format!("| {text} | `{named}` | {compact} |\n"), value)
}

#[test]
fn values_travel_as_the_table_in_wire_md_says() {
    let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let table = [
        bytes_of("`bool` `true`", true),
        bytes_of("`u8` to `u64`, `i8` to `i64`: `7`, in the shortest form", 7_u64),
        bytes_of("`i16` `-300`", -300_i16),
        bytes_of("`u128` `5`: extension 127, big endian", 5_u128),
        bytes_of("`i128` `-1`: extension 126, big endian", -1_i128),
        bytes_of("`f32` `1.5`", 1.5_f32),
        bytes_of("`f64` `1.5`", 1.5_f64),
        bytes_of("`char` `'a'`, `String` `\"a\"`", 'a'),
        bytes_of("`Vec<u8>` `[1, 2]` by itself, `Bytes` anywhere: binary", vec![1_u8, 2]),
        bytes_of("`Vec<u8>` `[1, 2]` within another value", (vec![1_u8, 2],)),
        bytes_of("`()`, `None`, `struct Unit`", Unit),
        bytes_of("`Some(7)`", Some(7_u8)),
        bytes_of("`Some(())`, `Some(None)`: extension 125, how many `Some`", Some(())),
        bytes_of("`Some(Some(None))`", Some(Some(None::<u8>))),
        bytes_of("`(7, \"a\")`", (7_u8, "a".to_owned())),
        bytes_of("`[u16; 2]`, `Vec<u16>`, sets: `[1, 2]`", vec![1_u16, 2]),
        bytes_of("maps: `{1: 2}`", BTreeMap::from([(1_u8, 2_u8)])),
        bytes_of("`struct Point { x: 1, y: 2 }`", Point { x: 1, y: 2 }),
        bytes_of(
            "`struct Order { id: 1, units: 7 }`, a field between them skipped",
            Order { id: 1, discount: None, units: 7 },
        ),
        bytes_of("`struct Newtype(Some(7))`: what is in it", Newtype(Some(7))),
        bytes_of("`Shape::Empty`", Shape::Empty),
        bytes_of("`Shape::Wrapped(7)`", Shape::Wrapped(7)),
        bytes_of("`Shape::Pair(1, 2)`", Shape::Pair(1, 2)),
        bytes_of("`Shape::Named { width: 7 }`", Shape::Named { width: 7 }),
        bytes_of("`Event::Idle`, with `tag = \"type\"`", Event::Idle),
        bytes_of("`Adjacent::Empty`, with `tag = \"t\", content = \"c\"`", Adjacent::Empty),
        bytes_of("`Id::Name(\"a\")`, untagged: what is in it", Id::Name("a".into())),
        bytes_of("`Duration` of 1.5 s", Duration::from_millis(1500)),
        bytes_of("`SystemTime` 1 s after 1970", UNIX_EPOCH + Duration::from_secs(1)),
        bytes_of("`IpAddr` `10.0.0.1`", ip),
    ]
    .concat();
    let wire = concat!(env!("CARGO_MANIFEST_DIR"), "/../WIRE.md");
    let wire = std::fs::read_to_string(wire).unwrap();
    assert!(
        wire.contains(&table),
        "the table is now\n\n| value | named | compact |\n| --- | --- | --- |\n{table}"
    );
}

#[test]
fn what_has_two_forms_has_that_for_people_where_structs_go_by_name() {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert_eq!(encoded(&ip, Named), b"\xa9127.0.0.1");
    assert_eq!(encoded(&ip, Compact), b"\xde\0\x01\xa2V4\xdc\0\x04\x7f\0\0\x01");
    comes_back(ip);
    comes_back(SocketAddr::from(([1, 2, 3, 4], 80)));
}

#[test]
fn what_serde_buffers_has_the_same_form_on_both_ways() {
    comes_back(Event::Up { ip: IpAddr::V4(Ipv4Addr::LOCALHOST) });
    comes_back(Event::Moved(Point { x: 1, y: 2 }));
    comes_back(Event::Idle);
    comes_back(Event::Counted([("a".to_owned(), Point { x: 3, y: 4 })].into()));
    comes_back(vec![(Event::Idle, Point::default()), (Event::Moved(Point { x: 1, y: 2 }), Point::default())]);
    let place =
        Place { address: SocketAddr::from(([1, 2, 3, 4], 80)), points: vec![Point { x: 1, y: 2 }; 20] };
    comes_back(Host { name: "a".into(), place, point: Point { x: 5, y: 6 } });
    comes_back(Adjacent::Empty);
    comes_back(Adjacent::Point(Point { x: 1, y: 2 }));
    comes_back(Adjacent::Pair(1, Order { id: 1, discount: None, units: 7 }));
    comes_back(Adjacent::Named { a: None, b: 1 });
    comes_back(Adjacent::Named { a: Some(1), b: 1 });
}

#[test]
fn integers_of_128_bits_come_back_or_are_refused_and_are_nothing_else() {
    for number in [0, 1, 127, u128::from(u64::MAX), u128::from(u64::MAX) + 1, u128::MAX] {
        comes_back(number);
        comes_back(number as i128);
        comes_back(vec![Some(number)]);
        comes_back(BTreeMap::from([(number, -1_i128)]));
    }
    comes_back(i128::MIN);
    for encoding in BOTH {
        for error in [
            through(&Id::Wide(1), encoding).unwrap_err(),
            through(&Event::Paid { wei: 1 }, encoding).unwrap_err(),
        ] {
            assert!(error.contains("found a 128-bit integer, which serde cannot hold"), "{error}");
        }
        assert!(decoded::<u64>(&encoded(&1_u128, encoding), encoding).is_err());
        assert!(decoded::<u128>(&encoded(&-1_i128, encoding), encoding).is_err());
        assert_eq!(decoded::<u128>(&[7], encoding), Ok(7));
        assert_eq!(decoded::<i128>(&[0xff], encoding), Ok(-1));
        assert!(decoded::<u128>(b"\xd7\x7f\0\0\0\0\0\0\0\x01", encoding).is_err());
        assert!(decoded::<Vec<u8>>(&encoded(&(1_u128,), encoding), encoding).is_err());
    }
    comes_back(Id::Small(1));
    comes_back(Id::Many(vec![1, 2]));
}

/// Each of a type that has more values than nil has room for.
#[test]
fn some_around_nothing_is_told_from_nothing() {
    type Three = Option<Option<Option<u8>>>;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Fields {
        a: Three,
        b: Option<()>,
        c: Option<Newtype>,
        d: Option<Unit>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        e: Option<Option<u8>>,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Flattened {
        #[serde(flatten)]
        fields: Fields,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Options(BTreeMap<String, Three>),
        Option(Three),
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "t")]
    enum Tagged {
        Fields(Fields),
        Inline { a: Three },
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Variants {
        One(Option<Option<u8>>),
        Two(Option<()>, Three),
    }

    let threes: [Three; 4] = [None, Some(None), Some(Some(None)), Some(Some(Some(7)))];
    for a in threes {
        comes_back(a);
        comes_back((a, a, 5_u8));
        comes_back(vec![a; 3]);
        comes_back(BTreeMap::from([(a, Some(()))]));
        comes_back(Box::new(a));
        comes_back(Untagged::Options([("k".to_owned(), a)].into()));
        comes_back(Tagged::Inline { a });
        comes_back(Variants::One(a.flatten()));
        comes_back(Variants::Two(a.map(drop), a));
        for (b, c, d, e) in [
            (None, None, None, None),
            (Some(()), Some(Newtype(None)), Some(Unit), Some(None)),
            (Some(()), Some(Newtype(Some(1))), None, Some(Some(1))),
        ] {
            let fields = Fields { a, b, c, d, e };
            comes_back(fields.clone());
            comes_back(Flattened { fields: fields.clone() });
            comes_back(Tagged::Fields(fields));
        }
    }
    // Of these serde's own buffer takes `None` for the first one; that is not the wire's doing.
    comes_back(Untagged::Option(Some(Some(Some(7)))));
    comes_back(Untagged::Option(Some(Some(None))));
}

#[test]
fn any_number_of_some_within_reason_comes_back() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nest(Option<Box<Nest>>);
    let nest = |depth: usize| (0..depth).fold(Nest(None), |nest, _| Nest(Some(Box::new(nest))));
    comes_back(nest(usize::from(MAX_SOMES)));
    for encoding in BOTH {
        let error = payload(&nest(usize::from(MAX_SOMES) + 1), encoding).unwrap_err();
        assert_eq!(error, "more than 127 `Some` around nothing");
        assert!(decoded::<Nest>(&[0xd4, 125, 128], encoding).is_err());
        assert!(decoded::<Nest>(&[0xd4, 125, 255], encoding).is_err());
        assert_eq!(decoded(&[0xd4, 125, 0], encoding), Ok(Nest(None)));
        assert!(decoded::<Option<()>>(&[0xd4, 125, 2], encoding).is_err());
        assert!(decoded::<Option<u8>>(&[0xd4, 125, 1], encoding).is_err());
    }
}

#[test]
fn a_skipped_field_moves_no_other() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Many {
        #[serde(default, skip_serializing_if = "Vec::is_empty", alias = "old")]
        a: Vec<u8>,
        b: Point,
        // By names a missing `Option` is `None` without being told so.
        #[serde(skip_serializing_if = "Option::is_none")]
        c: Option<Order>,
        #[serde(default = "five", skip_serializing_if = "is_five")]
        d: u8,
        e: Order,
        f: (u8, u8),
    }
    fn five() -> u8 {
        5
    }
    fn is_five(number: &u8) -> bool {
        *number == 5
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Variant {
        Order {
            #[serde(default, skip_serializing_if = "Option::is_none")]
            a: Option<u8>,
            b: u8,
            #[serde(skip)]
            never: u8,
        },
    }

    for discount in [None, Some(3)] {
        let order = Order { id: 1, discount, units: 7 };
        comes_back(order.clone());
        comes_back(vec![(order.clone(), 1_u8), (order.clone(), 2)]);
        for (a, c, d) in [
            (vec![], None, 5),
            (vec![1; 300], Some(order.clone()), 5),
            (vec![], Some(order.clone()), 6),
            (vec![1, 2], None, 6),
            (vec![1, 2], Some(order.clone()), 6),
        ] {
            comes_back(Many { a, b: Point { x: 1, y: 2 }, c, d, e: order.clone(), f: (8, 9) });
        }
        comes_back(Variant::Order { a: discount.map(|number| number as u8), b: 2, never: 0 });
    }
}

#[test]
fn structs_of_any_size_are_told_from_sequences() {
    macro_rules! wide {
        ($($field:ident)*) => {
            #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
            struct Wide {
                #[serde(default, skip_serializing_if = "Option::is_none")]
                first: Option<u8>,
                $($field: u8,)*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                last: Option<u8>,
            }
        };
    }
    wide!(a b c d e f g h i j k l m n o);
    for (first, last) in [(None, None), (Some(1), None), (None, Some(2)), (Some(1), Some(2))] {
        let wide = Wide { first, last, h: 9, o: 3, ..Wide::default() };
        comes_back(wide.clone());
        comes_back(vec![wide; 20]);
    }
    let sequences = [0, 15, 16, 17, 0xffff, 0x1_0000].map(|len| Id::Many(vec![1; len]));
    sequences.into_iter().for_each(comes_back);
}

#[test]
fn a_skipped_field_moves_no_bytes_that_stay_where_they_lie() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Parcel {
        id: u8,
        #[serde(with = "shared_bytes")]
        first: Bytes,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<u8>,
        #[serde(with = "shared_bytes")]
        second: Bytes,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<u8>,
    }
    let long = |byte: u8| Bytes::from(vec![byte; SMALL + 1]);
    for (note, end) in [(None, None), (Some(1), None), (None, Some(1)), (Some(1), Some(1))] {
        let parcel = Parcel { id: 1, first: long(1), note, second: long(2), end };
        for encoding in BOTH {
            let written = payload(&parcel, encoding).unwrap();
            let whole = Bytes::from(written.to_vec());
            assert_eq!(body::decode_shared::<Parcel>(&whole, encoding).as_ref(), Ok(&parcel));
            let segments = written.into_segments(Vec::new());
            for part in [&parcel.first, &parcel.second] {
                assert!(segments.iter().any(|segment| segment.as_ptr() == part.as_ptr()));
            }
        }
    }
}

#[test]
fn a_struct_by_position_is_refused_where_serde_goes_by_what_it_finds() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Point { x: i32, y: i32 },
        Other { p: i32, q: i32 },
    }
    let values = [Either::Point { x: 1, y: 2 }, Either::Other { p: 1, q: 2 }];
    for value in &values {
        assert_eq!(through(value, Named).as_ref(), Ok(value));
        let error = through(value, Compact).unwrap_err();
        assert!(error.contains("may need `encoding = \"named\"`"), "{error}");
    }
    for value in [When::At(UNIX_EPOCH + Duration::from_secs(1)), When::Effects(Duration::from_secs(1))] {
        assert_eq!(through(&value, Named).as_ref(), Ok(&value));
        assert!(through(&value, Compact).is_err());
    }
}

#[test]
fn a_form_for_programs_is_refused_where_serde_goes_by_what_it_finds() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Address {
        Any(IpAddr),
        Four(Ipv4Addr),
        Six(Ipv6Addr),
        Map(BTreeMap<String, Vec<u8>>),
        List(Vec<u8>),
    }
    let six = Ipv6Addr::LOCALHOST;
    for value in [Address::Any(Ipv4Addr::LOCALHOST.into()), Address::Any(six.into())] {
        assert_eq!(through(&value, Named).as_ref(), Ok(&value));
    }
    for value in [Address::Any(six.into()), Address::Four(Ipv4Addr::LOCALHOST), Address::Six(six)] {
        let error = through(&value, Compact).unwrap_err();
        assert!(error.contains("a form for programs"), "{error}");
    }
    comes_back(Address::Map([("V4".to_owned(), vec![127, 0, 0, 1])].into()));
    comes_back(Address::List(vec![127, 0, 0, 1]));
    comes_back((six, vec![Some(Ipv4Addr::LOCALHOST)], SocketAddr::from((six, 80))));
}

#[test]
fn a_struct_of_nothing_comes_back_where_serde_buffers_it() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Unit(Unit),
        Number(u8),
    }
    comes_back((Either::Unit(Unit), Either::Number(1), Some(Either::Unit(Unit))));
    assert_eq!(decoded(&[0x90], Named), Ok(Unit));
}

#[test]
fn ends_that_differ_in_a_structs_fields_are_told_where_it_goes_by_position() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct NotSent {
        a: u8,
        #[serde(default, skip_serializing)]
        b: u8,
        #[serde(default)]
        c: u8,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct NotTaken {
        a: u8,
        #[serde(skip_deserializing)]
        b: u8,
        c: u8,
    }
    assert_eq!(through(&NotSent { a: 1, b: 2, c: 3 }, Named), Ok(NotSent { a: 1, b: 0, c: 3 }));
    assert_eq!(through(&NotTaken { a: 1, b: 2, c: 3 }, Named), Ok(NotTaken { a: 1, b: 0, c: 3 }));
    assert_eq!(
        through(&NotSent { a: 1, b: 2, c: 3 }, Compact).unwrap_err(),
        "found 2 fields by position, and none for `c`: the two ends differ in its fields; \
         `encoding = \"named\"` goes by names"
    );
    assert_eq!(
        through(&NotTaken { a: 1, b: 2, c: 3 }, Compact).unwrap_err(),
        "found 3 fields by position, expected 2: the two ends differ in its fields; \
         `encoding = \"named\"` goes by names"
    );
}

#[test]
fn a_tuple_that_leaves_elements_out_is_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(#[serde(default, skip_serializing_if = "Option::is_none")] Option<u8>, #[serde(default)] u8);
    comes_back(Pair(Some(1), 2));
    for encoding in BOTH {
        let error = through(&Pair(None, 2), encoding).unwrap_err();
        assert_eq!(error, "found 1 element, expected 2: tuple struct Pair");
        assert!(decoded::<[u8; 2]>(&[0xc4, 3, 1, 2, 3], encoding).is_err());
        assert!(decoded::<(u8, u8)>(&[0x93, 1, 2, 3], encoding).is_err());
    }
}

#[test]
fn what_rmp_serde_writes_is_understood() {
    fn understood<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(value: T) {
        assert_eq!(decoded::<T>(&rmp_serde::to_vec_named(&value).unwrap(), Compact).as_ref(), Ok(&value));
        assert_eq!(decoded::<T>(&rmp_serde::to_vec(&value).unwrap(), Compact).as_ref(), Ok(&value));
    }
    understood((1_u8, -1_i8, u16::MAX, i16::MIN, u32::MAX, i32::MIN, u64::MAX, i64::MIN));
    understood((1.5_f32, -0.0_f64, 'ß', "text".repeat(100), "x".repeat(70_000)));
    understood((true, false, (), Some(1), None::<u8>, Unit, Newtype(Some(1))));
    understood(vec![Point { x: 1, y: 2 }; 70_000]);
    understood((0..300).map(|number| (number, Shape::Named { width: 1 })).collect::<BTreeMap<_, _>>());
    understood([Shape::Empty, Shape::Wrapped(1), Shape::Pair(1, 2)]);
    understood(IpAddr::V4(Ipv4Addr::LOCALHOST));
    understood(Order { id: 1, discount: Some(2), units: 3 });
}

#[test]
fn a_users_extension_travels_unless_its_type_is_the_protocols() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "_ExtStruct")]
    struct Ext((i8, Blob));
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Blob(#[serde(with = "shared_bytes")] Bytes);

    for len in [1, 2, 3, 4, 8, 16, 17, 300, 70_000] {
        for kind in [0, 5, 124, -1, i8::MIN] {
            comes_back(Ext((kind, Blob(vec![7; len].into()))));
            comes_back(Some(Ext((kind, Blob(vec![7; len].into())))));
        }
        for kind in [125, 126, 127] {
            let error = payload(&Ext((kind, Blob(vec![7; len].into()))), Named).unwrap_err();
            assert_eq!(error, format!("extensions of type {kind} are the protocol's own"));
        }
    }
}

#[test]
fn an_error_tells_where_in_the_value_what_was_found() {
    #[derive(Serialize, Deserialize)]
    struct Lines<T> {
        lines: Vec<Line<T>>,
    }
    #[derive(Serialize, Deserialize)]
    struct Line<T> {
        sku: String,
        units: T,
    }
    fn lines<T>(units: [T; 2]) -> Lines<T> {
        let lines = units.into_iter().map(|units| Line { sku: "a".into(), units }).collect();
        Lines { lines }
    }
    let error = |bytes: &[u8], encoding| decoded::<Lines<u32>>(bytes, encoding).map(drop).unwrap_err();
    for encoding in BOTH {
        let text = encoded(&lines(["1".to_owned(), "2".to_owned()]), encoding);
        assert_eq!(error(&text, encoding), "`lines[0].units`: found a string, expected u32");
        let large = encoded(&lines([1, u64::MAX]), encoding);
        assert_eq!(
            error(&large, encoding),
            "`lines[1].units`: found the number 18446744073709551615, expected u32"
        );
        let cut = encoded(&lines([1, 2]), encoding);
        assert_eq!(error(&cut[..cut.len() - 1], encoding), "`lines[1].units`: the value ends early");
        let wide = encoded(&lines([1_u128, 2]), encoding);
        assert_eq!(error(&wide, encoding), "`lines[0].units`: found the 128-bit integer 1, expected u32");
    }
    assert_eq!(error(b"\x81\xa5lines\x91\x80", Named), "`lines[0]`: missing field `sku`");
    assert_eq!(error(b"\x91", Named), "the value ends early");
    assert_eq!(error(b"\xc1", Named), "found what is no MessagePack");
    assert_eq!(error(b"\xa1x", Named), "found a string, expected struct Lines");
    let shapes = |bytes: &[u8]| decoded::<BTreeMap<String, Shape>>(bytes, Named).unwrap_err();
    assert_eq!(shapes(b"\x81\xa1k\x81\xa4Pair\x92\x01\xa1x"), "`k.Pair[1]`: found a string, expected u8");
    assert_eq!(
        shapes(b"\x81\xa3a b\xa5Other"),
        "`[\"a b\"]`: found no variant `Other`, expected `Empty`, `Wrapped`, `Pair`, `Named`"
    );
    assert_eq!(shapes(b"\x81\xa1k\xa4Pair"), "`k`: found the name of a variant alone, expected its data too");
}

#[test]
fn an_error_quotes_little_of_what_a_peer_wrote() {
    let long = "x".repeat(100_000);
    let variant = rmp_serde::to_vec(&long).unwrap();
    assert!(decoded::<Shape>(&variant, Named).unwrap_err().len() < 200);
    let key = rmp_serde::to_vec(&BTreeMap::from([(&long, "x")])).unwrap();
    assert!(decoded::<BTreeMap<String, u8>>(&key, Named).unwrap_err().len() < 200);
    let secret = rmp_serde::to_vec("secret").unwrap();
    for error in [decoded::<u8>(&secret, Named).map(drop), decoded::<char>(&secret, Named).map(drop)] {
        assert_eq!(error.unwrap_err().split_once(',').unwrap().0, "found a string");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>, compact: bool) {
        let encoding = if compact { Compact } else { Named };
        let _ = decoded::<(Host, Vec<Event>, Id)>(&bytes, encoding);
        let _ = decoded::<Vec<Option<Option<Id>>>>(&bytes, encoding);
        let _ = decoded::<Adjacent>(&bytes, encoding);
    }

    #[test]
    fn bytes_changed_on_their_way_are_a_value_or_an_error(at: usize, byte in any::<u8>(), compact: bool) {
        let encoding = if compact { Compact } else { Named };
        let place = Place { address: SocketAddr::from(([1, 2, 3, 4], 80)), points: vec![Point::default(); 3] };
        let host = Host { name: "a".into(), place, point: Point::default() };
        let events = vec![Event::Idle, Event::Moved(Point::default())];
        let value = (Some(Some(None::<u8>)), host, events, Adjacent::Empty, Order { id: 1, discount: None, units: 1 });
        let mut bytes = encoded(&value, encoding);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = decoded::<(Option<Option<Option<u8>>>, Host, Vec<Event>, Adjacent, Order)>(&bytes, encoding);
    }
}

#[test]
fn numbers_that_serde_json_keeps_as_text_travel_as_numbers_where_their_text_comes_back() {
    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::Number")]
    struct Number {
        #[serde(rename = "$serde_json::private::Number")]
        text: &'static str,
    }
    for encoding in BOTH {
        let written = |text| encoded(&Number { text }, encoding);
        assert_eq!(written("7"), [7]);
        assert_eq!(written("-300"), encoded(&-300, encoding));
        assert_eq!(written("18446744073709551615"), encoded(&u64::MAX, encoding));
        assert_eq!(written("1.5"), encoded(&1.5_f64, encoding));
        assert_eq!(written("0.0"), encoded(&0.0_f64, encoding));
        for kept in
            ["1.50", "1e5", "18446744073709551616", "-0", "01", "1e-300", "0.1000000000000000055", "+1"]
        {
            let name = "$serde_json::private::Number";
            assert_eq!(written(kept), rmp_serde::to_vec(&BTreeMap::from([(name, kept)])).unwrap(), "{kept}");
        }
    }
}
