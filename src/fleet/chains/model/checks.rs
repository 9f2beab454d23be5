//! What holds of what members have published.

use super::member::{Member, Published};
use super::world::World;

impl World {
    pub(super) fn check(&self) {
        for member in &self.members {
            let (mut last, mut is_told) = (None, false);
            for published in &member.published {
                match published {
                    Published::Gap => is_told = true,
                    Published::Anew => (last, is_told) = (None, false),
                    Published::Event(number) => {
                        if let Some(last) = last {
                            // Where the engine has let go of all, who comes then begins anew.
                            let may_repeat = is_told && self.first > 0;
                            assert!(
                                *number > last || may_repeat,
                                "{number} after {last}: {:?}",
                                member.published
                            );
                            assert!(
                                *number <= last + 1 || is_told,
                                "{number} after {last} without a gap: {:?} {:#?}",
                                member.published,
                                self.log
                            );
                        }
                        (last, is_told) = (Some(*number), false);
                    }
                }
            }
        }
    }

    pub(super) fn check_all_arrived(&self) {
        let leaders = self.members.iter().filter(|member| member.chain.leads().is_some());
        let chains: Vec<_> = self.members.iter().map(|member| &member.chain).collect();
        assert_eq!(leaders.count(), 1, "{chains:#?} {:#?}", self.log);
        for member in &self.members {
            assert_eq!(member.chain.read_up_to().max(self.newest()), member.chain.read_up_to());
            assert_eq!(member.inbox.buffered(), 0);
        }
        let newest = |member: &Member| {
            let mut events = member.published.iter().rev();
            events.find_map(|published| match published {
                Published::Event(number) => Some(*number),
                Published::Gap | Published::Anew => None,
            })
        };
        if self.has_ids && self.sent > 0 {
            let all: Vec<_> = self.members.iter().filter_map(newest).collect();
            assert!(
                all.iter().all(|number| *number == self.sent),
                "{all:?} of {}",
                self.sent
            );
        }
    }
}
