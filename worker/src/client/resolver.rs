//! The second half of the network guard: names are resolved here, and nowhere else, so that the
//! addresses that were checked are the ones that are connected to (no DNS rebinding).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use shared::webhook::target::TargetPolicy;

use super::Fault;

/// Asks for the addresses of a host name. Cheap to clone.
#[derive(Clone)]
pub struct Lookup(Arc<dyn Fn(String) -> Answer + Send + Sync>);

type Answer = BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

impl Lookup {
    /// Asks `ask`; of the addresses only the ip counts.
    pub fn new<F>(ask: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |host| Box::pin(ask(host))))
    }

    /// The operating system's resolver.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|host| async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lookup")
    }
}

/// Addresses of a name that are tried, so that a name with thousands of somebody else's makes no flood of connections.
const TRIED: usize = 8;

/// The first addresses of a name, all of them allowed, with this port.
pub(super) async fn resolve(
    policy: &TargetPolicy,
    lookup: &Lookup,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, Fault> {
    let addrs = (lookup.0)(host.to_owned()).await;
    let addrs = addrs.map_err(|error| Fault::of_lookup(&error))?;
    let addrs = checked(policy, addrs)?;
    let tried = addrs.into_iter().take(TRIED);
    Ok(tried.map(|addr| SocketAddr::new(addr.ip(), port)).collect())
}

/// One refused address refuses the whole answer: an honest name has none.
fn checked(policy: &TargetPolicy, addrs: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Fault> {
    if addrs.is_empty() {
        return Err(Fault::DnsFailed);
    }
    if addrs.iter().all(|addr| policy.allows(addr.ip())) {
        Ok(addrs)
    } else {
        Err(Fault::AddressBlocked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addrs: &[&str]) -> Result<Vec<SocketAddr>, Fault> {
        let addrs = addrs.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
        checked(&TargetPolicy::new(false, vec!["10.1.0.0/16".parse().unwrap()]), addrs)
    }

    #[test]
    fn an_answer_of_public_and_exempt_addresses_is_kept_in_order() {
        let addrs = check(&["2606:4700::1111", "1.1.1.1", "10.1.0.1"]).unwrap();
        let ips: Vec<_> = addrs.iter().map(|addr| addr.ip().to_string()).collect();
        assert_eq!(ips, ["2606:4700::1111", "1.1.1.1", "10.1.0.1"]);
    }

    #[test]
    fn one_refused_address_refuses_the_whole_answer() {
        for refused in ["127.0.0.1", "::1", "10.2.0.1", "::ffff:10.0.0.1", "169.254.169.254"] {
            assert_eq!(check(&["1.1.1.1", refused]), Err(Fault::AddressBlocked), "{refused}");
            assert_eq!(check(&[refused, "1.1.1.1"]), Err(Fault::AddressBlocked), "{refused}");
        }
    }

    #[test]
    fn an_empty_answer_is_a_failed_lookup() {
        assert_eq!(check(&[]), Err(Fault::DnsFailed));
    }

    #[tokio::test]
    async fn of_a_name_with_many_addresses_only_the_first_are_tried() {
        let policy = TargetPolicy::new(false, Vec::new());
        let many = |last: u8| SocketAddr::from(([1, 1, 1, last], 0));
        let lookup = Lookup::new(move |_| async move { Ok((1..=200).map(many).collect()) });
        let tried = resolve(&policy, &lookup, "example.com", 443).await.unwrap();
        assert_eq!(tried.len(), TRIED);
        // All of them are looked at.
        let last = move |_| async move {
            Ok((1..=200).map(many).chain([([10, 0, 0, 1], 0).into()]).collect())
        };
        let blocked = resolve(&policy, &Lookup::new(last), "example.com", 443).await;
        assert!(matches!(blocked, Err(Fault::AddressBlocked)), "{blocked:?}");
    }
}
