use std::io::{Read, Write};

use proptest::prelude::*;
use weir_protocol::records::compression::{compress, decompress, with_decompressed};
use weir_protocol::records::{Codec, Compression, DecompressError};

use crate::support::codec;

fn compressed(compression: impl Into<Compression>, input: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    compress(compression.into(), input, &mut out);
    assert_eq!(&out[..6], b"before", "compress appends");
    out.split_off(6)
}

fn is_too_large(result: Result<Vec<u8>, DecompressError>) -> bool {
    matches!(result, Err(DecompressError::TooLarge { .. }))
}

fn is_corrupt(result: Result<Vec<u8>, DecompressError>) -> bool {
    matches!(result, Err(DecompressError::Corrupt { .. }))
}

/// Compressible and not, over several blocks of every codec.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let run = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..2000),
        (any::<u8>(), 0..70_000usize).prop_map(|(byte, n)| vec![byte; n]),
        (0..40_000usize).prop_map(|n| (0..n).map(|i| (i * i / 7) as u8).collect()),
    ];
    prop::collection::vec(run, 0..6).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_codec_round_trips_up_to_the_cap_exactly(codec in codec(), input in content()) {
        let packed = compressed(codec, &input);
        prop_assert_eq!(&decompress(codec, &packed, input.len()).unwrap(), &input);
        prop_assert_eq!(&decompress(codec, &packed, usize::MAX).unwrap(), &input);
        with_decompressed(codec, &packed, input.len(), |out| assert_eq!(out, input)).unwrap();
        if let Some(cap) = input.len().checked_sub(1) {
            prop_assert!(is_too_large(decompress(codec, &packed, cap)));
        }
    }

    #[test]
    fn raw_snappy_round_trips(input in content()) {
        let raw = snap::raw::Encoder::new().compress_vec(&input).unwrap();
        prop_assert_eq!(&decompress(Codec::Snappy, &raw, input.len()).unwrap(), &input);
        if let Some(cap) = input.len().checked_sub(1) {
            prop_assert!(is_too_large(decompress(Codec::Snappy, &raw, cap)));
        }
    }

    #[test]
    fn lz4_frames_agree_with_another_implementation(input in content(), checks in 0..8u8) {
        let mut theirs = Vec::new();
        let ours = compressed(Codec::Lz4, &input);
        lz4_flex::frame::FrameDecoder::new(&ours[..]).read_to_end(&mut theirs).unwrap();
        prop_assert_eq!(&theirs, &input);

        let info = lz4_flex::frame::FrameInfo::new()
            .block_checksums(checks & 1 != 0)
            .content_checksum(checks & 2 != 0)
            .content_size((checks & 4 != 0).then_some(input.len() as u64));
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&input).unwrap();
        let theirs = encoder.finish().unwrap();
        prop_assert_eq!(&decompress(Codec::Lz4, &theirs, input.len()).unwrap(), &input);
    }

    #[test]
    fn zstd_streams_without_content_size_are_read(input in content(), level in -5..6i32) {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level).unwrap();
        encoder.write_all(&input).unwrap();
        let packed = encoder.finish().unwrap();
        prop_assert_eq!(&decompress(Codec::Zstd, &packed, input.len()).unwrap(), &input);
    }

    #[test]
    fn garbage_never_panics(codec in codec(), garbage in prop::collection::vec(any::<u8>(), 0..300)) {
        let out = decompress(codec, &garbage, 1 << 20);
        prop_assert!(out.map_or(0, |out| out.len()) <= 1 << 20);
    }

    #[test]
    fn damage_never_panics_or_passes_the_cap(
        codec in codec(), input in content(), at: prop::sample::Index, flip in 1..=255u8,
    ) {
        let mut packed = compressed(codec, &input);
        if !packed.is_empty() {
            let at = at.index(packed.len());
            packed[at] ^= flip;
            let out = decompress(codec, &packed, input.len());
            prop_assert!(out.map_or(0, |out| out.len()) <= input.len());
            let _ = decompress(codec, &packed[..at], input.len());
        }
    }
}

#[test]
fn levels_are_taken_and_moved_into_range() {
    let input: Vec<u8> = (0..200_000u32)
        .flat_map(|i| (i / 3 % 1000).to_le_bytes())
        .collect();
    let size = |codec, level| {
        let packed = compressed(Compression { codec, level }, &input);
        assert_eq!(decompress(codec, &packed, input.len()).unwrap(), input);
        packed.len()
    };
    for codec in [Codec::Gzip, Codec::Zstd] {
        assert!(
            size(codec, Some(9)) < size(codec, Some(1)),
            "{codec}: the level has an effect"
        );
        assert_eq!(size(codec, Some(i32::MAX)), {
            let max = if codec == Codec::Gzip { 9 } else { 22 };
            size(codec, Some(max))
        });
        size(codec, Some(i32::MIN));
    }
    assert_eq!(size(Codec::Gzip, None), size(Codec::Gzip, Some(-1)));
    assert_eq!(size(Codec::Zstd, None), size(Codec::Zstd, Some(3)));
    size(Codec::Lz4, Some(17));
}

#[test]
fn bombs_hit_the_cap() {
    let zeros = vec![0; 64 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bomb = compressed(codec, &zeros);
        assert!(
            bomb.len() < zeros.len() / 15,
            "{codec}: a bomb, {}",
            bomb.len()
        );
        assert!(
            is_too_large(decompress(codec, &bomb, 1 << 20)),
            "{codec} above the cap"
        );
    }
    // The same without the size that zstd announces up front.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.write_all(&zeros).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(is_too_large(decompress(Codec::Zstd, &bomb, 1 << 20)));
}

#[test]
fn announced_sizes_are_not_believed() {
    // Snappy: 5 bytes that announce 2 GiB.
    let liar = [0xff, 0xff, 0xff, 0xff, 0x07];
    assert!(is_corrupt(decompress(Codec::Snappy, &liar, usize::MAX)));
    // zstd: a single-segment frame header that announces 100 MiB, then one empty last block.
    let mut liar = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
    liar.extend_from_slice(&(100u32 << 20).to_le_bytes());
    liar.extend_from_slice(&[1, 0, 0]);
    assert!(is_corrupt(decompress(Codec::Zstd, &liar, usize::MAX)));
    // lz4: a content size that is wrong.
    let info = lz4_flex::frame::FrameInfo::new().content_size(Some(5));
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(b"12345").unwrap();
    let mut frame = encoder.finish().unwrap();
    assert_eq!(decompress(Codec::Lz4, &frame, 100).unwrap(), b"12345");
    frame[6] = 6;
    frame[14] = (twox_hash::XxHash32::oneshot(0, &frame[4..14]) >> 8) as u8;
    assert!(is_corrupt(decompress(Codec::Lz4, &frame, 100)));
}

#[test]
fn what_kafkas_java_client_cannot_read_is_refused() {
    let linked = lz4_flex::frame::FrameInfo::new().block_mode(lz4_flex::frame::BlockMode::Linked);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(linked, Vec::new());
    encoder.write_all(b"linked").unwrap();
    assert!(is_corrupt(decompress(
        Codec::Lz4,
        &encoder.finish().unwrap(),
        100
    )));

    let mut frame = compressed(Codec::Lz4, b"some content");
    frame[6] ^= 1;
    assert!(is_corrupt(decompress(Codec::Lz4, &frame, 100)), "checksum");
    let mut frame = compressed(Codec::Lz4, b"some content");
    frame.push(0);
    assert!(is_corrupt(decompress(Codec::Lz4, &frame, 100)), "trailing");

    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(b"far").unwrap();
    encoder.flush().unwrap();
    let wide = encoder.finish().unwrap();
    assert!(is_corrupt(decompress(Codec::Zstd, &wide, 100)), "window");
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(b"far").unwrap();
    encoder.flush().unwrap();
    let wide = encoder.finish().unwrap();
    assert_eq!(decompress(Codec::Zstd, &wide, 100).unwrap(), b"far");
}

#[test]
fn concatenated_streams_are_read_where_java_reads_them() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Zstd] {
        let both = [compressed(codec, b"one "), compressed(codec, b"two")].concat();
        assert_eq!(
            decompress(codec, &both, 100).unwrap(),
            b"one two",
            "{codec}"
        );
    }
}

#[test]
fn nested_reads_do_not_share_a_buffer() {
    let (outer, inner) = (
        compressed(Codec::Lz4, b"outer"),
        compressed(Codec::Zstd, b"inner"),
    );
    with_decompressed(Codec::Lz4, &outer, 100, |outer| {
        let same = with_decompressed(Codec::Zstd, &inner, 100, <[u8]>::to_vec);
        assert_eq!(same.unwrap(), b"inner");
        assert_eq!(outer, b"outer");
    })
    .unwrap();
}
