//! What others see of a channel's part: sums over all channels of the source.

/// What others see of it.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) leads: bool,
    pub(super) buffered: usize,
    pub(super) resyncs: u64,
}
