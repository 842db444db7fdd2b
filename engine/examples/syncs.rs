//! 1,000 durable one-row commits by as many threads as the argument says: to be watched with strace.

#![allow(clippy::print_stdout)]

use std::sync::atomic::{AtomicI64, Ordering};

use tailwater::{Database, params};

const COMMITS: i64 = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let writers: usize = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "1".to_owned())
        .parse()?;
    let folder = std::env::temp_dir().join(format!("tailwater-syncs-{}", std::process::id()));
    let db = Database::open(&folder)?;
    db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    let next = AtomicI64::new(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|_| {
                scope.spawn(|| -> tailwater::Result<()> {
                    loop {
                        let id = next.fetch_add(1, Ordering::Relaxed);
                        if id >= COMMITS {
                            return Ok(());
                        }
                        db.exec("INSERT INTO t VALUES (?)", params![id])?;
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().expect("a writer panicked"))
    })?;
    println!(
        "{}",
        db.query("SELECT count(*) FROM t", ())?.scalar::<i64>()?
    );
    drop(db);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
