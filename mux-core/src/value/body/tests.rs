use super::whole::encode_result;
use super::*;
use crate::api::descriptor::Encoding;
use crate::api::error::{RemoteError, RemoteParts};
use ::bytes::Bytes;
use mux_proto::wire::settings::SMALL;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

fn args(values: &[&[u8]]) -> Bytes {
    let mut out = vec![0x90 | values.len() as u8];
    values.iter().for_each(|value| out.extend_from_slice(value));
    out.into()
}

#[test]
fn a_missing_option_is_none_a_default_is_default_anything_else_is_named() {
    let frame = args(&[]);
    let mut decoder = ArgsDecoder::new(&frame).unwrap();
    assert_eq!(decoder.value::<Option<u32>>("a").unwrap(), None);
    assert_eq!(decoder.default::<u32>("b").unwrap(), 0);
    assert_eq!(decoder.value::<u32>("c").unwrap_err().message(), "argument `c` is missing");
}

#[test]
fn extra_arguments_are_skipped_and_stray_bytes_refused() {
    let frame = args(&[&[7], &[0x92, 1, 2]]);
    let mut decoder = ArgsDecoder::new(&frame).unwrap();
    assert_eq!(decoder.value::<u32>("n").unwrap(), 7);
    assert!(decoder.finish().is_ok());

    // A value, nil, what is no marker, and the start of a string.
    for stray in [9, 0xc0, 0xc1, 0xd9] {
        let frame = Bytes::from(vec![0x91, 7, stray]);
        let mut decoder = ArgsDecoder::new(&frame).unwrap();
        assert_eq!(decoder.value::<u32>("n").unwrap(), 7);
        assert_eq!(decoder.finish().unwrap_err().message(), "the arguments: bytes come after them");
    }
}

#[test]
fn bytes_point_into_the_frame() {
    let mut encoder = ArgsEncoder::new(Encoding::Named);
    encoder.all(&[&AsBytes(&b"blob"[..]), &AsBytes(&Bytes::from_static(b"more"))]).unwrap();
    let frame = Bytes::from(encoder.finish().0.to_vec());
    let mut decoder = ArgsDecoder::new(&frame).unwrap();
    let slice: &[u8] = decoder.bytes("slice").unwrap();
    let shared: Bytes = decoder.bytes("shared").unwrap();
    assert!(frame.as_ptr_range().contains(&slice.as_ptr()));
    assert!(frame.as_ptr_range().contains(&shared.as_ptr()));
    assert_eq!((slice, &shared[..]), (&b"blob"[..], &b"more"[..]));
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let mut deep = vec![0x91; 5000];
    deep.push(0xc0);
    assert!(decode::<IgnoredAny>(&deep, Encoding::Named).is_err());
}

#[test]
fn nested_variants_are_refused_not_followed() {
    #[derive(Debug, Serialize, Deserialize)]
    enum Tree {
        Leaf,
        Node(Box<Tree>),
    }
    let deep = |levels: usize| {
        let mut bytes = b"\x81\xa4Node".repeat(levels);
        bytes.extend_from_slice(b"\xa4Leaf");
        bytes
    };
    assert!(decode::<Tree>(&deep(100), Encoding::Named).is_ok());
    let error = decode::<Tree>(&deep(100_000), Encoding::Named).unwrap_err();
    assert_eq!(error, "it nests deeper than 128 levels");
    let mut args = vec![0x91];
    args.extend(deep(100_000));
    let args = Bytes::from(args);
    assert!(ArgsDecoder::new(&args).unwrap().value::<Tree>("tree").is_err());
    assert!(ArgsDecoder::new(&args).unwrap().finish().is_err());
}

#[test]
fn a_long_flat_body_does_not_nest() {
    let rows: Vec<(u32, Vec<u32>)> = (0..1000).map(|n| (n, vec![n; 10])).collect();
    let encoded = encode_result(&rows, Encoding::Named).unwrap().0.to_vec();
    assert_eq!(decode::<Vec<(u32, Vec<u32>)>>(&encoded, Encoding::Named).unwrap(), rows);
}

#[test]
fn results_of_bytes_travel_as_bin_and_come_back() {
    let encoded = encode_result(&vec![1_u8, 2, 3], Encoding::Named).unwrap().0.to_vec();
    assert_eq!(encoded, [0xc4, 3, 1, 2, 3]);
    assert_eq!(decode::<Vec<u8>>(&encoded, Encoding::Named).unwrap(), [1, 2, 3]);
    assert_eq!(decode::<Bytes>(&encoded, Encoding::Named).unwrap(), [1_u8, 2, 3][..]);
    assert_eq!(decode::<Vec<u8>>(&[0x92, 4, 5], Encoding::Named).unwrap(), [4, 5]);
}

#[test]
fn an_error_with_a_long_backtrace_fits_the_end_of_a_channel() {
    let trace = Some("   7: shop::find\n".repeat(10_000));
    let remote = RemoteError::new(RemoteParts { message: "deep".into(), trace, ..RemoteParts::default() });
    let fault = fault_of_remote(&remote);
    assert!(fault.detail.len() <= SMALL, "{}", fault.detail.len());
    let told = remote_error(fault);
    assert!(remote.trace().unwrap().starts_with(told.trace().unwrap()) && told.message() == "deep");
}
