//! How what a process gives to its successor is written, where serde does not know it.

use crate::metrics::GapReason;

/// The reason that a label says.
pub(super) fn gap_reason(label: &str) -> Option<GapReason> {
    GapReason::ALL.into_iter().find(|reason| reason.label() == label)
}

/// Bytes as serde sees them.
pub(super) mod as_bytes {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(in crate::fleet) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        bytes[..].serialize(to)
    }

    pub(in crate::fleet) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        Ok(Vec::<u8>::deserialize(from)?.into())
    }
}

/// The reason of a gap as serde sees it.
pub(super) mod as_label {
    use super::gap_reason;
    use crate::metrics::GapReason;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes all fields by reference")]
    pub(in crate::fleet) fn serialize<S: Serializer>(reason: &GapReason, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(reason.label())
    }

    pub(in crate::fleet) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<GapReason, D::Error> {
        let label = String::deserialize(from)?;
        gap_reason(&label).ok_or_else(|| D::Error::custom("an unknown reason of a gap"))
    }
}

/// Ids as serde sees them.
pub(super) mod as_ids {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in crate::fleet) fn serialize<S: Serializer>(ids: &[Bytes], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ids.iter().map(|id| &id[..]))
    }

    pub(in crate::fleet) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Bytes>, D::Error> {
        let ids = Vec::<Vec<u8>>::deserialize(from)?;
        Ok(ids.into_iter().map(Bytes::from).collect())
    }
}
