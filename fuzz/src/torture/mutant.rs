//! The bugs that the harness must find: what proves that it would find others.
//!
//! Each is a name that stands in the source at the place that is wrong then, behind `tailwater_wal::mutant`. A process
//! has one at most. `tests/torture.rs` holds this list against the source. Next door: any room.

/// A bug on demand.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its name in the source.
    pub name: &'static str,
    /// What is wrong then.
    pub doc: &'static str,
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "skip_group_sync",
        doc: "a group is acknowledged after it was written, without a sync",
    },
    Mutant {
        name: "acknowledge_at_once",
        doc: "a ticket is kept when the record is in the buffer",
    },
    Mutant {
        name: "publish_before_durable",
        doc: "commits are visible and fed before their group is synced",
    },
    Mutant {
        name: "retry_failed_sync",
        doc: "a sync that failed is tried again and believed",
    },
    Mutant {
        name: "believe_failed_sync",
        doc: "a restarted process believes pages of a failed sync",
    },
    Mutant {
        name: "trust_unsynced_tail",
        doc: "recovery does not sync the tail it has read before it builds on it",
    },
    Mutant {
        name: "skip_segment_header_sync",
        doc: "a segment gets its name before its header is synced",
    },
    Mutant {
        name: "skip_segment_name_sync",
        doc: "records go to a segment whose name is not durable",
    },
    Mutant {
        name: "unpadded_groups",
        doc: "a group shares its first sector with the one before",
    },
    Mutant {
        name: "accept_any_salt",
        doc: "frames left from an earlier use of a file are taken for new ones",
    },
    Mutant {
        name: "skip_payload_checksum",
        doc: "a payload is taken as it is",
    },
    Mutant {
        name: "cut_what_was_confirmed",
        doc: "damage to confirmed records is cut off like a torn tail",
    },
    Mutant {
        name: "recycle_what_is_read",
        doc: "a segment's file is used again while a reader stands in it",
    },
    Mutant {
        name: "release_what_is_not_applied",
        doc: "segments go before a checkpoint has their records",
    },
    Mutant {
        name: "no_room_is_made_sure_of",
        doc: "a commit is sequenced without room for it in the log",
    },
    Mutant {
        name: "checkpoint_ahead_of_log",
        doc: "a checkpoint holds commits that the log may lose",
    },
    Mutant {
        name: "skip_storage_sync",
        doc: "the storage file is never synced",
    },
    Mutant {
        name: "no_header_copy",
        doc: "the storage file's header is written over without a copy",
    },
    Mutant {
        name: "page_sums_after_header",
        doc: "checksums of pages are not durable before the header that reaches the pages",
    },
    Mutant {
        name: "skip_page_sums_sync",
        doc: "checksums of pages are never synced",
    },
    Mutant {
        name: "believe_any_page",
        doc: "pages of the storage file are taken as they are",
    },
    Mutant {
        name: "drop_pending_generation",
        doc: "a generation that waits to be durable is forgotten by a checkpoint",
    },
    Mutant {
        name: "skip_tombstones_in_merge",
        doc: "a deleted row shows if an older layer has it",
    },
    Mutant {
        name: "skip_tombstones_in_checkpoint",
        doc: "a checkpoint leaves deleted rows in the file",
    },
    Mutant {
        name: "skip_first_record_in_replay",
        doc: "replay begins one record too late",
    },
    Mutant {
        name: "forget_state_section",
        doc: "replay leaves out index entries and the state of operators",
    },
    Mutant {
        name: "forget_derived_section",
        doc: "replay leaves out the rows of views",
    },
    Mutant {
        name: "forget_deletions_in_replay",
        doc: "replay leaves out deleted rows",
    },
    Mutant {
        name: "skip_conflict_check",
        doc: "the second of two transactions overwrites the first unseen",
    },
    Mutant {
        name: "forget_views_now_and_then",
        doc: "every fourth commit does not maintain the views",
    },
    Mutant {
        name: "resume_one_too_late",
        doc: "a feed goes on after the frame behind its token",
    },
    Mutant {
        name: "resume_one_too_early",
        doc: "a feed gives the frame of its token again",
    },
];

/// The mutant that is active in this process.
#[must_use]
pub fn active() -> Option<&'static str> {
    tailwater_wal::mutant::active()
}

/// Makes this process wrong, for as long as it lives. Says whether there is such a mutant.
pub fn activate(name: &str) -> bool {
    let found = MUTANTS.iter().find(|mutant| mutant.name == name);
    if let Some(mutant) = found {
        tailwater_wal::mutant::activate(mutant.name);
    }
    found.is_some()
}
