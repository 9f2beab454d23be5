use super::*;
use crate::gzip::{HEADER, Sum, put_end};
use bytes::{BufMut as _, BytesMut};
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec};
use proptest::prelude::*;

/// What a client of its own does: it gets what others get too, as long as it can read it.
#[derive(Debug, Clone)]
enum Step {
    /// A block for all.
    Publish(Vec<u8>),
    /// Bytes for this one alone.
    Own(Vec<u8>),
    /// A new history begins.
    Forget,
    /// It passes over what comes, until it is told to go on.
    Skip(bool),
}

/// Text of few words, so that there is something to refer to; and noise.
fn block() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec!["data: ", "id: ", "\"state\":", "published", ",", "7", "\n"]);
    prop_oneof![
        8 => prop::collection::vec(words, 1..60).prop_map(|words| words.concat().into_bytes()),
        2 => prop::collection::vec(any::<u8>(), 1..400),
        1 => (any::<u8>(), 1..70_000_usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (any::<u64>(), 1..70_000_usize).prop_map(|(seed, len)| noise(seed, len)),
    ]
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..len).map(|_| random.u8(..)).collect()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => block().prop_map(Step::Publish),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Step::Own),
        1 => Just(Step::Forget),
        1 => any::<bool>().prop_map(Step::Skip),
    ]
}

/// A member as a client gets it, and what it stands for.
fn member(steps: &[Step]) -> (BytesMut, Vec<u8>) {
    let (mut coded, mut clear, mut sum) = (BytesMut::from(&HEADER[..]), Vec::new(), Sum::default());
    let (mut history, mut in_history, mut skips) = (History::default(), false, false);
    for step in steps {
        match step {
            Step::Publish(block) => {
                in_history &= !skips;
                history.fragment(block, |fragment| {
                    in_history |= fragment.begins && !skips;
                    if in_history {
                        coded.put_slice(fragment.bytes);
                    }
                });
                if skips {
                    continue;
                }
                if !in_history {
                    alone(block, |fragment| coded.put_slice(fragment));
                }
                clear.extend_from_slice(block);
                sum.add(block);
            }
            Step::Own(bytes) => {
                put_stored(&mut coded, bytes);
                clear.extend_from_slice(bytes);
                sum.add(bytes);
                in_history = false;
            }
            Step::Forget => history.forget(),
            Step::Skip(now) => skips = *now,
        }
    }
    put_end(&mut coded, sum);
    (coded, clear)
}

/// By another implementation, which believes nothing.
fn inflated(coded: &[u8]) -> Vec<u8> {
    let (deflated, trailer) = coded[HEADER.len()..].split_at(coded.len() - HEADER.len() - 8);
    let clear = match decompress_to_vec(deflated) {
        Ok(clear) => clear,
        Err(error) => {
            assert_ne!(error.status, TINFLStatus::HasMoreOutput);
            panic!("{error:?}")
        }
    };
    assert_eq!(trailer[..4], crc32fast::hash(&clear).to_le_bytes());
    assert_eq!(trailer[4..], (clear.len() as u32).to_le_bytes());
    clear
}

proptest! {
    #[test]
    fn whatever_a_client_gets_of_it_can_be_read(steps in prop::collection::vec(step(), 0..60)) {
        let (coded, clear) = member(&steps);
        prop_assert_eq!(inflated(&coded), clear);
    }
}

fn json(n: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(n);
    format!(
        "id: 1a2b3c-{n}\nevent: update\ndata: {{\"id\":{},\"type\":\"article\",\"state\":\"published\",\"user\":\"editor{}\",\
         \"section\":\"politics\",\"uri\":\"https://cms.example.com/content/{}\"}}\n\n",
        random.u32(..),
        random.u8(..20),
        random.u32(..100_000),
    )
    .into_bytes()
}

#[test]
fn a_history_makes_events_small() {
    let (mut clear, mut alone_bytes, mut shared) = (0, 0, 0);
    let mut history = History::default();
    for n in 0..64 {
        let block = json(n);
        clear += block.len();
        alone_bytes += alone(&block, <[u8]>::len);
        shared += history.fragment(&block, |fragment| fragment.bytes.len());
    }
    assert!(alone_bytes * 100 < clear * 90, "{alone_bytes} of {clear}");
    assert!(shared * 100 < clear * 30, "{shared} of {clear}");
}

#[test]
fn a_history_is_no_longer_than_it_may_refer_to() {
    let mut history = History::default();
    for n in 0..2000 {
        history.fragment(&json(n), |_| ());
        assert!(history.text.len() <= HISTORY_BYTES);
    }
    history.fragment(&noise(1, 1 << 20), |_| ());
    assert_eq!(history.text, noise(1, 1 << 20)[(1 << 20) - HISTORY_BYTES..]);
}

#[test]
fn each_fragment_can_be_read_as_soon_as_it_is_there() {
    let mut history = History::default();
    let mut inflater = miniz_oxide::inflate::stream::InflateState::new_boxed(miniz_oxide::DataFormat::Raw);
    let mut blocks: Vec<Vec<u8>> = (0..100).map(json).collect();
    blocks.insert(50, noise(7, 300_000));
    let mut out = vec![0; 1 << 20];
    for block in blocks {
        let made = history.fragment(&block, |fragment| {
            let mut made = 0;
            let mut rest = fragment.bytes;
            loop {
                let done = miniz_oxide::inflate::stream::inflate(
                    &mut inflater,
                    rest,
                    &mut out[made..],
                    miniz_oxide::MZFlush::None,
                );
                rest = &rest[done.bytes_consumed..];
                made += done.bytes_written;
                if done.bytes_consumed == 0 && done.bytes_written == 0 {
                    return made;
                }
            }
        });
        assert!(out[..made] == block, "{made} of {} bytes", block.len());
    }
}
