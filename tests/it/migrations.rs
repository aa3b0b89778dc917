//! The migrations: forward only, harmless to run again and at the same time.

use std::fs;
use std::path::Path;

use shared::db::DatabaseUrl;
use shared::db::migrate::{MIGRATOR, migrate};
use shared::settings::Value as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tests::kit::Database;
use uuid::Uuid;

fn owner(database: &Database) -> DatabaseUrl {
    DatabaseUrl::parse(&database.admin_url()).unwrap()
}

/// When each migration ran, as the database remembers it.
async fn history(database: &Database) -> Vec<(i64, String)> {
    sqlx::query_as(
        "select version, installed_on::text from _sqlx_migrations where success order by version",
    )
    .fetch_all(database.admin())
    .await
    .unwrap()
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let database = Database::empty().await;
    migrate(&owner(&database)).await.unwrap();
    let first = history(&database).await;
    assert_eq!(first.len(), MIGRATOR.iter().count());
    migrate(&owner(&database)).await.unwrap();
    assert_eq!(history(&database).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_one_database_from_several_places_at_once_works() {
    let database = Database::empty().await;
    let url = owner(&database);
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { migrate(&url).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(history(&database).await.len(), MIGRATOR.iter().count());
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_several_databases_of_one_cluster_at_once_works() {
    let databases = [Database::empty().await, Database::empty().await, Database::empty().await];
    let tasks: Vec<_> = databases
        .iter()
        .map(|database| {
            let url = owner(database);
            tokio::spawn(async move { migrate(&url).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[test]
fn migrations_are_numbered_without_a_gap_and_have_no_way_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    names.sort();
    for (at, name) in names.iter().enumerate() {
        let rest = name.strip_prefix(&format!("{:04}_", at + 1));
        let word = rest.and_then(|rest| rest.strip_suffix(".sql")).unwrap_or_default();
        let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(plain, "{name} is not called {:04}_name.sql", at + 1);
    }
    assert_eq!(
        names.len(),
        MIGRATOR.iter().count(),
        "the binary holds other migrations than the folder"
    );
}

async fn delivery_id(database: &Database, event: Uuid, webhook: Uuid) -> Uuid {
    sqlx::query_scalar("select delivery_id($1, $2)")
        .bind(event)
        .bind(webhook)
        .fetch_one(database.admin())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_delivery_has_the_same_id_however_often_its_event_is_relayed_and_no_other_has_it() {
    let database = Database::migrated().await;
    let now = tests::kit::START.parse().unwrap();
    let (events, webhooks) =
        ([(); 20].map(|()| shared::id::fresh(now)), [(); 20].map(|()| shared::id::fresh(now)));
    let mut ids = Vec::new();
    for event in events {
        for webhook in webhooks {
            let id = delivery_id(&database, event, webhook).await;
            assert_eq!(id, delivery_id(&database, event, webhook).await);
            ids.push(id);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len() * webhooks.len());
}

#[tokio::test]
async fn a_delivery_id_is_a_uuid_of_version_8_that_begins_with_the_time_of_its_event() {
    let database = Database::migrated().await;
    for _ in 0..50 {
        let event = shared::id::fresh(tests::kit::START.parse().unwrap());
        let id = delivery_id(&database, event, Uuid::from_u128(rand::random())).await;
        assert_eq!(id.get_version_num(), 8, "{id}");
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122, "{id}");
        assert_eq!(id.as_bytes()[..6], event.as_bytes()[..6], "{id} of {event}");
    }
}

/// Runs the migrations with these numbers as their owner does.
async fn run(session: &mut PgConnection, numbers: impl Fn(i64) -> bool) {
    sqlx::raw_sql("set role crm_owner").execute(&mut *session).await.unwrap();
    for migration in MIGRATOR.iter().filter(|migration| numbers(migration.version)) {
        let sql = AssertSqlSafe(migration.sql.as_str().to_owned());
        sqlx::raw_sql(sql).execute(&mut *session).await.unwrap();
    }
    sqlx::raw_sql("reset role").execute(&mut *session).await.unwrap();
}

/// A database as it was before the migration with this number.
async fn before(database: &Database, number: i64) -> PgConnection {
    let mut session = PgConnection::connect(&database.admin_url()).await.unwrap();
    sqlx::raw_sql(include_str!("../../deploy/roles.sql")).execute(&mut session).await.unwrap();
    run(&mut session, |earlier| earlier < number).await;
    session
}

/// What 0016 has to carry over: deliveries of today, of last week and of last year, in every state.
const BEFORE_0016: &str = "
    insert into tenants (id, name, created_at, updated_at) values (gen_random_uuid(), 'acme', now(), now());
    insert into webhooks (tenant_id, id, url, events, secret_enc, secret_hint, created_at, updated_at)
    select id, gen_random_uuid(), 'https://example.com/', array['*'], '\\x00', 'x', now(), now() from tenants;
    insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, event, body, status, attempts, next_retry,
                                lease_id, claims, last_error, created_at)
    select w.tenant_id, delivery_id(o.id, w.id), w.id, o.id, 'contact.created', '{\"data\": {\"n\":  1}}', s.status, 2,
           case s.status when 'pending' then now() + interval '4 minutes' end,
           case s.status when 'pending' then gen_random_uuid() end, 1, 'timeout', now() - d.age
    from webhooks w, (values (interval '0'), ('7 days'), ('400 days')) d (age),
         (values ('pending'), ('delivered'), ('failed')) s (status)
    cross join lateral (
        select (lpad(to_hex((extract(epoch from now() - d.age) * 1000)::bigint), 12, '0') || '7000'
                || right(md5(s.status), 16))::uuid as id) o;
    insert into webhook_attempts (tenant_id, delivery_id, id, cycle, attempt, trigger, started_at, latency_ms)
    select tenant_id, id, gen_random_uuid(), 1, n, 'automatic', created_at, 1
    from webhook_events, generate_series(1, 2) n;
    create table expected as
    select e.*, (select count(*) from webhook_attempts a where a.delivery_id = e.id) as attempts_made from webhook_events e";

#[tokio::test]
async fn deliveries_from_before_the_event_log_are_carried_over_whole() {
    let database = Database::empty().await;
    let mut session = before(&database, 16).await;
    sqlx::raw_sql(BEFORE_0016).execute(&mut session).await.unwrap();
    run(&mut session, |number| number >= 16).await;

    let (rows, same): (i64, i64) = sqlx::query_as(
        "select (select count(*) from webhook_events), (
             select count(*) from expected x
             join webhook_events e using (tenant_id, id, webhook_id, occurrence_id, event, status, attempts, cycle, trigger,
                                          last_error, created_at)
             left join webhook_queue q on q.tenant_id = e.tenant_id and q.id = e.id
             where e.body::text = x.body::text and q.next_retry is not distinct from x.next_retry
               and q.lease_id is not distinct from x.lease_id and coalesce(q.claims, x.claims) = x.claims
               and coalesce(q.attempts, x.attempts) = x.attempts and (q.id is not null) = (x.status = 'pending')
               and x.attempts_made = (select count(*) from webhook_attempts a where a.delivery_id = e.id))",
    )
    .fetch_one(&mut session)
    .await
    .unwrap();
    assert_eq!((rows, same), (9, 9));
    let places: Vec<(String, i64)> = sqlx::query_as(
        "select case when tableoid::regclass::text = 'webhook_events_rest' then 'rest' else 'day' end, count(*)
         from webhook_events group by 1 order by 1",
    )
    .fetch_all(&mut session)
    .await
    .unwrap();
    assert_eq!(places, [("day".to_owned(), 6), ("rest".to_owned(), 3)]);
}

/// Webhooks in every state that there was before 0018, each named by its description.
const BEFORE_0018: &str = "
    insert into tenants (id, name, created_at, updated_at) values (gen_random_uuid(), 'acme', now(), now());
    insert into webhooks (tenant_id, id, url, events, secret_enc, secret_hint, description, active, disabled_reason, deleted_at,
                          created_at, updated_at)
    select t.id, gen_random_uuid(), 'https://example.com/', array['*'], '\\x00', 'x', w.description, w.active, w.reason,
           case when w.deleted then now() end, now(), now()
    from tenants t, (values ('on', true, null, false), ('switched off', false, null, false), ('gone', false, 'gone', false),
                            ('gone and deleted', false, 'gone', true)) w (description, active, reason, deleted)";

/// How each webhook is, by its description.
async fn states(session: &mut PgConnection, sql: &'static str) -> Vec<(String, String)> {
    sqlx::query_as(sql).fetch_all(session).await.unwrap()
}

#[tokio::test]
async fn webhooks_from_before_their_health_are_healthy_unless_something_had_switched_them_off() {
    let database = Database::empty().await;
    let mut session = before(&database, 18).await;
    sqlx::raw_sql(BEFORE_0018).execute(&mut session).await.unwrap();
    run(&mut session, |number| (18..23).contains(&number)).await;
    let kept = "select w.description, h.state from webhooks w join webhook_health h on h.webhook_id = w.id";
    let named = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, state)| (String::from(*name), String::from(*state)))
            .collect::<Vec<_>>()
    };
    // Switched on again it is to prove itself; the others have no row, which is healthy.
    assert_eq!(states(&mut session, kept).await, named(&[("gone", "failing")]));

    let failing = "insert into webhook_health (tenant_id, webhook_id, state)
        select tenant_id, id, 'failing' from webhooks where description = 'on'";
    sqlx::raw_sql(failing).execute(&mut session).await.unwrap();
    run(&mut session, |number| number >= 23).await;
    let shown =
        "select description, health from webhooks where deleted_at is null order by description";
    let before = [("gone", "disabled"), ("on", "failing"), ("switched off", "healthy")];
    assert_eq!(states(&mut session, shown).await, named(&before));
    // And it follows from then on, whichever version of the worker says so.
    let changed = "update webhook_health set state = 'healthy' where state = 'failing';
        update webhooks set active = true, disabled_reason = null";
    sqlx::raw_sql(changed).execute(&mut session).await.unwrap();
    let after = [("gone", "healthy"), ("on", "healthy"), ("switched off", "healthy")];
    assert_eq!(states(&mut session, shown).await, named(&after));
}

#[tokio::test]
async fn partitions_are_not_made_again_while_somebody_reads_them_for_long_and_nothing_is_changed() {
    let database = Database::empty().await;
    let mut session = before(&database, 25).await;
    let partitions =
        "select oid::text from pg_class where relispartition and relkind = 'r' order by oid";
    let there: Vec<String> = sqlx::query_scalar(partitions).fetch_all(&mut session).await.unwrap();
    let reader = database.hold("select 1 from webhook_attempts").await;
    let migration = MIGRATOR.iter().find(|migration| migration.version == 25).unwrap();
    let sql = AssertSqlSafe(migration.sql.as_str().to_owned());
    let refused = sqlx::raw_sql(sql).execute(&mut session).await.unwrap_err();
    assert!(shared::db::fault::is_lock_timeout(&refused), "{refused}");
    let after: Vec<String> = sqlx::query_scalar(partitions).fetch_all(&mut session).await.unwrap();
    assert_eq!(after, there);
    reader.release().await;

    run(&mut session, |number| number == 25).await;
    let after: Vec<String> = sqlx::query_scalar(partitions).fetch_all(&mut session).await.unwrap();
    assert!(after.len() == there.len() && after.iter().all(|new| !there.contains(new)));
}

#[tokio::test]
async fn an_index_whose_making_was_interrupted_is_finished_by_the_next_run_and_nobody_elses_is() {
    let database = Database::empty().await;
    migrate(&owner(&database)).await.unwrap();
    // What is left when 0035 is stopped in the middle, and then the run that was to finish it; and an index of the
    // operator's.
    let interrupted = "create index contacts_deleted_ccnew on contacts (deleted_at);
        create index mine on contacts (name);
        update pg_index set indisvalid = false
        where indexrelid = any (array['contacts_deleted', 'contacts_deleted_ccnew', 'mine']::regclass[]);
        delete from _sqlx_migrations where version = 35";
    sqlx::raw_sql(interrupted).execute(database.admin()).await.unwrap();
    migrate(&owner(&database)).await.unwrap();
    let left: Vec<(String, bool)> = sqlx::query_as(
        "select indexrelid::regclass::text, indisvalid from pg_index
         where indexrelid::regclass::text like 'contacts_deleted%' or not indisvalid order by 1",
    )
    .fetch_all(database.admin())
    .await
    .unwrap();
    assert_eq!(left, [("contacts_deleted".to_owned(), true), ("mine".to_owned(), false)]);
    assert_eq!(history(&database).await.len(), MIGRATOR.iter().count());
}
