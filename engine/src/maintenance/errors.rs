//! Row errors of views as rows of `tailwater.view_errors`: there while the input row is as it is, gone when it changes.

use std::sync::Arc;

use tailwater_proto::key_codec::encode_key;
use tailwater_proto::row_codec::encode_row;
use tailwater_proto::{ColumnId, Key, Value, sqlstate};
use tailwater_views::step::{ErrorDelta, RowError};
use tailwater_views::{Error, Result, StateStore};

use crate::catalog::{Relation, system_storage};
use crate::txn::{Section, Target};

/// Stages the change of a view's errors.
pub(super) fn stage(
    view: &Relation,
    store: &mut dyn StateStore,
    errors: Vec<ErrorDelta>,
) -> Result<()> {
    for error in errors {
        let (before, after) = (error.before.as_ref(), error.after.as_ref());
        if let (Some(before), Some(after)) = (before, after)
            && before.sqlstate == after.sqlstate
        {
            let key = key(view, &error, before);
            store.put(
                system_storage::VIEW_ERRORS,
                key,
                Some(row(view, &error, before)?),
                Some(row(view, &error, after)?),
            );
            continue;
        }
        if let Some(before) = before {
            let image = row(view, &error, before)?;
            store.put(
                system_storage::VIEW_ERRORS,
                key(view, &error, before),
                Some(image),
                None,
            );
        }
        if let Some(after) = after {
            let image = row(view, &error, after)?;
            store.put(
                system_storage::VIEW_ERRORS,
                key(view, &error, after),
                None,
                Some(image),
            );
        }
    }
    Ok(())
}

/// (view, operator, SQLSTATE), then the input's key as it is.
fn key(view: &Relation, delta: &ErrorDelta, error: &RowError) -> Key {
    let mut key = Key::new();
    encode_key(&mut key, &Value::Int(view.id.0.into()));
    encode_key(&mut key, &Value::Int(delta.node.into()));
    encode_key(&mut key, &Value::text(error.sqlstate));
    key.extend(&delta.key);
    key
}

fn row(view: &Relation, delta: &ErrorDelta, error: &RowError) -> Result<Arc<[u8]>> {
    let values = [
        Value::text(&view.name.to_string()),
        Value::Int(delta.node.into()),
        Value::from(&*delta.key),
        Value::text(error.sqlstate),
        Value::text(&error.message),
    ];
    let columns = (1..).map(ColumnId).zip(&values);
    encode_row(0, columns).map_err(|error| {
        Error::row(
            sqlstate::PROGRAM_LIMIT_EXCEEDED,
            format!("a view error cannot be stored: {error}"),
        )
    })
}

/// Where errors of views go.
pub(crate) fn error_target() -> Target {
    Target {
        storage: system_storage::VIEW_ERRORS,
        section: Section::Derived,
        schema_version: 0,
    }
}

/// What the keys of all errors of one view begin with.
pub(crate) fn error_key_prefix(view: &Relation) -> Key {
    let mut key = Key::new();
    encode_key(&mut key, &Value::Int(view.id.0.into()));
    key
}
