//! `Mapping`: which gRPC status and HTTP code an SQLSTATE becomes: one list, which SERVER.md prints and a test compares.
//! It says nothing of errors themselves; next door: `fault`.

use tonic::Code;

/// What errors of some SQLSTATEs become.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// The five letters, or the two of a class.
    pub(crate) sqlstate: &'static str,
    /// The gRPC status.
    pub(crate) code: Code,
    /// The HTTP code.
    pub(crate) http: u16,
    /// What happened, in a few words.
    pub(crate) meaning: &'static str,
}

const fn row(sqlstate: &'static str, code: Code, http: u16, meaning: &'static str) -> Mapping {
    Mapping {
        sqlstate,
        code,
        http,
        meaning,
    }
}

/// What has no line of its own.
const OTHER: Mapping = row("-", Code::Unknown, 500, "any other");

/// A deadline passed: the statement was stopped as by a cancel, but for a reason of its own.
pub(crate) static DEADLINE: Mapping = row(
    "57014",
    Code::DeadlineExceeded,
    504,
    "the call's deadline passed",
);

/// There is no such method, or it takes another kind of call.
pub(crate) static NO_METHOD: Mapping = row("0A000", Code::Unimplemented, 404, "no such method");

/// The list. A code of five letters goes before its class of two.
pub(crate) static TABLE: &[Mapping] = &[
    row("02", Code::NotFound, 404, "no data"),
    row("08", Code::Unavailable, 503, "the connection failed"),
    row("0A", Code::Unimplemented, 501, "not supported"),
    row(
        "21",
        Code::InvalidArgument,
        400,
        "more than one row where one may be",
    ),
    row(
        "22",
        Code::InvalidArgument,
        400,
        "a wrong value, a malformed message or resume token",
    ),
    row("23505", Code::AlreadyExists, 409, "a key is there already"),
    row("23", Code::FailedPrecondition, 409, "a constraint"),
    row(
        "25",
        Code::FailedPrecondition,
        409,
        "not in this state of the transaction",
    ),
    row(
        "28",
        Code::Unauthenticated,
        401,
        "no access token, or one that is not good",
    ),
    row("2B", Code::FailedPrecondition, 409, "others depend on it"),
    row("34", Code::InvalidArgument, 400, "no such cursor"),
    row("3B", Code::InvalidArgument, 400, "no such savepoint"),
    row(
        "40001",
        Code::Aborted,
        409,
        "another transaction was first: run it again",
    ),
    row(
        "40003",
        Code::Unknown,
        500,
        "not known whether it is committed",
    ),
    row(
        "42501",
        Code::PermissionDenied,
        403,
        "the token has not that scope, or the system says no",
    ),
    row(
        "42701",
        Code::AlreadyExists,
        409,
        "a column is there already",
    ),
    row("42704", Code::NotFound, 404, "no such object"),
    row(
        "42710",
        Code::AlreadyExists,
        409,
        "an object is there already",
    ),
    row("42P01", Code::NotFound, 404, "no such table or view"),
    row(
        "42P07",
        Code::AlreadyExists,
        409,
        "a table or view is there already",
    ),
    row(
        "42",
        Code::InvalidArgument,
        400,
        "the SQL text, a name or a type is wrong",
    ),
    row("53100", Code::ResourceExhausted, 507, "the disk is full"),
    row(
        "53300",
        Code::ResourceExhausted,
        429,
        "too many calls or streams",
    ),
    row(
        "53",
        Code::ResourceExhausted,
        503,
        "memory or another resource is used up",
    ),
    row(
        "54001",
        Code::InvalidArgument,
        400,
        "a statement too complex",
    ),
    row(
        "54",
        Code::ResourceExhausted,
        413,
        "a message, result or statement is too large",
    ),
    row("55P03", Code::Unavailable, 503, "a lock is not available"),
    row(
        "55",
        Code::FailedPrecondition,
        409,
        "not in this state, or in use",
    ),
    row("57014", Code::Cancelled, 499, "cancelled"),
    row(
        "57P01",
        Code::Unavailable,
        503,
        "the server is shutting down",
    ),
    row(
        "57P05",
        Code::Aborted,
        408,
        "the client did not read, or write, for too long",
    ),
    row(
        "57",
        Code::Unavailable,
        503,
        "the server does not accept work",
    ),
    row("58", Code::Internal, 500, "the system or the disk failed"),
    row(
        "72",
        Code::Aborted,
        409,
        "the snapshot was read for too long: run it again",
    ),
    row("P0002", Code::NotFound, 404, "there is no such row"),
    row(
        "P0",
        Code::InvalidArgument,
        400,
        "refused by a program's own rule",
    ),
    row("XX001", Code::DataLoss, 500, "stored data is damaged"),
    row("XX", Code::Internal, 500, "a bug"),
];

/// What an SQLSTATE becomes.
pub(crate) fn of(sqlstate: &str) -> &'static Mapping {
    let whole = TABLE.iter().find(|mapping| mapping.sqlstate == sqlstate);
    let class = || {
        let class = sqlstate.get(..2)?;
        TABLE.iter().find(|mapping| mapping.sqlstate == class)
    };
    whole.or_else(class).unwrap_or(&OTHER)
}

/// A gRPC status as JSON and metrics spell it.
pub(crate) const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_longer_code_goes_before_its_class() {
        assert_eq!(of("23505").code, Code::AlreadyExists);
        assert_eq!(of("23502").code, Code::FailedPrecondition);
        assert_eq!(of("42P02").http, 400);
        assert_eq!(of("99999"), &OTHER);
        assert_eq!(of("é"), &OTHER);
        let codes: BTreeSet<_> = TABLE.iter().map(|mapping| mapping.sqlstate).collect();
        assert_eq!(codes.len(), TABLE.len(), "a code has two lines");
    }

    #[test]
    fn the_manual_prints_this_list() {
        let manual = include_str!("../../SERVER.md");
        let line = |mapping: &Mapping| {
            let sqlstate = match mapping.sqlstate.len() {
                2 => format!("`{}...`", mapping.sqlstate),
                _ => format!("`{}`", mapping.sqlstate),
            };
            let Mapping { http, meaning, .. } = mapping;
            format!(
                "| {sqlstate} | {meaning} | {} | {http} |\n",
                name(mapping.code)
            )
        };
        let special = [&NO_METHOD, &DEADLINE, &OTHER];
        let list: String = TABLE.iter().chain(special).map(line).collect();
        assert!(
            manual.contains(&list),
            "SERVER.md should have these lines:\n{list}"
        );
    }
}
