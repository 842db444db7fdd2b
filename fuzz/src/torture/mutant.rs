//! The bugs that the harness must find: what proves that it would find others.
//!
//! Each is a name that stands in the source at the place that is wrong then, behind `tailwater_wal::mutant`. A process
//! has one at most. `tests/torture.rs` holds this list against the source. Next door: any room.

use super::campaign::Mode;

/// A bug on demand.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its name in the source.
    pub name: &'static str,
    /// What finds it soonest.
    pub mode: Mode,
    /// What is wrong then.
    pub doc: &'static str,
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "skip_group_sync",
        mode: Mode::Exhaustive,
        doc: "a group is acknowledged after it was written, without a sync",
    },
    Mutant {
        name: "acknowledge_at_once",
        mode: Mode::Exhaustive,
        doc: "a ticket is kept when the record is in the buffer",
    },
    Mutant {
        name: "publish_before_durable",
        mode: Mode::Exhaustive,
        doc: "commits are visible and fed before their group is synced",
    },
    Mutant {
        name: "retry_failed_sync",
        mode: Mode::Faults,
        doc: "a sync that failed is tried again and believed",
    },
    Mutant {
        name: "believe_failed_sync",
        mode: Mode::Faults,
        doc: "a restarted process believes pages of a failed sync",
    },
    Mutant {
        name: "trust_unsynced_tail",
        mode: Mode::Faults,
        doc: "recovery does not sync the tail it has read before it builds on it",
    },
    Mutant {
        name: "skip_segment_header_sync",
        mode: Mode::Exhaustive,
        doc: "a segment gets its name before its header is synced",
    },
    Mutant {
        name: "skip_segment_name_sync",
        mode: Mode::Exhaustive,
        doc: "records go to a segment whose name is not durable",
    },
    Mutant {
        name: "unpadded_groups",
        mode: Mode::Exhaustive,
        doc: "a group shares its first sector with the one before",
    },
    Mutant {
        name: "accept_any_salt",
        mode: Mode::Random,
        doc: "frames left from an earlier use of a file are taken for new ones",
    },
    Mutant {
        name: "skip_payload_checksum",
        mode: Mode::Damage,
        doc: "a payload is taken as it is",
    },
    Mutant {
        name: "cut_what_was_confirmed",
        mode: Mode::Damage,
        doc: "damage to confirmed records is cut off like a torn tail",
    },
    Mutant {
        name: "recycle_what_is_read",
        mode: Mode::SlowReader,
        doc: "a segment's file is used again while a reader stands in it",
    },
    Mutant {
        name: "release_what_is_not_applied",
        mode: Mode::Random,
        doc: "segments go before a checkpoint has their records",
    },
    Mutant {
        name: "no_room_is_made_sure_of",
        mode: Mode::Random,
        doc: "a commit is sequenced without room for it in the log",
    },
    Mutant {
        name: "checkpoint_ahead_of_log",
        mode: Mode::Exhaustive,
        doc: "a checkpoint holds commits that the log may lose",
    },
    Mutant {
        name: "skip_storage_sync",
        mode: Mode::Exhaustive,
        doc: "the storage file is never synced",
    },
    Mutant {
        name: "no_header_copy",
        mode: Mode::Exhaustive,
        doc: "the storage file's header is written over without a copy",
    },
    Mutant {
        name: "page_sums_after_header",
        mode: Mode::Exhaustive,
        doc: "checksums of pages are not durable before the header that reaches the pages",
    },
    Mutant {
        name: "skip_page_sums_sync",
        mode: Mode::Exhaustive,
        doc: "checksums of pages are never synced",
    },
    Mutant {
        name: "believe_any_page",
        mode: Mode::Damage,
        doc: "pages of the storage file are taken as they are",
    },
    Mutant {
        name: "drop_pending_generation",
        mode: Mode::Exhaustive,
        doc: "a generation that waits to be durable is forgotten by a checkpoint",
    },
    Mutant {
        name: "skip_tombstones_in_merge",
        mode: Mode::Random,
        doc: "a deleted row shows if an older layer has it",
    },
    Mutant {
        name: "skip_tombstones_in_checkpoint",
        mode: Mode::Exhaustive,
        doc: "a checkpoint leaves deleted rows in the file",
    },
    Mutant {
        name: "skip_first_record_in_replay",
        mode: Mode::Exhaustive,
        doc: "replay begins one record too late",
    },
    Mutant {
        name: "forget_state_section",
        mode: Mode::Random,
        doc: "replay leaves out index entries and the state of operators",
    },
    Mutant {
        name: "forget_derived_section",
        mode: Mode::Random,
        doc: "replay leaves out the rows of views",
    },
    Mutant {
        name: "forget_deletions_in_replay",
        mode: Mode::Random,
        doc: "replay leaves out deleted rows",
    },
    Mutant {
        name: "skip_conflict_check",
        mode: Mode::Random,
        doc: "the second of two transactions overwrites the first unseen",
    },
    Mutant {
        name: "forget_views_now_and_then",
        mode: Mode::Random,
        doc: "every fourth commit does not maintain the views",
    },
    Mutant {
        name: "resume_one_too_late",
        mode: Mode::Random,
        doc: "a feed goes on after the frame behind its token",
    },
    Mutant {
        name: "resume_one_too_early",
        mode: Mode::Random,
        doc: "a feed gives the frame of its token again",
    },
];

/// The mutant that is active in this process.
#[must_use]
pub fn active() -> Option<&'static str> {
    tailwater_wal::mutant::active()
}

/// Makes this process wrong, for as long as it lives; `None` if there is no such mutant.
pub fn activate(name: &str) -> Option<&'static Mutant> {
    let found = MUTANTS.iter().find(|mutant| mutant.name == name)?;
    tailwater_wal::mutant::activate(found.name);
    Some(found)
}
