//! Types that serde makes something particular of, each attribute of its derives among them.

use super::Fate::{self, Arrives, NeedsNames, Refused, RefusedUnbuffered};
use super::any;
use arbitrary::{Arbitrary, Unstructured};
use chrono::{DateTime, Utc};
use serde::de::{EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{CString, OsString};
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroI64, NonZeroU8, NonZeroU128, Wrapping};
use std::ops::{Bound, Range, RangeFrom, RangeInclusive, RangeTo};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// One type of all of them, so that a service is compiled once. It travels as what it holds: which type that is, is known
/// from elsewhere.
macro_rules! zoo {
    ($($name:ident: $of:ty $(=> $fate:expr)?,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(super) enum Kind { $($name),* }

        pub(super) const KINDS: &[Kind] = &[$(Kind::$name),*];

        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Animal { $($name($of)),* }

        thread_local! {
            /// What is read.
            static READ: Cell<Kind> = const { Cell::new(KINDS[0]) };
        }

        impl Animal {
            /// One of a kind. All that are read on this thread are of that kind, until the next.
            pub(super) fn any(kind: Kind, u: &mut Unstructured) -> arbitrary::Result<Animal> {
                READ.set(kind);
                match kind { $(Kind::$name => u.arbitrary().map(Animal::$name),)* }
            }

            pub(super) fn fate(&self) -> Fate {
                match self { $(Animal::$name(_value) => fate!(_value, $of, $($fate)?),)* }
            }
        }

        impl Serialize for Animal {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self { $(Animal::$name(value) => value.serialize(to),)* }
            }
        }

        impl<'de> Deserialize<'de> for Animal {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Animal, D::Error> {
                match READ.get() { $(Kind::$name => Deserialize::deserialize(from).map(Animal::$name),)* }
            }
        }
    };
}

macro_rules! fate {
    ($value:ident, $of:ty,) => {
        Arrives
    };
    ($value:ident, $of:ty, $fate:expr) => {{
        let fate: fn(&$of) -> Fate = $fate;
        fate($value)
    }};
}

/// With the derives that all of them have.
macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident $name:ident $(<$param:ident>)? $({$($fields:tt)*})? $(($($tuple:tt)*);)?)*) => {$(
        #[derive(Arbitrary, Clone, Debug, PartialEq, Serialize, Deserialize)]
        $(#[$meta])*
        pub(crate) $kind $name $(<$param>)? $({$($fields)*})? $(($($tuple)*);)?
    )*};
}

/// What has no random values by itself.
macro_rules! foreign {
    ($($name:ident($of:ty) = $any:path;)*) => {
        kinds! {$(
            #[serde(transparent)]
            struct $name(#[arbitrary(with = $any)] $of);
        )*}
    };
}

const NARROW: &str = "found a 128-bit integer, which serde cannot hold where it buffers";

zoo! {
    Integers: (bool, u8, i8, u16, i16, u32, i32, u64, i64, usize, isize),
    WideIntegers: (u128, i128, Option<u128>),
    WideKeys: BTreeMap<u128, i128>,
    Floats: (Single, Double, Vec<Single>),
    Char: char,
    Text: (String, Box<str>, Arc<str>, OwnedText),
    Unit: (),
    Units: (UnitStruct, Empty, Marked, PhantomData<u8>),
    Newtypes: (Newtype, EmptyTuple),
    TupleStruct: Tuple,
    Pointers: (Box<u8>, Arc<u8>, Box<[u16]>, Arc<[u16]>, OwnedNumber),
    Binary: Vec<u8>,
    Shared: Shared,
    Binaries: Vec<(Shared, Vec<u8>, CString)>,
    Arrays: ([(u8, i8); 3], [u8; 0], [u8; 32]),
    Sequences: (Vec<u16>, VecDeque<u16>, LinkedList<char>, BTreeSet<i8>, HashSet<String>),
    Nested: Vec<Vec<Vec<i8>>>,
    Maps: (BTreeMap<String, u8>, HashMap<u8, String>),
    NumberKeys: (BTreeMap<i64, u8>, BTreeMap<bool, ()>, BTreeMap<char, u8>, BTreeMap<Wrapping<u8>, u8>),
    ValueKeys: (BTreeMap<(u8, bool), u8>, BTreeMap<Option<Option<u8>>, Option<()>>, BTreeMap<Vec<u8>, u8>),
    DataKeys: BTreeMap<DataKey, u8>,
    NamedKeys: (BTreeMap<Key, u8>, BTreeMap<Named, u8>, HashMap<IpAddr, Key>),
    Nets: (IpAddr, Ipv4Addr, Ipv6Addr, Sockets),
    Times: (Duration, Moment),
    Before1970: Before1970 => |_| Refused("SystemTime must be later than UNIX_EPOCH"),
    Numbers: (NonZeroU8, NonZeroI64, NonZeroU128, Wrapping<i16>, Reverse<u8>, Option<NonZeroU8>),
    Ranges: (Range<u8>, RangeInclusive<u64>, RangeFrom<i8>, RangeTo<char>),
    Bounds: Vec<Bound<Option<u8>>>,
    Results: Result<Option<u8>, Result<(), String>>,
    Paths: (PathBuf, OsStrings),
    PathOfNoText: PathOfNoText => |_| Refused("path contains invalid UTF-8 characters"),
    Options: Option<Option<Option<u8>>>,
    OptionalUnit: Option<()>,
    OptionsOfNothing: Vec<(Option<Option<()>>, Option<UnitStruct>, Option<Newtype>, Option<Box<Option<Empty>>>)>,
    OptionFields: OptionFields,
    List: List,
    Tree: Tree,
    Expression: Expression,

    Renamed: Renamed,
    RenamedOneWay: RenamedOneWay,
    Defaulted: Defaulted,
    DefaultedByPath: DefaultedByPath,
    Skipping: Skipping,
    SkippingDeep: (SkippingDeep, Defaulted),
    Wide: Wide,
    Skipped: Skipped,
    NotSent: NotSent => |_| NeedsNames,
    NotTaken: NotTaken => |_| NeedsNames,
    SkippingTuple: SkippingTuple => |tuple| match tuple.0 {
        0 => RefusedUnbuffered("found 1 element, expected 2"),
        _ => Arrives,
    },
    SkippingVariant: SkippingVariant => |SkippingVariant::Pair(first, _)| match first {
        0 => RefusedUnbuffered("found 1 element, expected 2"),
        _ => Arrives,
    },
    SkippedInTuple: SkippedInTuple,
    Transparent: Transparent,
    TransparentMarked: TransparentMarked<u8>,
    Generic: Generic<Option<u8>>,
    With: With,
    Remote: Remote,
    Converted: (Into16, TryText),
    TaggedStruct: Vec<TaggedStruct>,
    Borrowing: Borrowing,
    Manual: (Uncounted, UncountedMap, Displayed, Lengthy),
    Identifiers: Vec<(Identifier, Pointed)>,

    External: External,
    ExternalDeep: Vec<Option<External>>,
    ManyKinds: ManyKinds,
    ByIndex: BTreeMap<Key, Vec<Key>>,
    SkippedVariant: SkippedVariant => |variant| match variant {
        SkippedVariant::Kept => Arrives,
        SkippedVariant::Never => Refused("the enum variant SkippedVariant::Never cannot be serialized"),
        SkippedVariant::NotSent => Refused("the enum variant SkippedVariant::NotSent cannot be serialized"),
        SkippedVariant::NotTaken(_) => Refused("found no variant `NotTaken`, expected `Kept`, `NotSent`"),
    },
    OtherExternal: OtherExternal,
    OtherInternal: OtherInternal,
    OtherAdjacent: OtherAdjacent,
    VariantWith: VariantWith,
    Internal: Internal,
    InternalDeep: BTreeMap<u8, Vec<Internal>>,
    InternalNumber: InternalNumber => |_| Refused("cannot serialize tagged newtype variant"),
    InternalWide: InternalWide => |_| Refused(NARROW),
    Adjacent: Adjacent,
    AdjacentDeep: (Option<Adjacent>, Vec<Adjacent>),
    AdjacentStrict: AdjacentStrict,
    UntaggedScalars: UntaggedScalar,
    UntaggedShapes: UntaggedShape => |shape| match shape {
        UntaggedShape::Struct { .. } | UntaggedShape::Held(_) => NeedsNames,
        _ => Arrives,
    },
    UntaggedTimes: UntaggedTime => |_| NeedsNames,
    UntaggedNets: UntaggedNet => |net| match net {
        UntaggedNet::Name(_) => Arrives,
        _ => NeedsNames,
    },
    UntaggedForms: UntaggedForm => |form| match form {
        UntaggedForm::Map(_) | UntaggedForm::List(_) => Arrives,
        _ => NeedsNames,
    },
    UntaggedWide: UntaggedWide => |wide| match wide {
        UntaggedWide::Wide(_) => Refused(NARROW),
        UntaggedWide::Text(_) => Arrives,
    },
    UntaggedTree: UntaggedTree,
    UntaggedUnit: Vec<UntaggedUnit>,
    UntaggedJson: UntaggedJson,
    UntaggedOptions: UntaggedOptions,
    UntaggedVariant: Vec<UntaggedVariant>,
    Expecting: Expecting => |_| Refused("expected a thing that never is"),

    Flat: Flat,
    FlatDeep: Vec<FlatDeep>,
    FlatEnums: (FlatExternal, FlatInternal, FlatAdjacent),
    FlatUntagged: FlatUntagged,
    FlatNumberKeys: FlatNumberKeys,
    FlatKeys: FlatKeys,
    FlatStrict: FlatStrict,
    FlatNothing: FlatNothing,
    FlatGeneric: FlatGeneric<Point>,
    FlatVariant: FlatVariant,
    FlatWide: FlatWide => |_| Refused(NARROW),

    Uuids: (uuid::Uuid, BTreeMap<uuid::Uuid, u8>),
    Links: (Link, Option<Link>),
    Dates: (DateTime<Utc>, OffsetDate, chrono::NaiveDateTime, chrono::NaiveDate),
    DateParts: (chrono::NaiveTime, chrono::Weekday, chrono::Month, Stamped),
    TimeMoments: (TimeMoment, TimeParts),
    TimeNames: (TimeStamp, BTreeMap<u8, TimeMoment>),
    Prices: Price,
    Indexed: (indexmap::IndexMap<String, Option<u8>>, indexmap::IndexSet<u16>),
    Small: smallvec::SmallVec<[Option<u16>; 2]>,
    IpNets: (IpNetwork, BTreeMap<u8, IpNetwork>),
    JsonNumbers: JsonNumber,
    Json: Json,
    JsonObjects: JsonObject,
    RawJson: Vec<RawJson>,
    Toml: Toml,
    ForeignTagged: ForeignTagged,
    ForeignFlat: ForeignFlat,
}

foreign! {
    OwnedText(Cow<'static, str>) = any::owned_text;
    OwnedNumber(Cow<'static, u8>) = any::owned_number;
    Shared(mux::Bytes) = any::shared;
    Sockets(SocketAddr) = any::socket;
    Moment(SystemTime) = any::moment;
    Before1970(SystemTime) = any::before_1970;
    OsStrings(OsString) = any::os_string;
    PathOfNoText(PathBuf) = any::path_of_no_text;
    Link(url::Url) = any::url;
    OffsetDate(DateTime<chrono::FixedOffset>) = any::offset_date;
    TimeMoment(time::OffsetDateTime) = any::time;
    TimeParts((time::PrimitiveDateTime, time::Date, time::Time, time::Duration)) = any::time_parts;
    Price(rust_decimal::Decimal) = any::decimal;
    IpNetwork(ipnet::IpNet) = any::net;
    JsonNumber(serde_json::Number) = any::number;
    Json(serde_json::Value) = any::json;
    JsonObject(serde_json::Map<String, serde_json::Value>) = any::object;
    Toml(toml::Value) = any::toml;
}

/// Equal to what has the same bits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Single(pub(super) f32);

impl PartialEq for Single {
    fn eq(&self, other: &Single) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Double(pub(super) f64);

impl PartialEq for Double {
    fn eq(&self, other: &Double) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

#[derive(Arbitrary, Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawJson(#[arbitrary(with = any::raw_json)] Box<serde_json::value::RawValue>);

impl PartialEq for RawJson {
    fn eq(&self, other: &RawJson) -> bool {
        self.0.get() == other.0.get()
    }
}

#[derive(Arbitrary, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UnitStruct;

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Key {
    A,
    #[serde(rename = "with space")]
    B,
    C,
}

#[derive(Arbitrary, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Named {
    a: u8,
    b: Option<u8>,
}

#[derive(Arbitrary, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum DataKey {
    One(u8),
    Two(bool, char),
    Struct { named: Named },
}

kinds! {
    struct Empty {}
    struct EmptyTuple();
    struct Newtype(Option<u8>);
    struct Marked { marker: PhantomData<String> }
    struct Tuple(u8, Option<u8>, String);
    struct OptionFields {
        a: Option<Option<u8>>,
        b: Option<()>,
        c: Option<Empty>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        d: Option<Option<u8>>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "doubled")]
        e: Option<Option<u8>>,
    }
    struct List(Option<Box<List>>);
    struct Tree { value: u8, children: Vec<Tree> }
    enum Expression { Number(i64), Sum(Box<Expression>, Box<Expression>), Minus { of: Box<Expression> } }
    struct Point { x: u8, #[serde(default, skip_serializing_if = "is_zero")] y: u8 }
}

// Attributes of structs and their fields.
kinds! {
    #[serde(crate = "serde", rename = "Other", rename_all = "camelCase", deny_unknown_fields)]
    struct Renamed {
        first_field: u8,
        #[serde(rename = "with space", alias = "old")]
        second_field: u8,
        r#type: u8,
    }
    #[serde(rename_all(serialize = "UPPERCASE", deserialize = "lowercase"))]
    struct RenamedOneWay {
        #[serde(alias = "A")]
        a: u8,
        #[serde(rename(serialize = "new"), alias = "new", alias = "newer")]
        b: u8,
    }
    #[serde(default)]
    struct Defaulted {
        #[serde(skip_serializing_if = "is_zero", alias = "x")]
        a: u8,
        #[serde(skip_serializing_if = "String::is_empty")]
        b: String,
        c: u8,
        #[serde(skip)]
        #[arbitrary(default)]
        never: u8,
        d: Option<u8>,
    }
    struct Skipping {
        #[serde(skip_serializing_if = "Option::is_none")]
        a: Option<u8>,
        b: u8,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        c: Vec<Defaulted>,
        d: (u8, u8),
    }
    struct SkippingDeep {
        before: u8,
        inner: Skipping,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        more: Option<Box<SkippingDeep>>,
        after: Skipping,
    }
    struct Wide {
        #[serde(default, skip_serializing_if = "is_zero")]
        first: u8,
        a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: Skipping, k: u8, l: u8, m: u8, n: u8, o: u8,
        p: Skipping,
        #[serde(default, skip_serializing_if = "is_zero")]
        last: u8,
    }
    struct Skipped {
        a: u8,
        #[serde(skip)]
        #[arbitrary(default)]
        b: u8,
        #[serde(skip_serializing, skip_deserializing, default = "nine")]
        #[arbitrary(value = 9)]
        c: u8,
        d: u8,
    }
    struct NotSent {
        a: u8,
        #[serde(skip_serializing, default)]
        #[arbitrary(default)]
        b: u8,
        #[serde(default)]
        c: u8,
    }
    struct NotTaken {
        a: u8,
        #[serde(skip_deserializing)]
        #[arbitrary(default)]
        b: u8,
        c: u8,
    }
    struct SkippingTuple(#[serde(default, skip_serializing_if = "is_zero")] u8, #[serde(default)] u8);
    enum SkippingVariant { Pair(#[serde(default, skip_serializing_if = "is_zero")] u8, #[serde(default)] u8) }
    struct SkippedInTuple(u8, #[serde(skip)] #[arbitrary(default)] u8, String);
    #[serde(transparent)]
    struct Transparent { inner: Option<Option<u8>> }
    #[serde(transparent)]
    struct TransparentMarked<T> { inner: Vec<u8>, #[serde(skip)] marker: PhantomData<T> }
    #[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
    struct Generic<T> {
        #[serde(bound(deserialize = "T: Deserialize<'de>"))]
        inner: Vec<T>,
    }
    struct With {
        #[serde(serialize_with = "in_seconds", deserialize_with = "from_seconds")]
        #[arbitrary(with = any::seconds)]
        time: Duration,
        #[serde(with = "doubled")]
        #[arbitrary(with = any::some)]
        doubled: Option<Option<u8>>,
    }
    struct Remote { #[serde(with = "FarAway")] far: Far, #[serde(with = "Hidden")] hidden: hidden::Hidden }
    #[serde(from = "u16", into = "u16")]
    struct Into16 { low: u8, high: u8 }
    #[serde(try_from = "String", into = "String")]
    struct TryText { length: u8 }
    #[serde(tag = "type", rename = "a tagged one")]
    struct TaggedStruct { a: u8, ip: IpAddr, #[serde(default, skip_serializing_if = "is_zero")] b: u8 }
}

impl Default for Defaulted {
    fn default() -> Defaulted {
        Defaulted { a: 0, b: String::new(), c: 9, never: 0, d: None }
    }
}

// Not in the macro, as serde's path of a default is none there.
#[derive(Arbitrary, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "DefaultedByPath::usual")]
pub(crate) struct DefaultedByPath {
    #[serde(skip_serializing_if = "is_nine")]
    a: u8,
    b: Vec<u8>,
    #[serde(default = "nine", skip_serializing_if = "is_nine")]
    c: u8,
}

impl DefaultedByPath {
    fn usual() -> DefaultedByPath {
        DefaultedByPath { a: 9, b: vec![1], c: 1 }
    }
}

fn nine() -> u8 {
    9
}

fn is_nine(number: &u8) -> bool {
    *number == 9
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[derive(Arbitrary, Clone, Debug, PartialEq)]
pub(crate) struct Far {
    a: u8,
    b: Option<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Far")]
struct FarAway {
    a: u8,
    b: Option<u8>,
}

mod hidden {
    use arbitrary::Arbitrary;

    #[derive(Arbitrary, Clone, Debug, PartialEq)]
    pub(crate) struct Hidden {
        seconds: i64,
    }

    impl Hidden {
        pub(super) fn new(seconds: i64) -> Hidden {
            Hidden { seconds }
        }

        pub(super) fn seconds(&self) -> i64 {
            self.seconds
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "hidden::Hidden")]
struct Hidden {
    #[serde(getter = "hidden::Hidden::seconds")]
    seconds: i64,
}

impl From<Hidden> for hidden::Hidden {
    fn from(Hidden { seconds }: Hidden) -> hidden::Hidden {
        hidden::Hidden::new(seconds)
    }
}

impl From<u16> for Into16 {
    fn from(number: u16) -> Into16 {
        let [high, low] = number.to_be_bytes();
        Into16 { low, high }
    }
}

impl From<Into16> for u16 {
    fn from(Into16 { low, high }: Into16) -> u16 {
        u16::from_be_bytes([high, low])
    }
}

impl TryFrom<String> for TryText {
    type Error = std::num::TryFromIntError;

    fn try_from(text: String) -> Result<TryText, Self::Error> {
        Ok(TryText { length: text.len().try_into()? })
    }
}

impl From<TryText> for String {
    fn from(text: TryText) -> String {
        "x".repeat(text.length.into())
    }
}

/// As it is often written to tell a field left out from one that is nil.
mod doubled {
    use super::*;

    pub(super) fn serialize<S: Serializer>(value: &Option<Option<u8>>, to: S) -> Result<S::Ok, S::Error> {
        value.unwrap_or_default().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<u8>>, D::Error> {
        Option::deserialize(from).map(Some)
    }
}

fn in_seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(time.as_secs())
}

fn from_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_secs)
}

/// Read by a type that points into the message.
#[derive(Arbitrary, Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Borrowing {
    text: String,
    shared: Shared,
    either: String,
    kind: BorrowingKind,
}

#[derive(Arbitrary, Clone, Debug, PartialEq, Serialize)]
enum BorrowingKind {
    Text(String),
}

#[derive(Deserialize)]
struct Borrowed<'a> {
    text: &'a str,
    shared: &'a [u8],
    #[serde(borrow)]
    either: Cow<'a, str>,
    #[serde(borrow)]
    kind: BorrowedKind<'a>,
}

#[derive(Deserialize)]
enum BorrowedKind<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl<'de> Deserialize<'de> for Borrowing {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Borrowing, D::Error> {
        let Borrowed { text, shared, either, kind: BorrowedKind::Text(kind) } = Borrowed::deserialize(from)?;
        assert!(matches!((&either, &kind), (Cow::Borrowed(_), Cow::Borrowed(_))));
        Ok(Borrowing {
            text: text.to_owned(),
            shared: Shared(mux::Bytes::copy_from_slice(shared)),
            either: either.into_owned(),
            kind: BorrowingKind::Text(kind.into_owned()),
        })
    }
}

/// Written before its length is known.
#[derive(Arbitrary, Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Uncounted(Vec<Option<u8>>);

impl Serialize for Uncounted {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().filter(|_| true))
    }
}

#[derive(Arbitrary, Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct UncountedMap(BTreeMap<String, IpAddr>);

impl Serialize for UncountedMap {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().filter(|_| true))
    }
}

/// Written as it is displayed.
#[derive(Arbitrary, Clone, Debug, PartialEq)]
pub(crate) struct Displayed(Vec<u16>);

impl Serialize for Displayed {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:?}", self.0))
    }
}

impl<'de> Deserialize<'de> for Displayed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Displayed, D::Error> {
        let text = String::deserialize(from)?;
        serde_json::from_str(&text).map(Displayed).map_err(serde::de::Error::custom)
    }
}

/// A number or a text, read as whatever comes.
#[derive(Arbitrary, Clone, Debug, PartialEq)]
pub(crate) enum Lengthy {
    Number(i64),
    Text(String),
    Both(u64, String),
}

impl Serialize for Lengthy {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Lengthy::Number(number) => number.serialize(to),
            Lengthy::Text(text) => text.serialize(to),
            Lengthy::Both(number, text) => (number, text).serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Lengthy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Lengthy, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Lengthy;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a length")
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Lengthy, E> {
                Ok(Lengthy::Number(number))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Lengthy, E> {
                number.try_into().map(Lengthy::Number).map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Lengthy, E> {
                Ok(Lengthy::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Lengthy, A::Error> {
                let missing = || serde::de::Error::custom("missing");
                Ok(Lengthy::Both(
                    seq.next_element()?.ok_or_else(missing)?,
                    seq.next_element()?.ok_or_else(missing)?,
                ))
            }
        }
        from.deserialize_any(Any)
    }
}

/// A name, and else any.
#[derive(Arbitrary, Clone, Debug, PartialEq)]
pub(crate) enum Identifier {
    First,
    Second,
    Other(#[arbitrary(with = any::no_name)] String),
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum IdentifierName {
    First,
    #[serde(alias = "other second")]
    Second,
    Other(String),
}

impl Serialize for Identifier {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match self {
            Identifier::First => "first",
            Identifier::Second => "other second",
            Identifier::Other(text) => text,
        })
    }
}

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Identifier, D::Error> {
        IdentifierName::deserialize(from).map(|name| match name {
            IdentifierName::First => Identifier::First,
            IdentifierName::Second => Identifier::Second,
            IdentifierName::Other(text) => Identifier::Other(text),
        })
    }
}

/// An enum that is read by hand.
#[derive(Arbitrary, Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Pointed {
    Left(u8),
    Right { at: u8 },
}

#[derive(Deserialize)]
#[serde(variant_identifier)]
enum PointedName {
    Left,
    Right,
}

impl<'de> Deserialize<'de> for Pointed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Pointed, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Pointed;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("left or right")
            }

            fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Pointed, A::Error> {
                match data.variant()? {
                    (PointedName::Left, data) => data.newtype_variant().map(Pointed::Left),
                    (PointedName::Right, data) => data.struct_variant(&["at"], At),
                }
            }
        }

        struct At;

        impl<'de> Visitor<'de> for At {
            type Value = Pointed;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a place")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pointed, A::Error> {
                let (_, at): (String, u8) = map.next_entry()?.unwrap_or_default();
                Ok(Pointed::Right { at })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pointed, A::Error> {
                Ok(Pointed::Right { at: seq.next_element()?.unwrap_or_default() })
            }
        }
        from.deserialize_enum("Pointed", &["Left", "Right"], Either)
    }
}

// Attributes of enums and their variants.
kinds! {
    #[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
    enum External {
        UnitVariant,
        New(Option<Point>),
        NewUnit(()),
        #[serde(rename = "T", alias = "Old")]
        Tuple(u8, Point),
        NoTuple(),
        #[serde(rename_all = "SCREAMING-KEBAB-CASE", bound = "")]
        Struct { #[serde(default, skip_serializing_if = "is_zero")] first_field: u8, second_field: Point },
        FieldsByAll { #[serde(alias = "x")] third_field: IpAddr, #[serde(skip)] #[arbitrary(default)] never: u8 },
        NoStruct {},
    }
    #[serde(deny_unknown_fields)]
    enum ManyKinds {
        A(Option<Option<u8>>),
        B(Option<()>, Option<()>),
        C { x: Option<Option<()>> },
        D(Box<[External]>),
        E([u8; 3]),
    }
    enum SkippedVariant {
        Kept,
        #[serde(skip)]
        Never,
        #[serde(skip_serializing)]
        NotSent,
        #[serde(skip_deserializing)]
        NotTaken(u8),
    }
    enum OtherExternal { Known, #[serde(other)] Other }
    #[serde(tag = "type")]
    enum OtherInternal { Known { ip: IpAddr }, #[serde(other)] Other }
    #[serde(tag = "t", content = "c")]
    enum OtherAdjacent { Known(u8), #[serde(other)] Other }
    enum VariantWith {
        #[serde(serialize_with = "in_seconds", deserialize_with = "from_seconds")]
        Seconds(#[arbitrary(with = any::seconds)] Duration),
        #[serde(with = "doubled")]
        Doubled(#[arbitrary(with = any::some)] Option<Option<u8>>),
    }
    #[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "UPPERCASE")]
    enum Internal {
        Unit,
        NewUnit(()),
        NewUnitStruct(UnitStruct),
        New(Point),
        Map(#[arbitrary(with = any::no_names)] BTreeMap<String, Point>),
        NumberKeys(BTreeMap<u8, IpAddr>),
        Struct { #[serde(default, skip_serializing_if = "is_zero")] a: u8, b: Point, c: Option<Option<u8>>, d: Key },
        Nested(Box<InternalNested>),
        External(ManyKinds),
        Flat(Flat),
        Empty {},
    }
    #[serde(tag = "kind")]
    enum InternalNested { A { points: Vec<Point>, ip: IpAddr }, B }
    #[serde(tag = "type")]
    enum InternalNumber { Number(u8), Text(String), List(Vec<u8>) }
    #[serde(tag = "type")]
    enum InternalWide { Wide { wide: u128 }, Map(#[arbitrary(with = any::one_entry)] BTreeMap<u8, i128>) }
    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        Unit,
        New(Point),
        NewUnit(()),
        Nothing(Option<Option<u8>>),
        Tuple(u8, Point, u128),
        Struct { #[serde(default, skip_serializing_if = "is_zero")] a: u8, b: Point, ip: IpAddr, wide: i128 },
        List(Vec<Adjacent>),
    }
    #[serde(tag = "t", content = "c", deny_unknown_fields)]
    enum AdjacentStrict { Unit, New(Option<()>), Struct { a: Key } }
    #[serde(untagged)]
    enum UntaggedScalar {
        Flag(bool),
        Number(u64),
        Signed(#[arbitrary(with = any::negative)] i64),
        Float(Double),
        Text(String),
        List(Vec<u64>),
        Bytes(#[arbitrary(with = any::no_text)] mux::Bytes),
        Map(BTreeMap<String, u64>),
        Nothing,
    }
    #[serde(untagged)]
    enum UntaggedShape {
        Tuple(u8, bool),
        Struct { x: u8, y: u8 },
        External(External2),
        Held(Named),
        Text(String),
        Unit,
    }
    enum External2 { One(u8), Two(u8, u8) }
    #[serde(untagged)]
    enum UntaggedTime { At(Moment), After(Duration) }
    #[serde(untagged)]
    enum UntaggedNet { V(IpAddr), Name(#[arbitrary(with = any::no_name)] String) }
    #[serde(untagged)]
    enum UntaggedForm {
        Net(IpAddr),
        Socket(Sockets),
        Subnet(IpNetwork),
        At(TimeMoment),
        Day(#[arbitrary(with = any::date)] time::Date),
        Map(BTreeMap<String, Vec<Vec<u8>>>),
        List(Vec<u16>),
    }
    #[serde(untagged)]
    enum UntaggedWide { Wide(u128), Text(String) }
    #[serde(untagged)]
    enum UntaggedTree { Leaf(i64), Branches(Vec<UntaggedTree>), Map(BTreeMap<String, UntaggedTree>) }
    #[serde(untagged)]
    enum UntaggedUnit { Unit(UnitStruct), Empty(EmptyTuple, u8), Results(BTreeMap<u8, Result<u8, ()>>), Key(Key) }
    #[serde(untagged)]
    enum UntaggedJson {
        Id(Key),
        Any(#[arbitrary(with = any::json_in_list)] [serde_json::Value; 1]),
        Object(JsonObject),
    }
    #[serde(untagged)]
    enum UntaggedOptions { Map(BTreeMap<String, Option<Option<u8>>>), Option(Option<Option<Option<u8>>>) }
    enum UntaggedVariant {
        A(u8),
        B,
        #[serde(untagged)]
        Any(Vec<String>),
        #[serde(untagged)]
        Number(i64),
    }
    #[serde(untagged, expecting = "expected a thing that never is")]
    enum Expecting { Text(#[serde(deserialize_with = "never")] String) }
}

fn never<'de, D: Deserializer<'de>>(_: D) -> Result<String, D::Error> {
    Err(serde::de::Error::custom("never"))
}

// What is flattened.
kinds! {
    struct Place { ip: IpAddr, points: Vec<Point>, note: Option<Option<u8>> }
    struct More { extra: Point }
    struct Flat {
        id: u8,
        #[serde(flatten)]
        place: Place,
        own: IpAddr,
        #[serde(flatten)]
        more: Option<More>,
        #[serde(flatten)]
        #[arbitrary(with = any::no_names)]
        rest: BTreeMap<String, Point>,
    }
    struct FlatDeep {
        #[serde(flatten)]
        inner: FlatInner,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<u8>,
    }
    struct FlatInner { #[serde(flatten)] innermost: Skipping, #[serde(rename = "the other")] other: Option<()> }
    struct FlatExternal { a: u8, #[serde(flatten)] kind: FlatKind, b: IpAddr }
    enum FlatKind { New(Option<Point>), Tuple(u8, Key), Struct { at: IpAddr } }
    struct FlatInternal { #[serde(flatten)] kind: InternalNested, name: String }
    struct FlatAdjacent { #[serde(flatten)] kind: FlatAdjacentKind, name: Option<String> }
    #[serde(tag = "t", content = "c")]
    enum FlatAdjacentKind { Unit, New(Point), Nothing(Option<u8>), Struct { ip: IpAddr } }
    struct FlatUntagged { id: u8, #[serde(flatten)] kind: FlatUntaggedKind }
    #[serde(untagged)]
    enum FlatUntaggedKind { A { p: IpAddr, q: u8 }, B { p: u8, r: Option<u8> } }
    struct FlatNumberKeys { id: u8, #[serde(flatten)] rest: BTreeMap<i16, Option<u8>> }
    struct FlatKeys { id: u8, #[serde(flatten)] rest: BTreeMap<Key, IpAddr> }
    #[serde(deny_unknown_fields)]
    struct FlatStrict { id: u8, #[serde(flatten)] place: Place }
    struct FlatNothing { id: u8, #[serde(flatten)] unit: (), #[serde(flatten)] empty: Empty }
    struct FlatGeneric<T> { id: u8, #[serde(flatten)] inner: T }
    enum FlatVariant {
        A { id: u8, #[serde(flatten)] place: Place },
        B { #[serde(flatten)] rest: BTreeMap<String, u8> },
    }
    struct FlatWide { #[serde(flatten)] inner: Wideness }
    struct Wideness { wide: u128 }
}

// Types of other libraries.
kinds! {
    struct Stamped {
        #[serde(with = "chrono::serde::ts_milliseconds")]
        #[arbitrary(with = any::milliseconds)]
        milliseconds: DateTime<Utc>,
        #[serde(with = "chrono::serde::ts_seconds_option")]
        #[arbitrary(with = any::second)]
        seconds: Option<DateTime<Utc>>,
    }
    struct TimeStamp {
        #[serde(with = "time::serde::timestamp")]
        #[arbitrary(with = any::whole_seconds)]
        at: time::OffsetDateTime,
    }
    #[serde(tag = "type")]
    enum ForeignTagged {
        Ids { id: uuid::Uuid, link: Link, net: IpNetwork, ids: indexmap::IndexMap<String, uuid::Uuid> },
        Times { day: DateTime<Utc>, moment: TimeMoment, stamp: TimeStamp },
        Numbers { price: Price, number: JsonNumber, small: smallvec::SmallVec<[u8; 2]>, shared: Shared },
        Documents { json: Json, toml: Toml },
    }
    struct ForeignFlat {
        own: uuid::Uuid,
        #[serde(flatten)]
        tagged: ForeignTagged,
        own_net: IpNetwork,
    }
}
