use shared::Clock;
use shared::db::{DatabaseUrl, DbConfig};
use shared::settings::Value as _;
use tokio::sync::Semaphore;

use super::*;

/// What the statements of a test were asked; each waits to be let through.
struct Statements {
    asked: Mutex<Vec<Vec<u32>>>,
    gate: Semaphore,
}

impl Statements {
    fn held() -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), gate: Semaphore::new(0) })
    }

    fn asked(&self) -> Vec<Vec<u32>> {
        self.asked.lock().unwrap().clone()
    }
}

/// Twice the number is the answer; there is none for 13.
struct Double(u32, Arc<Statements>);

impl Question for Double {
    type Answer = u32;

    async fn ask(_: &Db, questions: &[Self]) -> sqlx::Result<Vec<u32>> {
        let numbers: Vec<u32> = questions.iter().map(|question| question.0).collect();
        let statements = &questions[0].1;
        statements.asked.lock().unwrap().push(numbers.clone());
        statements.gate.acquire().await.unwrap().forget();
        if numbers.contains(&13) {
            return Err(sqlx::Error::RowNotFound);
        }
        Ok(numbers.iter().map(|number| number * 2).collect())
    }
}

struct Room {
    db: Db,
    pending: Batcher<Double>,
    statements: Arc<Statements>,
}

impl Room {
    /// With as many statements under way as may be, none of which is answered yet: of 0, 1, ….
    async fn full() -> Self {
        Self::full_for(TIMEOUT).await
    }

    /// The same with this timeout.
    async fn full_for(timeout: Duration) -> Self {
        // Nothing connects until it is asked for something.
        let url = DatabaseUrl::parse("postgres://nobody@127.0.0.1:1/none").unwrap();
        let db = Db::new(&DbConfig::owner(url), Clock::system());
        let room = Self {
            db,
            pending: Batcher { timeout, ..Batcher::default() },
            statements: Statements::held(),
        };
        for number in 0..u32::try_from(UNDER_WAY).unwrap() {
            room.ask(number);
            settle().await;
        }
        room
    }

    fn ask(&self, number: u32) -> tokio::task::JoinHandle<Answered<Double>> {
        let (db, pending) = (self.db.clone(), self.pending.clone());
        let question = Double(number, self.statements.clone());
        tokio::spawn(async move { pending.ask(&db, question).await })
    }
}

/// Until every task waits for something.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_comes_alone_is_asked_for_at_once() {
    let room = Room::full().await;
    assert_eq!(room.statements.asked(), [[0], [1]]);
}

#[tokio::test]
async fn who_comes_meanwhile_goes_together_and_each_has_its_own_answer() {
    let room = Room::full().await;
    let asked: Vec<_> = [7, 9, 8].map(|number| room.ask(number)).into();
    settle().await;
    assert_eq!(room.statements.asked().len(), 2);
    room.statements.gate.add_permits(3);
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.unwrap().unwrap());
    }
    assert_eq!(answers, [14, 18, 16]);
    assert_eq!(room.statements.asked()[2..], [[7, 9, 8]]);
}

#[tokio::test]
async fn no_statement_asks_for_more_than_its_most() {
    let room = Room::full().await;
    let most = u32::try_from(MOST).unwrap();
    let asked: Vec<_> = (100..=100 + most).map(|number| room.ask(number)).collect();
    settle().await;
    room.statements.gate.add_permits(4);
    for (number, answer) in (100..).zip(asked) {
        assert_eq!(answer.await.unwrap().unwrap(), number * 2);
    }
    let lengths: Vec<_> = room.statements.asked()[2..].iter().map(Vec::len).collect();
    assert_eq!(lengths, [MOST, 1]);
}

#[tokio::test]
async fn who_leaves_takes_nobody_along_and_is_asked_for_no_more() {
    let room = Room::full().await;
    let (leaves, stays) = (room.ask(7), room.ask(8));
    settle().await;
    leaves.abort();
    room.statements.gate.add_permits(3);
    assert_eq!(stays.await.unwrap().unwrap(), 16);
    assert_eq!(room.statements.asked()[2..], [[8]]);
}

#[tokio::test]
async fn a_fault_is_told_to_all_that_were_asked_together_and_to_nobody_else() {
    let room = Room::full().await;
    let (one, other) = (room.ask(13), room.ask(8));
    settle().await;
    room.statements.gate.add_permits(4);
    for answer in [one, other] {
        let fault = answer.await.unwrap().unwrap_err();
        assert!(matches!(*fault, sqlx::Error::RowNotFound), "{fault}");
    }
    assert_eq!(room.ask(8).await.unwrap().unwrap(), 16);
}

#[tokio::test]
async fn a_statement_that_hangs_is_given_up_and_the_next_is_asked() {
    let room = Room::full_for(Duration::from_millis(20)).await;
    let fault = room.ask(8).await.unwrap().unwrap_err();
    assert!(
        matches!(&*fault, sqlx::Error::Io(late) if late.kind() == std::io::ErrorKind::TimedOut),
        "{fault}"
    );
    // One for it, and for as many before it as may still hang.
    room.statements.gate.add_permits(1 + UNDER_WAY);
    assert_eq!(room.ask(9).await.unwrap().unwrap(), 18);
}

#[tokio::test]
async fn a_statement_that_is_broken_off_leaves_its_place_to_the_next() {
    let room = Room::full().await;
    drop(Round { of: room.pending.clone(), over: false });
    room.ask(8);
    settle().await;
    assert_eq!(room.statements.asked()[2..], [[8]]);
}

#[tokio::test]
async fn who_waits_when_the_last_statement_is_broken_off_is_told_so() {
    let room = Room::full().await;
    let waits = room.ask(8);
    settle().await;
    for _ in 0..UNDER_WAY {
        drop(Round { of: room.pending.clone(), over: false });
    }
    let fault = waits.await.unwrap().unwrap_err();
    assert!(matches!(*fault, sqlx::Error::WorkerCrashed), "{fault}");
}
