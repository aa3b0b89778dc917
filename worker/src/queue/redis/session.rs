//! What a worker says to Redis, one script each. All that Redis holds may vanish at any moment, in any part.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError, RedisResult, Script, ScriptInvocation};
use shared::id::WebhookId;
use uuid::Uuid;

use super::super::Token;
use super::super::claim::Room;
use super::super::in_flight::News;
use super::super::slots::{Counts, columns};

/// How long a worker with nothing to do waits for a token in one go. It does not end before that, either.
pub(super) const BLOCK: Duration = Duration::from_millis(500);

static LOOK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("look.lua")));
static OFFER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("offer.lua")));
static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));
static LEAVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("leave.lua")));

/// A Redis that answered lately.
#[derive(Clone)]
pub(in crate::queue) struct Session {
    /// Tells it from the ones before.
    pub(super) number: u64,
    /// The worker, with its places.
    pub(super) me: Arc<str>,
    pub(super) keys: Arc<[String; 6]>,
    pub(super) connection: MultiplexedConnection,
    /// What one question may take.
    pub(super) timeout: Duration,
}

type Counted = Vec<(Vec<u8>, i32)>;

impl Session {
    /// The keys of a database: products that share a Redis do not meet.
    pub fn keys(database: &str) -> [String; 6] {
        ["tokens", "flights", "workers", "closed", "claimer", "again"]
            .map(|key| format!("liaison:queue:{database}:{key}"))
    }

    /// Tells what is under way here and which webhooks have free places closed. With `claim`, hears where there is
    /// room to claim for all workers; `None` when there is none, or when another worker claims now.
    pub async fn look(
        &self,
        news: &News,
        closed: &[(WebhookId, u32)],
        claim: bool,
    ) -> RedisResult<Option<Room>> {
        let mut shut = String::new();
        for (webhook, count) in closed {
            let _ = write!(shut, "{webhook}={count} ");
        }
        let mut call = self.call(&LOOK);
        call.arg(&*self.me).arg(shut).arg(u8::from(claim)).arg(news.ended.len());
        call.arg(&news.ended).arg(&news.begun);
        let answer: (u32, u32, Counted, Counted) = self.ask(&call).await?;
        let (waiting, places, webhooks, tenants) = answer;
        metrics::gauge!("queue_tokens_waiting").set(f64::from(waiting));
        let busy = Counts { webhooks: read(webhooks), tenants: read(tenants) };
        Ok((places > 0).then_some(Room { places, busy }))
    }

    /// Hands tokens to whoever takes them first, and ends this worker's turn to claim; whether to look again.
    pub async fn offer(&self, tokens: &[Token]) -> RedisResult<bool> {
        let mut call = self.call(&OFFER);
        call.arg(&*self.me);
        call.arg(tokens.iter().map(ToString::to_string).collect::<Vec<_>>());
        let again: u32 = self.ask(&call).await?;
        metrics::counter!("queue_tokens_offered_total").increment(tokens.len() as u64);
        Ok(again > 0)
    }

    /// Takes at most so many tokens, as they are.
    pub async fn take(&self, most: u32) -> RedisResult<Vec<Vec<u8>>> {
        let mut call = self.call(&TAKE);
        call.arg(most);
        self.ask(&call).await
    }

    /// Waits for a token on a connection of its own.
    pub async fn wait(&self, own: &mut MultiplexedConnection) -> RedisResult<Option<Vec<u8>>> {
        let mut call = redis::cmd("blpop");
        call.arg(&self.keys[0]).arg(BLOCK.as_secs_f64());
        let found: Option<(Vec<u8>, Vec<u8>)> =
            in_time(self.timeout + BLOCK, call.query_async(own)).await?;
        Ok(found.map(|(_, token)| token))
    }

    /// Says that this worker ends; the tokens that nobody is left for.
    pub async fn leave(&self) -> RedisResult<Vec<Vec<u8>>> {
        let mut call = self.call(&LEAVE);
        call.arg(&*self.me);
        self.ask(&call).await
    }

    fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for key in &*self.keys {
            call.key(key);
        }
        call
    }

    async fn ask<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> RedisResult<T> {
        let mut connection = self.connection.clone();
        in_time(self.timeout, call.invoke_async(&mut connection)).await
    }
}

/// The answer, or that it took too long.
pub(super) async fn in_time<T>(
    most: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let late = |_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    tokio::time::timeout(most, answer).await.map_err(late)?
}

/// What is no id was not counted by a worker.
fn read(counted: Counted) -> (Vec<Uuid>, Vec<i32>) {
    let ids = counted.into_iter();
    columns(ids.filter_map(|(id, count)| Some((Uuid::try_parse_ascii(&id).ok()?, count))))
}
