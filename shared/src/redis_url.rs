//! `REDIS_URL`.

use redis::IntoConnectionInfo as _;

use crate::Secret;
use crate::settings::Value;

/// `redis://[[user]:password@]host[:port][/database]`; it may hold a password.
#[derive(Clone, Debug)]
pub struct RedisUrl(Secret<String>);

impl Value for RedisUrl {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        // Without a scheme of plain TCP the client would mean a TLS that is not built in, or a socket.
        let plain = text.starts_with("redis://") && text.into_connection_info().is_ok();
        let url = plain.then(|| Self(Secret::new(text.to_owned())));
        url.ok_or_else(|| "write redis://[:password@]host[:port][/database]; not rediss://".into())
    }
}

impl RedisUrl {
    /// The whole URL, for the client alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_by_plain_tcp_is_one_and_its_password_is_not_shown() {
        for good in ["redis://10.0.0.7", "redis://:hunter2@redis.internal:6380/3"] {
            let url = RedisUrl::parse(good).unwrap();
            assert!(!format!("{url:?}").contains("hunter2"));
        }
        for bad in
            ["", "10.0.0.7:6379", "rediss://10.0.0.7", "unix:/run/redis", "redis://:x@h:port"]
        {
            assert!(!RedisUrl::parse(bad).unwrap_err().contains("hunter2"), "{bad}");
        }
    }
}
