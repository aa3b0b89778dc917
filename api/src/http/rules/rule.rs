//! A rule of one field: how a value is checked, beside the schema of those that pass. Both are said in one place, so
//! that the document promises what the server does.

use std::marker::PhantomData;

use serde_json::Value as Json;

use crate::http::describe::Body;
use crate::http::fields::Checked;
use crate::http::json::Value;

/// What a field may hold.
#[must_use]
pub trait Rule<T> {
    /// The clean value, or what is wrong with it.
    ///
    /// # Errors
    /// What breaks the rule.
    fn check(&self, value: Value) -> Checked<T>;

    /// What passes, as JSON Schema 2020-12. Bodies that it refers to by name are added to `inner`.
    fn schema(&self, inner: &mut Vec<Body>) -> Json;

    /// The same with a step behind the check; the schema says what that step refuses, or leaves it to words.
    fn then<U>(self, next: impl Fn(T) -> Checked<U>) -> impl Rule<U>
    where
        Self: Sized,
    {
        Then { rule: self, next, between: PhantomData }
    }
}

/// A rule of these two parts.
pub fn rule<T>(schema: impl Fn() -> Json, check: impl Fn(Value) -> Checked<T>) -> impl Rule<T> {
    Plain { schema, check }
}

struct Plain<S, C> {
    schema: S,
    check: C,
}

impl<T, S: Fn() -> Json, C: Fn(Value) -> Checked<T>> Rule<T> for Plain<S, C> {
    fn check(&self, value: Value) -> Checked<T> {
        (self.check)(value)
    }

    fn schema(&self, _: &mut Vec<Body>) -> Json {
        (self.schema)()
    }
}

struct Then<R, N, T> {
    rule: R,
    next: N,
    between: PhantomData<fn(T)>,
}

impl<T, U, R: Rule<T>, N: Fn(T) -> Checked<U>> Rule<U> for Then<R, N, T> {
    fn check(&self, value: Value) -> Checked<U> {
        (self.next)(self.rule.check(value)?)
    }

    fn schema(&self, inner: &mut Vec<Body>) -> Json {
        self.rule.schema(inner)
    }
}

impl<T, R: Rule<T> + ?Sized> Rule<T> for &R {
    fn check(&self, value: Value) -> Checked<T> {
        (**self).check(value)
    }

    fn schema(&self, inner: &mut Vec<Body>) -> Json {
        (**self).schema(inner)
    }
}
