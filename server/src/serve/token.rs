//! Access tokens: 256 random bits, shown once, kept as their SHA-256 with a name and scopes in a table of the database.
//!
//! A token is found by its hash, so nothing compares secrets byte by byte. Without any token everybody may do everything,
//! which is why `serve` does not listen to other machines then. Next door: `scope`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use tailwater::{Database, Value, params};
use tailwater_proto::sqlstate;
use tokio::sync::watch;

use super::fault::{Fault, UNAUTHENTICATED};
use super::scope::Scopes;

/// The table they are kept in. SQL that names it needs the scope `admin`.
pub(crate) const TABLE: &str = "tailwater_token";

const CREATE: &str = "CREATE TABLE IF NOT EXISTS tailwater_token (
    name TEXT PRIMARY KEY, hash BYTEA NOT NULL UNIQUE, scopes TEXT NOT NULL, created TIMESTAMPTZ NOT NULL)";

/// What every token begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "twt_";
const NAME_BYTES_MAX: usize = 64;

type Hash = [u8; 32];

/// Who calls, and what they may do.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The token's name; empty without tokens.
    pub(crate) name: Arc<str>,
    /// What they may do.
    pub(crate) scopes: Scopes,
    hash: Option<Hash>,
}

impl Caller {
    /// Who calls where no tokens are asked for.
    pub(crate) fn everyone() -> Self {
        Self {
            name: Arc::from(""),
            scopes: Scopes::ALL,
            hash: None,
        }
    }
}

/// A token without its text.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) name: Arc<str>,
    pub(crate) scopes: Scopes,
    pub(crate) created_us: i64,
}

/// The tokens of a database, in memory for every call to look at.
pub(crate) struct Tokens {
    database: Database,
    held: RwLock<HashMap<Hash, Grant>>,
    /// There was a token once: revoking the last one does not open the door.
    is_required: AtomicBool,
    changed: watch::Sender<()>,
}

impl Tokens {
    /// Reads the tokens of a database.
    pub(crate) fn of(database: &Database) -> Result<Self, Fault> {
        let tokens = Self {
            database: database.clone(),
            held: RwLock::default(),
            is_required: AtomicBool::new(false),
            changed: watch::Sender::new(()),
        };
        tokens.reload()?;
        Ok(tokens)
    }

    /// From now on every call needs one, even if there is none.
    pub(crate) fn require(&self) {
        self.is_required.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_required(&self) -> bool {
        self.is_required.load(Ordering::SeqCst)
    }

    /// Tells whenever tokens were made or taken back.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Reads the table again, after somebody wrote to it.
    pub(crate) fn reload(&self) -> Result<(), Fault> {
        let held = read(&self.database)?;
        if !held.is_empty() {
            self.require();
        }
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        self.changed.send_replace(());
        Ok(())
    }

    /// Who calls with these headers.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        if !self.is_required() {
            return Ok(Caller::everyone());
        }
        let refused = |message: &str| {
            Fault::new(UNAUTHENTICATED, message).with_hint(
                "send the header authorization: Bearer TOKEN; tailwater token create makes one",
            )
        };
        let given = headers.get(header::AUTHORIZATION);
        let given = given.ok_or_else(|| refused("an access token is needed"))?;
        let text = given.to_str().ok().and_then(|value| {
            let (scheme, text) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(text.trim())
        });
        let text = text.ok_or_else(|| refused("the authorization is not of the kind Bearer"))?;
        let hash: Hash = Sha256::digest(text.as_bytes()).into();
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let grant = held.get(&hash);
        let grant = grant.ok_or_else(|| refused("the access token is unknown, or was revoked"))?;
        Ok(Caller {
            name: Arc::clone(&grant.name),
            scopes: grant.scopes,
            hash: Some(hash),
        })
    }

    /// Whether a caller let in before would be let in now.
    pub(crate) fn is_good(&self, caller: &Caller) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        match &caller.hash {
            Some(hash) => held.contains_key(hash),
            None => !self.is_required(),
        }
    }

    /// Makes a token and returns its name and its text, which is kept nowhere.
    pub(crate) fn create(&self, name: &str, scopes: Scopes) -> Result<(String, String), Fault> {
        let created = create(&self.database, name, scopes)?;
        self.reload()?;
        Ok(created)
    }

    /// Takes a token back.
    pub(crate) fn revoke(&self, name: &str) -> Result<(), Fault> {
        revoke(&self.database, name)?;
        self.reload()
    }

    /// The tokens there are, by name.
    pub(crate) fn list(&self) -> Vec<Grant> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<Grant> = held.values().cloned().collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }
}

/// The tokens of a database by their hashes.
fn read(database: &Database) -> Result<HashMap<Hash, Grant>, Fault> {
    let rows = match database.query(
        "SELECT name, hash, scopes, created FROM tailwater_token",
        (),
    ) {
        Ok(rows) => rows,
        Err(error) if error.sqlstate() == sqlstate::UNDEFINED_TABLE => return Ok(HashMap::new()),
        Err(error) => return Err(error.into()),
    };
    let mut held = HashMap::new();
    for row in rows {
        let row = row?;
        let name: String = row.get("name")?;
        let wrong = || {
            Fault::new(
                sqlstate::DATA_EXCEPTION,
                format!("the access token {name} is not as tailwater token writes it"),
            )
            .with_hint(format!("DELETE it from {TABLE} and make a new one"))
        };
        let (Some(Value::Bytes(hash)), Some(Value::TimestampTz(created_us))) =
            (row.values().get(1), row.values().get(3))
        else {
            return Err(wrong());
        };
        let hash = Hash::try_from(&**hash).map_err(|_| wrong())?;
        let scopes = row.get::<String>("scopes")?;
        let grant = Grant {
            name: Arc::from(&*name),
            scopes: scopes.parse().map_err(|_| wrong())?,
            created_us: *created_us,
        };
        held.insert(hash, grant);
    }
    Ok(held)
}

/// The tokens of a database, by name.
pub(crate) fn list(database: &Database) -> Result<Vec<Grant>, Fault> {
    Tokens::of(database).map(|tokens| tokens.list())
}

/// Makes a token and returns its name and its text.
pub(crate) fn create(
    database: &Database,
    name: &str,
    scopes: Scopes,
) -> Result<(String, String), Fault> {
    let wrong = |message: &str, hint: &str| {
        Fault::new(sqlstate::INVALID_PARAMETER_VALUE, message).with_hint(hint)
    };
    if scopes.is_empty() {
        return Err(wrong(
            "a token needs a scope",
            "one or more of read, write, subscribe, ddl and admin",
        ));
    }
    if name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(wrong(
            "that is no name for a token",
            "at most 64 bytes, without control characters",
        ));
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| {
        Fault::new(
            sqlstate::IO_ERROR,
            format!("the system gives no random bytes: {error}"),
        )
    })?;
    let text = format!("{PREFIX}{}", hexadecimal(&secret));
    let hash: Hash = Sha256::digest(text.as_bytes()).into();
    let name = match name {
        "" => format!("token-{}", hexadecimal(hash.get(..4).unwrap_or_default())),
        name => name.to_owned(),
    };
    database.exec(CREATE, ())?;
    database.exec(
        "INSERT INTO tailwater_token VALUES (?, ?, ?, now())",
        params![&*name, hash.to_vec(), scopes.to_string()],
    )?;
    Ok((name, text))
}

/// Takes a token back.
pub(crate) fn revoke(database: &Database, name: &str) -> Result<(), Fault> {
    let unknown = || {
        Fault::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("there is no access token {name}"),
        )
        .with_hint("tailwater token list shows those there are")
    };
    let done = match database.exec("DELETE FROM tailwater_token WHERE name = ?", params![name]) {
        Err(error) if error.sqlstate() == sqlstate::UNDEFINED_TABLE => return Err(unknown()),
        done => done?,
    };
    match done.rows {
        0 => Err(unknown()),
        _ => Ok(()),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_token_lets_in_until_it_is_revoked_and_the_door_stays_shut_then() {
        let database = Database::memory().unwrap();
        let tokens = Tokens::of(&database).unwrap();
        assert_eq!(&*tokens.caller(&HeaderMap::new()).unwrap().name, "");
        let (name, text) = tokens.create("ada", Scopes::READ).unwrap();
        let caller = tokens.caller(&headers(&format!("bearer {text}"))).unwrap();
        assert_eq!((&*caller.name, caller.scopes), ("ada", Scopes::READ));
        for wrong in ["Basic YTpi", "Bearer", "Bearer twt_00", &text] {
            assert_eq!(
                tokens.caller(&headers(wrong)).unwrap_err().sqlstate(),
                "28000"
            );
        }
        assert!(tokens.caller(&HeaderMap::new()).is_err());
        let stored = database
            .query("SELECT hash FROM tailwater_token", ())
            .unwrap();
        let stored = stored.first().unwrap().unwrap().values().to_vec();
        assert!(!format!("{stored:?}").contains(&text));
        assert_eq!(
            tokens.create("ada", Scopes::ALL).unwrap_err().sqlstate(),
            "23505"
        );
        assert_eq!(
            tokens.create("", Scopes::NONE).unwrap_err().sqlstate(),
            "22023"
        );
        let (made_up, _) = tokens.create("", Scopes::ALL).unwrap();
        assert!(made_up.starts_with("token-"));
        assert_eq!(tokens.list().len(), 2);

        let mut changes = tokens.changes();
        tokens.revoke(&name).unwrap();
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert!(!tokens.is_good(&caller));
        assert_eq!(tokens.revoke(&name).unwrap_err().sqlstate(), "42704");
        tokens.revoke(&made_up).unwrap();
        assert!(tokens.caller(&HeaderMap::new()).is_err());
    }
}
