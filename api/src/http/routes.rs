//! The route table: method, path, right, rate-limit class, handler and documentation as data. It builds the
//! router, feeds OpenAPI, the limits and the isolation test, so that a route cannot exist without them.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use shared::scope::Scope;

use super::authorize;
use super::deprecation::Deprecation;
use super::doc::Doc;
use super::terms::QueryRules;
use crate::App;
pub use crate::limit::Class;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// A signed-in user, whatever its role; never an API key.
    User,
    /// A signed-in user with a session of ours; never an outside issuer's token.
    Session,
    /// Whoever has a valid credential, whatever it may do.
    Any,
    /// A caller that holds the scope.
    Scope(Scope),
}

impl Access {
    /// Whether a route of this method can be tried without being done: a change of the tenant's records. Signing in and
    /// out has no rehearsal: a try that is taken back would be a free guess.
    pub(super) fn rehearses(self, method: &Method) -> bool {
        *method != Method::GET && matches!(self, Self::Scope(_))
    }
}

impl From<Scope> for Access {
    fn from(scope: Scope) -> Self {
        Self::Scope(scope)
    }
}

/// One thing that can be called.
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The full path, ids in braces.
    pub path: String,
    /// Who may call it.
    pub access: Access,
    /// The limit that counts it.
    pub class: Class,
    /// What it says about itself.
    pub doc: Doc,
    /// The group it belongs to in the documentation.
    pub tag: &'static str,
    /// Whether, and until when, it still answers.
    pub deprecation: Option<Deprecation>,
    handler: MethodRouter<App>,
}

/// Routes under one path.
pub struct Routes {
    base: &'static str,
    tag: &'static str,
    list: Vec<Route>,
}

impl Routes {
    /// Starts the table of one resource.
    #[must_use]
    pub fn under(base: &'static str, tag: &'static str) -> Self {
        Self { base, tag, list: Vec::new() }
    }

    /// A route that reads.
    #[must_use]
    pub fn get<H, T>(self, path: &str, access: impl Into<Access>, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::GET, path, access.into(), handler, doc)
    }

    /// A route that creates or acts.
    #[must_use]
    pub fn post<H, T>(self, path: &str, access: impl Into<Access>, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::POST, path, access.into(), handler, doc)
    }

    /// A route that changes what its body names: `PUT`, and `PATCH` as its exact name (requirement C-4).
    #[must_use]
    pub fn merge<H, T>(self, path: &str, access: impl Into<Access>, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let access = access.into();
        self.add(Method::PUT, path, access, handler.clone(), doc.clone()).add(
            Method::PATCH,
            path,
            access,
            handler,
            doc.named_after("update", "patch"),
        )
    }

    /// A route that removes.
    #[must_use]
    pub fn delete<H, T>(self, path: &str, access: impl Into<Access>, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::DELETE, path, access.into(), handler, doc)
    }

    /// A route that anyone may read; what counts it is said here, because anyone may ask often.
    #[must_use]
    pub fn public_get<H, T>(self, path: &str, class: Class, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::GET, path, Access::Public, handler, doc).limited(class)
    }

    /// A route by which anyone may act, such as signing in.
    #[must_use]
    pub fn public_post<H, T>(self, path: &str, class: Class, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::POST, path, Access::Public, handler, doc).limited(class)
    }

    /// Counts the route added last by another class than its method's.
    #[must_use]
    pub fn limited(mut self, class: Class) -> Self {
        if let Some(route) = self.list.last_mut() {
            route.class = class;
        }
        self
    }

    /// Says of the route added last that it is going away.
    #[must_use]
    pub fn deprecated(mut self, deprecation: Deprecation) -> Self {
        if let Some(route) = self.list.last_mut() {
            route.deprecation = Some(deprecation);
        }
        self
    }

    /// The table itself.
    #[must_use]
    pub fn into_list(self) -> Vec<Route> {
        self.list
    }

    fn add<H, T>(mut self, method: Method, path: &str, access: Access, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let (filter, class) = match method {
            Method::GET => (MethodFilter::GET, Class::Read),
            Method::POST => (MethodFilter::POST, Class::Write),
            Method::PUT => (MethodFilter::PUT, Class::Write),
            Method::PATCH => (MethodFilter::PATCH, Class::Write),
            _ => (MethodFilter::DELETE, Class::Write),
        };
        self.list.push(Route {
            method,
            path: format!("{}{path}", self.base),
            access,
            class,
            doc,
            tag: self.tag,
            deprecation: None,
            handler: on(filter, handler),
        });
        self
    }
}

/// The router of a table; each route asks for its right before its handler sees anything of the request.
pub fn router(routes: Vec<Route>, app: &App) -> Router<App> {
    routes.into_iter().fold(Router::new(), |router, route| {
        let contract = QueryRules::of(&route.method, route.access, &route.doc).into();
        let (access, class, deprecation) = (route.access, route.class, route.deprecation);
        let guard = authorize::Guard { app: app.clone(), access, class, contract, deprecation };
        router.route(
            &route.path,
            route.handler.route_layer(from_fn_with_state(guard, authorize::authorize)),
        )
    })
}
