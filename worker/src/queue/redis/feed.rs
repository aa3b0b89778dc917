//! The two steps of a worker with Redis: claiming for all when it is its turn, and taking tokens for its own places.

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};
use shared::Db;
use shared::db::step::{STEP, in_time};
use shared::id::{LeaseId, WebhookId};

use super::super::claim::{Batch, claim_tokens};
use super::super::engine::Engine;
use super::super::load::load;
use super::super::{Claimed, Slots, Token};
use super::{RedisQueue, Session, Trouble};
use crate::background::{IDLE, Pause, wait};

impl RedisQueue {
    /// Claims what all workers together have room for, if it is this one's turn, starting behind the webhook `after`;
    /// whether there may be more.
    async fn fill(
        &self,
        session: &Session,
        db: &Db,
        slots: &Slots,
        after: &mut Option<WebhookId>,
    ) -> Result<bool, Trouble> {
        let Some(room) = self.ask_turn(session, slots, db).await? else {
            return Ok(false);
        };
        let Batch { claimed: tokens, parked } = match claim_tokens(db, slots, &room, *after).await {
            Ok(claimed) => claimed,
            Err(error) => {
                // Another worker may have a better connection; else its turn would come a second later.
                let _ = session.offer(&[]).await;
                return Err(error.into());
            }
        };
        *after = tokens.last().map(|token| token.webhook).or(*after);
        let again = session.offer(&tokens).await?;
        Ok(again || !tokens.is_empty() || parked)
    }

    /// One step of each, for [`Steps`](crate::steps::Steps).
    ///
    /// # Errors
    /// The database's, or that Redis is away.
    pub(crate) async fn claim(
        &self,
        db: &Db,
        slots: &Slots,
        holds: chrono::TimeDelta,
    ) -> Result<Vec<Claimed>, Trouble> {
        if self.session().is_none() {
            self.find(db, slots).await?;
        }
        let Some(session) = self.session() else { return Ok(Vec::new()) };
        self.fill(&session, db, slots, &mut None).await?;
        let texts = session.take(slots.free()).await?;
        let lease = LeaseId::fresh(db.clock().now());
        let claimed = load(db, slots, lease, holds, &read(&texts)).await?;
        self.flights().taken(texts);
        Ok(claimed)
    }
}

impl Engine {
    /// Claims for all workers if it is this one's turn; whether there may be more.
    pub(in crate::queue) async fn fill(
        &self,
        redis: &RedisQueue,
        session: &Session,
        after: &mut Option<WebhookId>,
    ) -> sqlx::Result<bool> {
        match redis.fill(session, &self.db, &self.slots, after).await {
            Ok(more) => Ok(more),
            Err(Trouble::Database(error)) => Err(error),
            Err(Trouble::Redis(error)) => {
                redis.lose(session, &error);
                Ok(true)
            }
        }
    }

    /// Takes tokens whenever there are free places, as long as Redis is there, until the end.
    pub(in crate::queue) async fn take(self) {
        let Some(redis) = &self.redis else { return };
        while let Some(session) = redis.present(&self.stop).await {
            if let Err(error) = self.take_from(redis, &session).await {
                redis.lose(&session, &error);
            }
        }
    }

    async fn take_from(&self, redis: &RedisQueue, session: &Session) -> RedisResult<()> {
        let mut own = redis.connect().await?;
        while !self.stop.is_cancelled() && redis.is(session) {
            let free = self.slots.free();
            if free == 0 {
                self.slots.want(true);
                if self.slots.free() == 0 {
                    wait(IDLE, self.slots.freed(), &self.stop).await;
                }
                continue;
            }
            let texts = next(session, &mut own, free).await?;
            if !texts.is_empty() {
                self.load(redis, session, texts).await?;
            }
        }
        Ok(())
    }

    /// Loads what the tokens stand for and hands it out. What this worker's caps have no place for goes back: Redis
    /// has forgotten what is under way here, so it is told again.
    async fn load(
        &self,
        redis: &RedisQueue,
        session: &Session,
        texts: Vec<Vec<u8>>,
    ) -> RedisResult<()> {
        let tokens = read(&texts);
        let fits = self.slots.fit(tokens.iter().map(|token| (token.tenant, token.webhook)));
        // The same for each try: one whose commit was not heard of is found again.
        let lease = LeaseId::fresh(self.db.clock().now());
        let mut pause = Pause::default();
        let claimed = loop {
            let loading = load(&self.db, &self.slots, lease, self.lease, &tokens);
            match in_time(STEP, loading).await {
                Ok(claimed) => break claimed,
                Err(error) => pause.after(&error, "loading", &self.stop).await,
            }
            if self.stop.is_cancelled() {
                return Ok(());
            }
        };
        redis.flights().taken(texts);
        let unfit: Vec<_> = tokens.iter().zip(fits).filter(|(_, fits)| !fits).collect();
        for claimed in claimed {
            if unfit.iter().any(|(token, _)| token.delivery == claimed.delivery.id) {
                self.records.hand_back(claimed);
            } else {
                self.hand_out(claimed);
            }
        }
        // Of a worker that has left, Redis is not told anything: it would be one that is there.
        if unfit.is_empty() || self.stop.is_cancelled() {
            return Ok(());
        }
        redis.tell_all(session, &self.slots, &self.db).await
    }

    /// Says that this worker ends, after its last claim. The last of all workers gives back what nobody will take.
    pub(in crate::queue) async fn leave(&self) {
        let Some(redis) = &self.redis else { return };
        let Some(session) = redis.session() else { return };
        if let Ok(texts) = session.leave().await {
            // Nobody takes them any more: they are handed back.
            let _ = self.load(redis, &session, texts).await;
        }
    }
}

/// The first tokens, waiting for one if there is none.
async fn next(
    session: &Session,
    own: &mut MultiplexedConnection,
    free: u32,
) -> Result<Vec<Vec<u8>>, RedisError> {
    let texts = session.take(free).await?;
    if texts.is_empty() { Ok(session.wait(own).await?.into_iter().collect()) } else { Ok(texts) }
}

/// The tokens among these; what is none was put there by somebody else.
fn read(texts: &[Vec<u8>]) -> Vec<Token> {
    let tokens: Vec<_> = texts.iter().filter_map(|text| Token::read(text)).collect();
    metrics::counter!("queue_tokens_taken_total").increment(texts.len() as u64);
    let strange = texts.len() - tokens.len();
    metrics::counter!("queue_tokens_stale_total").increment(strange as u64);
    tokens
}
