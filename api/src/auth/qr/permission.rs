//! What a tenant allows: whether its users may sign in by QR code, and from where.

use std::net::IpAddr;

use shared::TenantTx;

use crate::error::{Error, Result};
use crate::http::address::subscriber;
use crate::settings;

/// Refuses what the tenant's settings forbid.
///
/// # Errors
/// [`Error::Forbidden`].
pub(super) async fn check(tx: &mut TenantTx, desktop: &str, phone: Option<IpAddr>) -> Result<()> {
    let settings = settings::show(tx).await?;
    if !settings.qr_login_allowed {
        return Err(Error::Forbidden("Your tenant does not allow signing in by QR code"));
    }
    if settings.qr_same_network_required && !near(desktop, phone) {
        return Err(Error::Forbidden("Your tenant wants the phone in the network of the screen"));
    }
    Ok(())
}

/// The same IPv4 address, or the same IPv6 /64: what one household or office has. A phone whose network cannot be told
/// is near nobody.
pub(super) fn near(desktop: &str, phone: Option<IpAddr>) -> bool {
    match (desktop.parse().ok(), phone) {
        (Some(desktop), Some(phone)) => subscriber(desktop) == subscriber(phone),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_the_same_by_address_or_by_64_bits() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::2:3", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "2001:db8::1", false),
            ("", "192.0.2.1", false),
        ] {
            assert_eq!(near(one, other.parse().ok()), same, "{one} {other}");
        }
        assert!(!near("192.0.2.1", None));
    }
}
