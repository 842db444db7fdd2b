//! Slots: what they hold back, for how long, and that a crash at any step neither loses one nor sets it forward.
//!
//! Next door: `tail`, where readers follow without them.

use std::time::Duration;

use super::*;
use crate::error::Error;
use crate::log::slots::{Slot, SlotState};
use crate::settings::SyncMode;

/// Everything goes as soon as it is applied, unless a slot holds it.
fn strict() -> Settings {
    Settings {
        segment_bytes: 16 << 10,
        retain_age: Duration::ZERO,
        ..quiet()
    }
}

fn named(wal: &Wal, name: &str) -> Slot {
    let found = wal.slots().into_iter().find(|slot| slot.name == name);
    found.unwrap()
}

fn release_all(wal: &Wal) {
    wal.release(wal.durable_lsn()).unwrap();
}

fn drain(wal: &Wal, after: Lsn) -> u64 {
    let mut reader = wal.reader(after).unwrap();
    let mut last = after.0;
    while let Some((lsn, _)) = reader.next().unwrap() {
        assert_eq!(lsn.0, last + 1);
        last = lsn.0;
    }
    last
}

#[test]
fn a_slot_holds_what_follows_it_through_restarts() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, strict());
    commit(&wal, 1..=10, 3000);
    let slot = wal.slot("search").unwrap();
    assert_eq!((slot.lsn, slot.state), (Lsn(10), SlotState::Active));
    commit(&wal, 11..=40, 3000);
    release_all(&wal);
    assert!(wal.first_retained_lsn() <= Lsn(11));
    assert!(
        wal.first_retained_lsn() > Lsn(5),
        "what nobody holds is gone"
    );
    assert_eq!(drain(&wal, slot.lsn), 40);
    assert!(named(&wal, "search").held_bytes > 90_000);
    let vfs = vfs.crash();
    drop(wal);
    let wal = recover(&vfs, strict(), Lsn(40)).unwrap().wal;
    assert_eq!(named(&wal, "search").lsn, Lsn(10));
    release_all(&wal);
    assert_eq!(drain(&wal, Lsn(10)), 40);
    // Asking for it again changes nothing; back it does not go.
    assert_eq!(wal.slot("search").unwrap().lsn, Lsn(10));
    assert_eq!(wal.advance_slot("search", Lsn(30)).unwrap().lsn, Lsn(30));
    assert_eq!(wal.advance_slot("search", Lsn(20)).unwrap().lsn, Lsn(30));
    assert_eq!(wal.advance_slot("search", Lsn(99)).unwrap().lsn, Lsn(40));
    release_all(&wal);
    assert!(wal.first_retained_lsn() > Lsn(30));
    // Another one, and without the first.
    wal.slot("audit").unwrap();
    assert!(wal.drop_slot("search").unwrap());
    assert!(!wal.drop_slot("search").unwrap());
    let unknown = wal.advance_slot("search", Lsn(40)).unwrap_err();
    assert!(unknown.to_string().contains("\"search\""), "{unknown}");
    wal.close().unwrap();
    assert!(matches!(wal.slot("late"), Err(Error::Closed)));
    drop(wal);
    let wal = recover(&vfs, strict(), Lsn(40)).unwrap().wal;
    let names: Vec<String> = wal.slots().into_iter().map(|slot| slot.name).collect();
    assert_eq!(names, ["audit"]);
    for bad in ["", "Search", "a b", "ä", &"x".repeat(64)] {
        let refused = wal.slot(bad).unwrap_err();
        assert!(
            matches!(refused, Error::SlotName { .. }),
            "{bad}: {refused}"
        );
    }
}

#[test]
fn past_its_cap_a_slot_is_lost_and_its_reader_is_told() {
    for by_age in [true, false] {
        let settings = Settings {
            slot_bytes_max: if by_age { u64::MAX } else { 50_000 },
            slot_age: if by_age {
                Duration::ZERO
            } else {
                Duration::MAX
            },
            ..strict()
        };
        let vfs = MemoryVfs::new();
        let wal = create(&vfs, settings.clone());
        wal.slot("slow").unwrap();
        commit(&wal, 1..=10, 3000);
        if !by_age {
            release_all(&wal);
            assert_eq!(drain(&wal, Lsn(0)), 10);
        }
        commit(&wal, 11..=60, 3000);
        release_all(&wal);
        assert_eq!(named(&wal, "slow").state, SlotState::Lost);
        assert!(matches!(wal.reader(Lsn(0)), Err(Error::Released { .. })));
        let vfs = vfs.crash();
        drop(wal);
        let wal = recover(&vfs, settings.clone(), Lsn(60)).unwrap().wal;
        let slot = named(&wal, "slow");
        assert_eq!((slot.lsn, slot.state), (Lsn(0), SlotState::Lost));
        // Its reader has read a snapshot and goes on from there, even after a crash at once.
        let slot = wal.advance_slot("slow", Lsn(60)).unwrap();
        assert_eq!((slot.lsn, slot.state), (Lsn(60), SlotState::Active));
        let vfs = vfs.crash();
        drop(wal);
        let wal = recover(&vfs, settings, Lsn(60)).unwrap().wal;
        assert_eq!(named(&wal, "slow").state, SlotState::Active);
    }
}

/// In a lazy mode a reader may be ahead of what is durable; a crash takes those records back, and their numbers with them.
#[test]
fn a_slot_never_stands_behind_the_end_of_the_log() {
    let settings = Settings {
        sync: SyncMode::Off,
        ..strict()
    };
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, settings.clone());
    wal.slot("replica").unwrap();
    commit(&wal, 1..=3, 10);
    assert_eq!(drain(&wal, Lsn(0)), 3);
    assert_eq!(wal.advance_slot("replica", Lsn(3)).unwrap().lsn, Lsn(0));
    wal.flush().unwrap();
    assert_eq!(wal.advance_slot("replica", Lsn(3)).unwrap().lsn, Lsn(3));
    wal.close().unwrap();
    drop(wal);
    // The log is gone, and starts anew; the slots were left.
    let dir = Path::new(DIR);
    for name in vfs.list(dir).unwrap() {
        if name.ends_with(".seg") {
            vfs.remove(&dir.join(name)).unwrap();
        }
    }
    let wal = recover(&vfs, settings, Lsn::ZERO).unwrap().wal;
    assert_eq!(named(&wal, "replica").lsn, Lsn(0));
}

#[test]
fn slots_that_cannot_be_read_are_an_error_that_says_how_to_go_on() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, strict());
    wal.slot("a").unwrap();
    wal.slot("b").unwrap();
    wal.close().unwrap();
    drop(wal);
    let path = Path::new(DIR).join("slots");
    let len = open(&vfs, &path).len().unwrap();
    for place in 0..len {
        let vfs = copy(&vfs);
        let file = open(&vfs, &path);
        let mut byte = [0];
        file.read_exact_at(&mut byte, place).unwrap();
        file.write_all_at(&[byte[0] ^ 4], place).unwrap();
        let error = recover(&vfs, strict(), Lsn::ZERO).err().unwrap();
        assert!(matches!(error, Error::DamagedSlots { .. }), "{error}");
        file.set_len(place).unwrap();
        assert!(recover(&vfs, strict(), Lsn::ZERO).is_err());
        vfs.remove(&path).unwrap();
        let found = recover(&vfs, strict(), Lsn::ZERO).unwrap();
        assert_eq!(found.wal.slots(), []);
    }
}

/// One write or sync after the other fails, the machine goes down, and what was not synced survives or not.
#[test]
fn a_crash_at_any_step_keeps_slots_and_what_they_hold() {
    for step in 0..70 {
        for (fails_sync, dice) in [(false, 0), (false, 2), (true, 1), (true, 3), (false, 1)] {
            let mut rng = Rng(step.into());
            let vfs = MemoryVfs::new();
            let wal = create(&vfs, strict());
            if fails_sync {
                vfs.fail_sync_after(step);
            } else {
                vfs.fail_write_after(step);
            }
            // Name, position at least, position at most, of those whose making was acknowledged.
            let mut made: Vec<(&str, Lsn, Lsn)> = Vec::new();
            let mut maybe_dropped = "";
            let mut ran = || -> Result<()> {
                let mut last = 0;
                for round in 0..6 {
                    for _ in 0..5 {
                        last += 1;
                        wal.append(Lsn(last), payload(last, 2500))?;
                        wal.ticket(Lsn(last)).wait()?;
                    }
                    match round {
                        0 | 2 => {
                            let name = if round == 0 { "one" } else { "two" };
                            let lsn = wal.slot(name)?.lsn;
                            made.push((name, lsn, lsn));
                        }
                        1 | 4 => {
                            made[0].2 = Lsn(last - 2);
                            wal.advance_slot("one", Lsn(last - 2))?;
                        }
                        3 => {
                            maybe_dropped = "two";
                            assert!(wal.drop_slot("two")?);
                            made.remove(1);
                        }
                        _ => {}
                    }
                    wal.release(wal.durable_lsn())?;
                    // Only now must a crash find it.
                    if round == 4 {
                        made[0].1 = Lsn(last - 5);
                    }
                }
                Ok(())
            };
            _ = ran();
            let durable = wal.durable_lsn();
            let next = vfs.crash_keeping(&mut |_| dice > 0 && rng.below(dice) == 0);
            next.fail_sync_after(u32::MAX);
            next.fail_write_after(u32::MAX);
            drop(wal);
            let what = format!("step {step} sync {fails_sync} dice {dice}");
            let found =
                recover(&next, strict(), durable).unwrap_or_else(|error| panic!("{what}: {error}"));
            let slots = found.wal.slots();
            for (name, least, most) in &made {
                let slot = slots.iter().find(|slot| slot.name == *name);
                let Some(slot) = slot else {
                    assert_eq!(*name, maybe_dropped, "{what}: {slots:?}");
                    continue;
                };
                assert!(slot.lsn >= *least && slot.lsn <= *most, "{what}: {slot:?}");
                assert_eq!(slot.state, SlotState::Active, "{what}: {slot:?}");
                found.wal.release(found.wal.durable_lsn()).unwrap();
                assert_eq!(drain(&found.wal, slot.lsn), found.report.last_lsn.0);
            }
        }
    }
}

/// A full disk must not keep the log from giving space back: then only what the file says is held counts.
#[test]
fn on_a_full_disk_segments_go_as_far_as_the_file_says() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, strict());
    wal.slot("reader").unwrap();
    commit(&wal, 1..=30, 3000);
    wal.advance_slot("reader", Lsn(15)).unwrap();
    release_all(&wal);
    let oldest = wal.first_retained_lsn();
    assert!(oldest > Lsn(10) && oldest <= Lsn(16));
    wal.advance_slot("reader", Lsn(30)).unwrap();
    vfs.set_capacity_bytes(0);
    release_all(&wal);
    assert!(
        wal.first_retained_lsn() <= Lsn(16),
        "a crash finds it at 15"
    );
    let crashed = copy(&vfs);
    assert_eq!(
        named(&recover(&crashed, strict(), Lsn(30)).unwrap().wal, "reader").lsn,
        Lsn(15)
    );
    vfs.set_capacity_bytes(u64::MAX);
    release_all(&wal);
    assert!(wal.first_retained_lsn() > Lsn(20));
}
