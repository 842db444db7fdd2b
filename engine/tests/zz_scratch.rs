//! scratch
use tailwater::*;
#[test]
fn scratch() {
    let file = std::env::var("SCRATCH").unwrap();
    let sql = std::fs::read_to_string(file).unwrap();
    let db = Database::memory().unwrap();
    let mut s = db.session();
    for stmt in sql.split(";\n") {
        if stmt.trim().is_empty() {
            continue;
        }
        let t = std::time::Instant::now();
        println!("> {}", stmt.trim());
        match s.execute(stmt, ()) {
            Ok(Outcome::Rows(rows)) => {
                for r in rows {
                    match r {
                        Ok(r) => println!(
                            "   {}",
                            r.values()
                                .iter()
                                .map(|v| format!("{v}"))
                                .collect::<Vec<_>>()
                                .join("|")
                        ),
                        Err(e) => println!("   ROW ERROR {} {e}", e.sqlstate()),
                    }
                }
            }
            Ok(o) => println!("   {o:?}"),
            Err(e) => println!(
                "   ERROR {} {:?} pos={:?} obj={:?} hint={:?} {}",
                e.sqlstate(),
                e.kind(),
                e.position(),
                e.object(),
                e.hint(),
                e.message()
            ),
        }
        println!("   {:?}", t.elapsed());
    }
}
