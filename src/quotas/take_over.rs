//! Places for what a predecessor process has let in: it is there already, so that no bound keeps it
//! out but the descriptors that this process may have.
//!
//! Where there are more than a bound allows, newcomers are refused until they fit, as after a reload.

use super::{ChannelPermit, ClientPermit, Grant, Owner, Quotas};
use crate::metrics::RefuseReason;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Quotas {
    /// The place of a client with a connection of its own.
    pub fn take_over(self: &Arc<Self>, ip: IpAddr, grant: Option<Arc<Grant>>) -> Result<ClientPermit, RefuseReason> {
        if !self.descriptors.take_lasting(1) {
            return Err(RefuseReason::Descriptors);
        }
        self.clients.take_over(1);
        let mut owner = Owner {
            grant,
            ..Owner::default()
        };
        let per_ip_max = self.per_ip_max.load(Ordering::Relaxed);
        if per_ip_max > 0 && !ip.is_unspecified() {
            let ip = ip.to_canonical();
            *self.per_ip().entry(ip).or_insert(0) += 1;
            owner.ip = Some(ip);
        }
        if let Some(user) = owner.grant.as_ref().and_then(|grant| grant.user.as_ref()) {
            owner.is_counted = self.users.take_over(user);
        }
        let is_needed = owner.ip.is_some() || owner.grant.is_some();
        Ok(ClientPermit {
            quotas: self.clone(),
            owner: is_needed.then(|| Box::new(owner)),
        })
    }

    /// The place of a channel.
    pub(crate) fn take_over_channel(self: &Arc<Self>) -> ChannelPermit {
        self.channels.take_over(1);
        ChannelPermit(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Budget, User};
    use super::*;
    use crate::config::Limits;
    use std::net::Ipv4Addr;

    const IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn limits(written: &str) -> Limits {
        let yaml =
            format!("sources: {{ s: {{ path: /e, upstream: \"http://127.0.0.1:9/\" }} }}\nlimits: {{ {written} }}\n");
        let loaded = crate::config::read(&yaml, "test.yaml", &|_| None);
        loaded.expect("a configuration").config.limits
    }

    #[test]
    fn bounds_keep_newcomers_out_and_nothing_that_is_taken_over() {
        let limits = limits("clients: 2, clients_per_ip: 2, clients_per_user: 1");
        let quotas = Quotas::new(&limits, &Budget::new(1000, 0, 1));
        let grant = Arc::new(Grant {
            basis: [0; 32],
            user: Some(User {
                kind: "basic",
                name: "a".into(),
            }),
            expires: None,
            further: Vec::new(),
        });
        let take = || {
            quotas
                .take_over(IP, Some(grant.clone()))
                .unwrap_or_else(|_| panic!("a place"))
        };
        let mut taken: Vec<_> = (0..3).map(|_| take()).collect();
        assert_eq!(quotas.clients(), 3);
        let refused = |other: IpAddr| quotas.admit(other, None).err();
        assert_eq!(refused(IP), Some(RefuseReason::Clients));
        taken.truncate(1);
        assert!(refused(IP).is_none(), "one is left of this address");
        let user = quotas.admit(IP, Some(grant.clone())).err();
        assert_eq!(user, Some(RefuseReason::ClientsPerUser));
        taken.clear();
        assert!(quotas.admit(IP, Some(grant)).is_ok() && quotas.per_ip().is_empty());
    }

    #[test]
    fn who_finds_no_descriptor_is_not_taken_over() {
        let quotas = Quotas::new(&limits(""), &Budget::new(64, 0, 0));
        let permits: Vec<_> = std::iter::from_fn(|| quotas.take_over(IP, None).ok()).collect();
        assert!(!permits.is_empty() && permits.len() < 64);
        assert_eq!(quotas.clients(), permits.len());
    }
}
