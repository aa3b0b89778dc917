//! Who calls: an API key, or a user with an access token (requirement A-6). Both end in a [`Caller`], which knows its
//! tenant.

pub mod api_key;
mod batch;
pub mod demo;
mod last_used;
pub mod oidc;
pub mod opaque;
pub mod qr;
mod rights;
pub mod sessions;
mod store;
pub mod token;

use std::fmt;

use chrono::{DateTime, Utc};
use shared::audit::Actor;
use shared::db::Origin;
use shared::id::{ApiKeyId, SessionId, TenantId, UserId};
use shared::scope::{Role, Scope};

use crate::App;
use crate::error::{Error, Result};
use crate::http::Terms;
use crate::limit::Overrides;
use batch::Batcher;
pub use last_used::LastUsed;
use oidc::Person;
pub use rights::Bounds;
use rights::Rights;
use store::{Prefix, Session};

/// What a request brought along.
pub enum Credential<'a> {
    /// `X-API-Key`, or a bearer token that begins like a key.
    ApiKey(&'a str),
    /// A bearer token.
    AccessToken(&'a str),
}

/// Says, as an extension of a request, that an operator makes it for this tenant: `api admin` calls the routes inside
/// its own process. What comes over a connection never has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator(pub(crate) TenantId);

/// Whoever makes the request, in the one tenant that it belongs to.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant.
    pub tenant: TenantId,
    /// The key or user.
    pub principal: Principal,
    /// The request, to be remembered by the events it causes.
    pub origin: Origin,
    /// How often it may do what, where that is not as configured.
    pub limits: Overrides,
    /// How it wants this request done.
    pub terms: Terms,
    rights: Rights,
}

/// The key or the user behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A program with an API key.
    ApiKey(ApiKeyId),
    /// A person.
    User {
        /// The user.
        id: UserId,
        /// The session that the token belongs to; none of ours when an outside issuer signed it.
        session: Option<SessionId>,
    },
    /// An operator at the command line, who is nobody of the tenant's.
    Operator,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(id) => write!(f, "api_key:{id}"),
            Self::User { id, .. } => write!(f, "user:{id}"),
            Self::Operator => f.write_str("operator"),
        }
    }
}

impl Principal {
    /// Who the audit log says it was.
    #[must_use]
    pub fn actor(self) -> Actor {
        match self {
            Self::ApiKey(id) => Actor::ApiKey(id),
            Self::User { id, .. } => Actor::User(id),
            Self::Operator => Actor::System,
        }
    }
}

impl Caller {
    fn new(
        tenant: TenantId,
        principal: Principal,
        origin: Origin,
        limits: Overrides,
        rights: Rights,
    ) -> Self {
        let origin = Origin { actor: principal.actor(), ..origin };
        Self { tenant, principal, origin, limits, terms: Terms::default(), rights }
    }

    /// An operator at the command line, who may do what the tenant's owner may.
    pub(crate) fn operator(Operator(tenant): Operator, origin: Origin) -> Self {
        let origin = Origin { address: None, ..origin };
        let rights = Rights::Role(Role::Owner);
        Self::new(tenant, Principal::Operator, origin, Overrides::default(), rights)
    }

    /// The user, and the session that the request belongs to, if it is one of ours.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for an API key, which signs nobody in or out.
    pub fn user(&self) -> Result<(UserId, Option<SessionId>)> {
        match self.principal {
            Principal::User { id, session } => Ok((id, session)),
            Principal::ApiKey(_) | Principal::Operator => {
                Err(Error::Forbidden("This needs a signed-in user, not an API key"))
            }
        }
    }

    /// The user and its session.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for an API key, and for a user with a token of an outside issuer.
    pub fn session(&self) -> Result<(UserId, SessionId)> {
        let (user, session) = self.user()?;
        let session = session.ok_or(Error::Forbidden(
            "This needs a session, and an outside issuer's token has none",
        ))?;
        Ok((user, session))
    }

    /// All that the caller may do.
    pub fn scopes(&self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(|scope| self.holds(*scope))
    }

    /// Whether the caller may do this.
    #[must_use]
    pub fn holds(&self, scope: Scope) -> bool {
        self.rights.hold(scope)
    }

    /// Whether the caller may have a key with these bounds in its hands: it gains nothing by it (requirement K-10).
    ///
    /// # Errors
    /// [`Error::InsufficientScope`] or [`Error::Forbidden`] with what the key has more.
    pub fn covers(&self, bounds: &Bounds) -> Result<()> {
        self.rights.cover(bounds)
    }
}

/// The look-ups of callers in this process.
#[derive(Default)]
pub struct Callers {
    keys: Batcher<Prefix>,
    sessions: Batcher<Session>,
}

const UNKNOWN_KEY: Error = Error::InvalidToken("The API key is not valid");
const UNKNOWN_TOKEN: Error = Error::InvalidToken("The access token is not valid");

/// Finds the caller behind a credential. A token, whose end nobody can change, counts if it had not ended by `as_of`.
///
/// # Errors
/// [`Error::InvalidToken`] without saying whether the key never existed, was revoked or is mistyped.
pub async fn authenticate(
    app: &App,
    credential: Credential<'_>,
    origin: Origin,
    as_of: DateTime<Utc>,
) -> Result<Caller> {
    match credential {
        Credential::ApiKey(text) => by_key(app, text, origin).await,
        Credential::AccessToken(text) => by_token(app, text, origin, as_of).await,
    }
}

async fn by_key(app: &App, text: &str, origin: Origin) -> Result<Caller> {
    let key = api_key::parse(text).ok_or(UNKNOWN_KEY)?;
    let hash = app.config.pepper.hash(text);
    let rows = app.callers.keys.ask(&app.db, Prefix(key.prefix.to_owned())).await?;
    // Every row is compared in constant time, and an unknown prefix costs the same look-up as a known one.
    let found = rows.into_iter().find(|row| api_key::same(&row.hash, &hash)).ok_or(UNKNOWN_KEY)?;
    let now = app.db.clock().now();
    // A replaced secret ends by itself, and with its key; whoever has it makes nothing that outlives it.
    let end = [found.expires_at, found.secret_expires_at].into_iter().flatten().min();
    if end.is_some_and(|end| end <= now) {
        return Err(Error::InvalidToken("The API key has expired"));
    }
    let (tenant, id) = (TenantId(found.tenant_id), ApiKeyId(found.id));
    let bounds = Bounds::stored(&found.scopes, end, found.allowed_ips.as_deref());
    if !bounds.admit(origin.address) {
        tracing::warn!(api_key = %id, address = ?origin.address, "an API key came from elsewhere");
        return Err(Error::Forbidden("The API key may not be used from this address"));
    }
    app.used.note(tenant, id, now);
    let limits = Overrides::stored(found.rate_limits);
    Ok(Caller::new(tenant, Principal::ApiKey(id), origin, limits, Rights::Key(bounds)))
}

async fn by_token(app: &App, text: &str, origin: Origin, as_of: DateTime<Utc>) -> Result<Caller> {
    if let Some(issuer) = app.issuer.as_ref().filter(|issuer| issuer.is_named_in(text)) {
        let person = issuer.verify(text, as_of).await?;
        return by_email(app, &person, origin).await;
    }
    let claims = app.config.tokens.verify(text, as_of)?;
    // The token says who; whether its session lives and what the user may do is asked anew, so that signing out and a
    // user's removal work before the token expires.
    let asked = Session { tenant: claims.tid, user: claims.sub, id: claims.sid };
    let session = app.callers.sessions.ask(&app.db, asked).await?;
    let session = session.ok_or(UNKNOWN_TOKEN)?;
    if session.generation != claims.generation || session.expires_at <= as_of {
        return Err(UNKNOWN_TOKEN);
    }
    let role = session.role.parse().map_err(|_| UNKNOWN_TOKEN)?;
    let principal = Principal::User { id: claims.sub, session: Some(claims.sid) };
    let limits = Overrides::stored(session.rate_limits);
    Ok(Caller::new(claims.tid, principal, origin, limits, Rights::Role(role)))
}

/// The token says who; what a user may do is our row's to say, so that no token raises it.
async fn by_email(app: &App, person: &Person, origin: Origin) -> Result<Caller> {
    let user = store::find_user_by_email(&app.db, person.tenant, &person.email).await?;
    let user = user.ok_or(UNKNOWN_TOKEN)?;
    let role = user.role.parse().map_err(|_| UNKNOWN_TOKEN)?;
    let principal = Principal::User { id: user.id, session: None };
    let limits = Overrides::stored(user.rate_limits);
    Ok(Caller::new(person.tenant, principal, origin, limits, Rights::Role(role)))
}
