//! Documents: rows without a schema, written from structs and read back into them.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use tailwater::{Database, params, ser};

#[derive(Serialize, Deserialize, Debug)]
struct Order {
    id: i64,
    customer: Customer,
    items: Vec<Item>,
    note: Option<String>,
}

#[derive(Serialize, Deserialize, Debug)]
struct Customer {
    name: String,
    city: String,
}

#[derive(Serialize, Deserialize, Debug)]
struct Item {
    name: String,
    cents: i64,
}

fn order(id: i64, name: &str, city: &str, items: &[(&str, i64)]) -> Order {
    Order {
        id,
        customer: Customer {
            name: name.to_owned(),
            city: city.to_owned(),
        },
        items: items
            .iter()
            .map(|(name, cents)| Item {
                name: (*name).to_owned(),
                cents: *cents,
            })
            .collect(),
        note: (id == 2).then(|| "leave at the door".to_owned()),
    }
}

fn main() -> tailwater::Result<()> {
    let db = Database::memory()?;
    db.exec("CREATE TABLE orders", ())?;
    db.exec("CREATE INDEX orders_city ON orders (customer.city)", ())?;
    for order in [
        order(1, "Ada", "London", &[("tea", 450), ("salt", 120)]),
        order(2, "Grace", "New York", &[("rope", 900)]),
    ] {
        db.exec("INSERT INTO orders VALUES ?", params![ser(&order)])?;
    }
    db.exec(
        "UPDATE orders SET customer.city = 'Arlington' WHERE customer.name = 'Grace'",
        (),
    )?;
    let first: i64 = db
        .query(
            "SELECT items[0].cents FROM orders WHERE customer.city = ?",
            params!["London"],
        )?
        .scalar()?;
    println!("the first item for London costs {first}");
    let orders: Vec<Order> = db
        .query("SELECT * FROM orders ORDER BY id", ())?
        .rows_as()?;
    for order in orders {
        println!("{order:?}");
    }
    Ok(())
}
