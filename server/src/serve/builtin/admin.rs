//! `AdminService`: what the server is doing, checkpoints, backups, access tokens.

use std::path::Path;

use tailwater_proto::{sqlstate, v1};

use super::{Service, Shared, unary};
use crate::serve::context::Context;
use crate::serve::fault::Fault;
use crate::serve::metrics::{counters, gauges};
use crate::serve::scope::Scopes;
use crate::serve::token::Grant;

pub(super) fn add(service: &mut Service, shared: &Shared) -> Result<(), Fault> {
    let mut add = |name: &str, handler| {
        let path = format!("/tailwater.v1.AdminService/{name}");
        service.add(&path, Some(Scopes::ADMIN), handler)
    };
    let own = shared.clone();
    add(
        "Status",
        unary(move |context, _: v1::StatusRequest| Ok(status(&own, context))),
    )?;
    add(
        "Checkpoint",
        unary(|context, _: v1::CheckpointRequest| {
            context.database.checkpoint()?;
            Ok(v1::CheckpointResponse {
                visible_lsn: context.database.visible_lsn().0,
            })
        }),
    )?;
    add("Backup", unary(backup))?;
    let own = shared.clone();
    add(
        "CreateToken",
        unary(move |_, request: v1::CreateTokenRequest| {
            let scopes = Scopes::from_message(&request.scopes)?;
            let (name, token) = own.tokens.create(&request.name, scopes)?;
            Ok(v1::CreateTokenResponse { name, token })
        }),
    )?;
    let own = shared.clone();
    add(
        "ListTokens",
        unary(move |_, _: v1::ListTokensRequest| {
            let tokens = own.tokens.list().into_iter().map(message).collect();
            Ok(v1::ListTokensResponse { tokens })
        }),
    )?;
    let own = shared.clone();
    add(
        "RevokeToken",
        unary(move |_, request: v1::RevokeTokenRequest| {
            own.tokens.revoke(&request.name)?;
            Ok(v1::RevokeTokenResponse {})
        }),
    )
}

fn status(shared: &Shared, context: &Context) -> v1::StatusResponse {
    let stats = context.database.stats();
    let counters = counters(&stats).into_iter().chain(gauges(&stats));
    v1::StatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        visible_lsn: context.database.visible_lsn().0,
        uptime_s: shared.began.elapsed().as_secs(),
        open_streams: shared.metrics.streams(),
        counters: counters
            .map(|(name, _, value)| (name.to_owned(), value))
            .collect(),
    }
}

fn backup(context: &Context, request: v1::BackupRequest) -> Result<v1::BackupResponse, Fault> {
    if request.dir.is_empty() {
        return Err(Fault::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            "the request does not say where the backup goes",
        )
        .with_hint("set `dir` to a folder on the server's machine that is empty or not there"));
    }
    let report = context.database.backup(Path::new(&request.dir))?;
    Ok(v1::BackupResponse { lsn: report.lsn.0 })
}

fn message(grant: Grant) -> v1::AccessToken {
    v1::AccessToken {
        name: grant.name.to_string(),
        scopes: grant.scopes.to_message(),
        created_us: grant.created_us,
    }
}
