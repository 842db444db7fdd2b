//! Panics that are caught and become damage in a report are not printed as well.

/// From now on panics of the storage file's library, on pages that are not what they were, print nothing.
pub(crate) fn quiet_damaged_pages() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let of_library = panic
            .location()
            .is_some_and(|place| place.file().contains("redb"));
        if !of_library {
            print(panic);
        }
    }));
}
