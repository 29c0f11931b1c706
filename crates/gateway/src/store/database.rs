//! The file: opened, locked, checked, brought to the present schema.
use super::error::Doing;
use super::queue::Heads;
use super::{Shape, StoreError, names};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction};
use rustix::fs::{FlockOperation, flock};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Each step brings the schema from the version that is its index to the next.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("schema-2.sql")];

/// How long the check of the whole file may hold up the start; a larger file is checked by `metergate store check`.
const CHECK_TIMEOUT: Duration = Duration::from_millis(300);

/// A process that ends still has the lock for its last commit.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// The database with what the writer remembers of it.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    /// Says which database this is, among all that ever stood here.
    pub(super) id: u64,
    meters: HashMap<Arc<str>, i64>,
    shapes: HashMap<Arc<Shape>, u32>,
}

/// Held as long as the store is open: SQLite lets several processes write in turn, but numbers are given in one.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "dropped is what it does")] File);

impl Lock {
    /// Takes the lock beside the database.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or [`StoreError::Io`] when the lock cannot be made.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let lock = beside(path, ".lock");
        let failed = |source| StoreError::Io { doing: "opening", path: lock.clone(), source };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&lock).map_err(failed)?;
        let end = Instant::now() + LOCK_TIMEOUT;
        while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            if Instant::now() >= end {
                return Err(StoreError::InUse { path: path.to_owned() });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self(file))
    }
}

/// The path of a file that belongs to the database.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Bytes of the database and its log.
pub(super) fn bytes(path: &Path) -> u64 {
    let len = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    len(path).saturating_add(len(&beside(path, "-wal")))
}

impl Database {
    /// Opens the database, makes it if there is none, and brings it to the present schema.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`]; [`StoreError::Damaged`] or a damage that SQLite tells; else what SQLite says.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, MIGRATIONS)
    }

    fn open_with(path: &Path, migrations: &[&str]) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        // SQLite would make it readable for everybody, and readings say when nobody is at home.
        if !path.exists() {
            let made = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
            made.map_err(|source| StoreError::Io { doing: "making", path: path.to_owned(), source })?;
        }
        let mut connection = Connection::open_with_flags(path, flags).doing("opening")?;
        connection.busy_timeout(Duration::from_secs(5)).doing("opening")?;
        // The order matters: the page size and the kind of vacuum can be chosen before the first table only.
        connection
            .execute_batch(
                "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 PRAGMA foreign_keys = OFF; PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;
                 PRAGMA journal_size_limit = 8388608;",
            )
            .doing("opening")?;
        check(&connection)?;
        migrate(&mut connection, path, migrations)?;
        let id: i64 = connection
            .query_row("SELECT value FROM meta WHERE name = 'database'", [], |row| row.get(0))
            .doing("opening")?;
        Ok(Self { connection, id: id.cast_unsigned(), meters: HashMap::new(), shapes: HashMap::new() })
    }

    /// The last number given in each list. A cursor counts too: what it has passed must not be given again.
    pub(super) fn heads(&self) -> Result<Heads, StoreError> {
        let last = |sql: &str| -> Result<i64, StoreError> {
            let last: Option<i64> =
                self.connection.query_row(sql, [], |row| row.get(0)).optional().doing("reading")?.flatten();
            Ok(last.unwrap_or(0))
        };
        let cursor = |stream: &str| last(&format!("SELECT max(seq) FROM cursor WHERE stream = '{stream}'"));
        let rows = last(
            "SELECT max(last) FROM (SELECT max(last) AS last FROM recent UNION ALL SELECT last FROM chunk WHERE first = (SELECT max(first) FROM chunk) UNION ALL SELECT max(last) FROM chunk WHERE grp = (SELECT grp FROM chunk ORDER BY first DESC LIMIT 1))",
        )?;
        Ok(Heads {
            rows: number(rows.max(cursor("readings")?)),
            measured: number(last("SELECT max(seq) FROM measured")?.max(cursor("quarter-hours")?)),
            events: number(last("SELECT max(seq) FROM event")?.max(cursor("events")?)),
            held: last("SELECT max(id) FROM held")?,
            epochs: last("SELECT max(id) FROM epoch")?,
            undated: last("SELECT seq FROM sqlite_sequence WHERE name = 'undated'")?,
        })
    }

    /// Forgets what a transaction that failed may have put in.
    pub(super) fn forget(&mut self) {
        self.meters.clear();
        self.shapes.clear();
    }
}

/// The ids of meters and shapes, given on first use.
pub(super) struct Ids<'a> {
    transaction: &'a Transaction<'a>,
    meters: &'a mut HashMap<Arc<str>, i64>,
    shapes: &'a mut HashMap<Arc<Shape>, u32>,
}

/// Runs something in one transaction that is durable when this returns.
pub(super) fn in_transaction<T>(
    database: &mut Database,
    work: impl FnOnce(&Transaction<'_>, &mut Ids<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let Database { connection, meters, shapes, .. } = database;
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .doing("beginning a commit to")?;
    let mut ids = Ids { transaction: &transaction, meters, shapes };
    let result = work(&transaction, &mut ids)
        .and_then(|result| transaction.commit().doing("committing to").map(|()| result));
    if result.is_err() {
        database.forget();
    }
    result
}

impl Ids<'_> {
    pub(super) fn meter(&mut self, name: &Arc<str>) -> Result<i64, StoreError> {
        if let Some(&id) = self.meters.get(name) {
            return Ok(id);
        }
        let id = id(
            self.transaction,
            "SELECT id FROM meter WHERE name = ?1",
            "INSERT INTO meter (name) VALUES (?1)",
            name,
        )?;
        self.meters.insert(Arc::clone(name), id);
        Ok(id)
    }

    pub(super) fn shape(&mut self, shape: &Arc<Shape>) -> Result<u32, StoreError> {
        if let Some(&id) = self.shapes.get(shape) {
            return Ok(id);
        }
        let id = id(
            self.transaction,
            "SELECT id FROM shape WHERE columns = ?1",
            "INSERT INTO shape (columns) VALUES (?1)",
            &names::shape_text(shape),
        )?;
        // Three bits of a number in a block are the trust.
        let id = u32::try_from(id).ok().filter(|&id| id <= u32::MAX >> 3).ok_or_else(|| {
            StoreError::Damaged { what: "the list of shapes".to_owned(), why: format!("id {id}") }
        })?;
        self.shapes.insert(Arc::clone(shape), id);
        Ok(id)
    }
}

fn id(transaction: &Transaction<'_>, select: &str, insert: &str, text: &str) -> Result<i64, StoreError> {
    let known = transaction.query_row(select, [text], |row| row.get(0)).optional().doing("reading")?;
    if let Some(id) = known {
        return Ok(id);
    }
    transaction.execute(insert, [text]).doing("writing")?;
    Ok(transaction.last_insert_rowid())
}

/// A number of the store as SQLite has it.
pub(super) fn integer(number: u64) -> i64 {
    // Numbers count up from 1; none reaches 2^63.
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The same back.
pub(super) fn number(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

/// A count as SQLite has it.
pub(super) fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Looks for damage, as long as a start may take.
fn check(connection: &Connection) -> Result<(), StoreError> {
    let interrupt = connection.get_interrupt_handle();
    let (done, waits) = std::sync::mpsc::channel::<()>();
    let timer = std::thread::Builder::new().name("store check".to_owned()).spawn(move || {
        if waits.recv_timeout(CHECK_TIMEOUT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    // Without a timer the check might take minutes; damage is then found where it is read.
    let Ok(timer) = timer else { return Ok(()) };
    let found: Result<String, _> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    drop(done);
    let _ = timer.join();
    match found {
        Ok(text) if text == "ok" => Ok(()),
        Ok(text) if text.contains("interrupt") => Ok(()),
        Ok(why) => Err(StoreError::Damaged { what: "the file".to_owned(), why }),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => Ok(()),
        Err(source) => Err(StoreError::Sqlite { doing: "checking", source }),
    }
}

/// Refuses a file that a newer metergate wrote, and one that is no store.
///
/// # Errors
/// [`StoreError::NewerSchema`], [`StoreError::Damaged`].
pub(super) fn check_version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let version: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).doing("reading the schema of")?;
    let known = count(MIGRATIONS.len());
    if version > known {
        return Err(StoreError::NewerSchema { path: path.to_owned(), found: version, known });
    }
    if version < known {
        let why = format!("expected schema {known}, found {version}; a gateway brings it up to date");
        return Err(StoreError::Damaged { what: "the schema".to_owned(), why });
    }
    Ok(version)
}

fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), StoreError> {
    let version: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).doing("reading the schema of")?;
    let known = count(migrations.len());
    if version > known {
        return Err(StoreError::NewerSchema { path: path.to_owned(), found: version, known });
    }
    let from = usize::try_from(version).unwrap_or(0);
    for (step, sql) in migrations.iter().enumerate().skip(from) {
        // One transaction a step: a crash leaves a whole version.
        let transaction = connection.transaction().doing("changing the schema of")?;
        transaction.execute_batch(sql).doing("changing the schema of")?;
        if step == 0 {
            let sql = "INSERT INTO meta (name, value) VALUES ('database', random())";
            transaction.execute(sql, []).doing("writing")?;
        }
        transaction
            .pragma_update(None, "user_version", count(step.saturating_add(1)))
            .doing("changing the schema of")?;
        transaction.commit().doing("changing the schema of")?;
    }
    Ok(())
}

/// Moves a damaged database out of the way, with all that belongs to it.
///
/// # Errors
/// What the system says.
pub(super) fn move_aside(path: &Path, now: jiff::Timestamp) -> Result<PathBuf, StoreError> {
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    let mut aside = beside(path, &format!(".damaged-{stamp}"));
    // Twice in a second, or a clock that was set back.
    for n in 2..100 {
        if !aside.exists() {
            break;
        }
        aside = beside(path, &format!(".damaged-{stamp}-{n}"));
    }
    for ending in ["-wal", "-shm", ""] {
        let (from, to) = (beside(path, ending), beside(&aside, ending));
        match std::fs::rename(&from, &to) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Io { doing: "moving", path: from, source });
            }
            _ => {}
        }
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID; CREATE TABLE old (x);";

    fn version(path: &Path) -> i64 {
        let connection = Connection::open(path).unwrap();
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn each_earlier_schema_is_brought_to_the_present_one_and_keeps_its_content() {
        let steps = [V1, "ALTER TABLE old RENAME TO new;", "ALTER TABLE new ADD COLUMN y DEFAULT 7;"];
        for from in 1..=steps.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("metergate.db");
            let database = Database::open_with(&path, &steps[..from]).unwrap();
            let table = if from == 1 { "old" } else { "new" };
            database.connection.execute(&format!("INSERT INTO {table} (x) VALUES (42)"), []).unwrap();
            let id = database.id;
            drop(database);
            let database = Database::open_with(&path, &steps).unwrap();
            assert_eq!(database.id, id, "it is the same database");
            let row = database.connection.query_row("SELECT x, y FROM new", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            });
            assert_eq!(row.unwrap(), (42, 7));
            drop(database);
            assert_eq!(version(&path), 3);
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metergate.db");
        drop(Database::open_with(&path, &[V1]).unwrap());
        let steps = [V1, "CREATE TABLE half (x); SELECT * FROM nothing;"];
        let error = Database::open_with(&path, &steps).unwrap_err();
        assert!(matches!(error, StoreError::Sqlite { .. }), "{error}");
        assert_eq!(version(&path), 1);
        let database = Database::open_with(&path, &[V1]).unwrap();
        assert!(!database.connection.table_exists(None, "half").unwrap());
    }

    #[test]
    fn a_schema_beyond_the_known_ones_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metergate.db");
        drop(Database::open_with(&path, &[V1, "SELECT 1;"]).unwrap());
        let error = Database::open_with(&path, &[V1]).unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found: 2, known: 1, .. }), "{error}");
    }

    #[test]
    fn only_the_owner_reads_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metergate.db");
        let database = Database::open(&path).unwrap();
        for ending in ["", "-wal", "-shm"] {
            let mode = std::fs::metadata(beside(&path, ending)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{ending}");
        }
        drop(database);
    }
}
