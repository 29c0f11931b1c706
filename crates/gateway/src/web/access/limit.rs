//! How often somebody may try a password.
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

/// Tries of one source before it has to wait: a person mistypes.
const SOURCE_BURST: NonZeroU32 = NonZeroU32::new(6).unwrap();
/// Then one in this time.
const SOURCE_PERIOD: Duration = Duration::from_secs(10);

/// Tries for one account from everywhere: more than its people need, too few for a list of common passwords.
const ACCOUNT_BURST: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// Then one in this time.
const ACCOUNT_PERIOD: Duration = Duration::from_secs(30);

/// Sources that are remembered before those that could try again are forgotten: 100 kB.
const REMEMBERED_MAX: usize = 1000;

/// Counts tries of passwords, tokens and set-up codes.
#[derive(Debug)]
pub(in crate::web) struct Limits {
    sources: DefaultKeyedRateLimiter<IpAddr>,
    accounts: DefaultKeyedRateLimiter<String>,
}

impl Limits {
    /// Nobody has tried anything.
    pub(in crate::web) fn new() -> Self {
        let quota = |period, burst| Quota::with_period(period).map(|quota| quota.allow_burst(burst));
        let (source, account) = (quota(SOURCE_PERIOD, SOURCE_BURST), quota(ACCOUNT_PERIOD, ACCOUNT_BURST));
        Self {
            sources: RateLimiter::keyed(source.unwrap_or(Quota::per_minute(SOURCE_BURST))),
            accounts: RateLimiter::keyed(account.unwrap_or(Quota::per_minute(ACCOUNT_BURST))),
        }
    }

    /// Counts a try.
    ///
    /// # Errors
    /// How long this source, or everybody for this account, has to wait.
    pub(in crate::web) fn try_now(&self, source: IpAddr, account: &str) -> Result<(), Duration> {
        if self.sources.len() > REMEMBERED_MAX {
            self.sources.retain_recent();
        }
        if self.accounts.len() > REMEMBERED_MAX {
            self.accounts.retain_recent();
        }
        let now = DefaultClock::default().now();
        self.sources.check_key(&household(source)).map_err(|until| until.wait_time_from(now))?;
        // A name of any length would be kept.
        let account: String = account.chars().take(64).collect();
        self.accounts.check_key(&account).map_err(|until| until.wait_time_from(now))
    }
}

/// All addresses that one household or server usually has.
fn household(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !(u128::from(u64::MAX))).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_to_wait_after_six_tries_and_another_has_not() {
        let limits = Limits::new();
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..6 {
            limits.try_now(one, "owner").unwrap();
        }
        let wait = limits.try_now(one, "owner").unwrap_err();
        assert!(wait <= SOURCE_PERIOD && wait > Duration::from_secs(5), "{wait:?}");
        limits.try_now(other, "owner").unwrap();
    }

    #[test]
    fn an_account_is_not_guessed_from_many_sources_and_ipv6_has_no_endless_supply_of_them() {
        let limits = Limits::new();
        let source = |n: u16| IpAddr::from([0x2001, 0xdb8, n, 0, 0, 0, 0, 1]);
        for n in 0..30 {
            limits.try_now(source(n), "owner").unwrap();
        }
        limits.try_now(source(31), "owner").unwrap_err();
        limits.try_now(source(32), "another").unwrap();
        assert_eq!(
            household("2001:db8:1:2:3::4".parse().unwrap()),
            household("2001:db8:1:2:ffff::".parse().unwrap())
        );
    }
}
