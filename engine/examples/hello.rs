//! The smallest program: a table, a view that keeps itself up to date, a query.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use tailwater::{Database, params};

fn main() -> tailwater::Result<()> {
    let db = Database::memory()?;
    db.exec(
        "CREATE TABLE orders (id INT PRIMARY KEY, cust TEXT, total INT)",
        (),
    )?;
    db.exec(
        "CREATE MATERIALIZED VIEW by_cust AS
         SELECT cust, count(*) AS n, sum(total) AS s FROM orders GROUP BY cust",
        (),
    )?;
    for (id, cust, total) in [(1, "ada", 30), (2, "ada", 12), (3, "grace", 7)] {
        db.exec(
            "INSERT INTO orders VALUES (?, ?, ?)",
            params![id, cust, total],
        )?;
    }
    db.exec("DELETE FROM orders WHERE id = 3", ())?;
    for row in db.query("SELECT cust, n, s FROM by_cust ORDER BY cust", ())? {
        let row = row?;
        println!(
            "{}: {} orders, {}",
            row.get::<String>("cust")?,
            row.get::<i64>("n")?,
            row.get::<i64>("s")?
        );
    }
    Ok(())
}
