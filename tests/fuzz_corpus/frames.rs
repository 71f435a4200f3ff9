//! Frames as clients send them and nearly so, in any pieces, through the target `frames`.

use proptest::prelude::*;

use crate::targets::frames;

fn frame(first: u8, masked: bool, mut payload: Vec<u8>, mask: [u8; 4]) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(bit | n as u8),
        n => {
            out.push(bit | 126);
            out.extend((n as u16).to_be_bytes());
        }
    }
    if masked {
        out.extend(mask);
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
    out.extend(payload);
    out
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => Just(0x81), 4 => Just(0x82), 4 => Just(0x01), 4 => Just(0x80), 3 => Just(0x00),
        2 => Just(0x89), 2 => Just(0x8a), 1 => Just(0x88), 1 => Just(0x83), 1 => Just(0xc1), 1 => Just(0x09),
    ];
    let payload = prop_oneof![
        6 => "[a-zé😀]{0,40}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 0..140),
        // Around the limit.
        1 => (0..2 * frames::LIMIT).prop_map(|n| vec![b'y'; n]),
    ];
    (first, prop::bool::weighted(0.97), payload, any::<[u8; 4]>())
        .prop_map(|(first, masked, payload, mask)| frame(first, masked, payload, mask))
}

proptest! {
    #[test]
    fn random_frames_are_read_as_tungstenite_reads_them(
        frames in proptest::collection::vec(any_frame(), 1..12),
        cuts in any::<[u8; 2]>(),
    ) {
        frames::run(&[&cuts[..], &frames.concat()].concat());
    }
}
