//! Tokens: their text, what damages them, and which position of which history is still good.

use super::*;
use crate::testing::{Rng, seeds};
use crate::{Expected, Token, TokenError};

fn token() -> Token {
    Token {
        database_id: DATABASE,
        epoch: 1,
        lsn: Lsn(2),
        selection: whole(1).fingerprint(),
        schema_version: 0,
        principal: "".into(),
        policy_version: 0,
    }
}

#[test]
fn text_comes_back_and_is_lasting() {
    for seed in seeds(200) {
        let mut rng = Rng(seed);
        let token = Token {
            database_id: [rng.next() as u8; 16],
            epoch: rng.next() as u32,
            lsn: Lsn(rng.next()),
            selection: rng.next(),
            schema_version: rng.next() as u32,
            principal: "ännchen"[..[0, 2, 3, 8][rng.below(4)]].into(),
            policy_version: rng.next(),
        };
        let text = token.to_string();
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
            "{text}"
        );
        assert_eq!(text.parse(), Ok(token), "seed {seed}");
    }
    // Persisted by consumers: this text stands in PROTOCOL.md.
    assert_eq!(
        token().to_string(),
        "AXNpeHRlZW4gbGV0dGVycy4AAAABAAAAAAAAAAJCimLt32npRQAAAAAAAAAAAAAAAKibHzc"
    );
}

#[test]
fn any_changed_or_missing_letter_is_damage() {
    let text = token().to_string();
    for at in 0..text.len() {
        for letter in ["A", "B", "z", "7", "-", "="] {
            let mut changed = text.clone();
            changed.replace_range(at..=at, letter);
            if changed != text {
                assert_eq!(
                    changed.parse::<Token>(),
                    Err(TokenError::Damaged),
                    "{changed}"
                );
            }
        }
        assert_eq!(text[..at].parse::<Token>(), Err(TokenError::Damaged));
    }
}

#[test]
fn a_token_goes_on_only_where_it_belongs() {
    let log = TestLog::new(&[(1, 1), (3, 4)]);
    let feed = Feed::new(
        FeedSettings {
            ring_records_max: 1,
            ..FeedSettings::default()
        },
        DATABASE,
        Arc::new(log.clone()),
    );
    let mut dam = Dam { log, feed, last: 0 };
    for _ in 0..6 {
        dam.commit(1, b"k");
    }
    let selection = whole(1);
    let expected = Expected {
        selection: &selection,
        schema_version: 0,
        principal: "",
        policy_version: 0,
    };
    let check = |token: Token| token.check(&dam.feed, &expected);
    assert_eq!(check(token()), Ok(Lsn(2)));
    assert_eq!(
        check(Token {
            epoch: 3,
            lsn: Lsn(6),
            ..token()
        }),
        Ok(Lsn(6))
    );
    for (token, error) in [
        (
            Token {
                database_id: [0; 16],
                ..token()
            },
            TokenError::WrongDatabase,
        ),
        (
            Token {
                selection: 0,
                ..token()
            },
            TokenError::WrongSelection,
        ),
        (
            Token {
                principal: "ann".into(),
                ..token()
            },
            TokenError::WrongPrincipal,
        ),
        (
            Token {
                policy_version: 1,
                ..token()
            },
            TokenError::PolicyChanged,
        ),
        (
            Token {
                schema_version: 1,
                ..token()
            },
            TokenError::SchemaChanged,
        ),
        (
            Token {
                lsn: Lsn(4),
                ..token()
            },
            TokenError::Forked { at: Lsn(4) },
        ),
        (
            Token {
                epoch: 2,
                ..token()
            },
            TokenError::Forked { at: Lsn(4) },
        ),
        (
            Token {
                epoch: 4,
                ..token()
            },
            TokenError::Future { newest: Lsn(6) },
        ),
        (
            Token {
                epoch: 3,
                lsn: Lsn(7),
                ..token()
            },
            TokenError::Future { newest: Lsn(6) },
        ),
    ] {
        assert_eq!(check(token), Err(error));
    }
    dam.log.release(3);
    assert_eq!(check(token()), Err(TokenError::Released { oldest: Lsn(3) }));

    let mut subscription = dam.after(3, selection.clone());
    let given = frame(subscription.recv().unwrap()).token;
    assert_eq!((given.epoch, given.lsn), (3, Lsn(4)));
    assert_eq!(check(given), Ok(Lsn(4)));
}
