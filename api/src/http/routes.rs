//! The route table: method, path, right, rate-limit class, handler and documentation as data. It builds the
//! router, feeds OpenAPI, the limits and the isolation test, so that a route cannot exist without them.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use shared::scope::Scope;

use super::authorize;
use super::doc::Doc;
use super::terms::Contract;
use crate::App;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// A caller that holds the scope.
    Scope(Scope),
}

/// The rate limit that counts a route's calls (Task 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Reading.
    Read,
    /// Changing.
    Write,
}

impl Class {
    /// The name in documentation and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Read => "read",
            Class::Write => "write",
        }
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
    pub fn get<H, T>(self, path: &str, scope: Scope, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::GET, path, scope, handler, doc)
    }

    /// A route that creates or acts.
    #[must_use]
    pub fn post<H, T>(self, path: &str, scope: Scope, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::POST, path, scope, handler, doc)
    }

    /// A route that changes what its body names: `PUT`, and `PATCH` as its exact name (decision 2).
    #[must_use]
    pub fn merge<H, T>(self, path: &str, scope: Scope, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::PUT, path, scope, handler.clone(), doc.clone()).add(
            Method::PATCH,
            path,
            scope,
            handler,
            doc.named_after("update", "patch"),
        )
    }

    /// A route that removes.
    #[must_use]
    pub fn delete<H, T>(self, path: &str, scope: Scope, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(Method::DELETE, path, scope, handler, doc)
    }

    /// The table itself.
    #[must_use]
    pub fn into_list(self) -> Vec<Route> {
        self.list
    }

    fn add<H, T>(mut self, method: Method, path: &str, scope: Scope, handler: H, doc: Doc) -> Self
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
            access: Access::Scope(scope),
            class,
            doc,
            tag: self.tag,
            handler: on(filter, handler),
        });
        self
    }
}

/// The router of a table; each route asks for its scope before its handler sees anything of the request.
pub fn router(routes: Vec<Route>, app: &App) -> Router<App> {
    routes.into_iter().fold(Router::new(), |router, route| {
        let contract = Contract::of(&route.method, &route.doc).into();
        let guard = authorize::Guard { app: app.clone(), access: route.access, contract };
        router.route(
            &route.path,
            route.handler.route_layer(from_fn_with_state(guard, authorize::authorize)),
        )
    })
}
