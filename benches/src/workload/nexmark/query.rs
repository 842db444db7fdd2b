//! `QUERIES`: the benchmark's queries that our views keep, and, where SQLite has the functions for it, what its
//! triggers do instead. Not here are q5 (sliding windows), q6, q9, q18 and q19 (window functions), which views refuse,
//! and q11 to q13 and q23, for which no results are known (session windows, processing time, a side table, a join of
//! three).
//! Next door: `stream`, the tables these read.

/// One of the benchmark's queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its number in the benchmark.
    pub number: u8,
    /// The query.
    pub sql: &'static str,
    /// Tables and triggers that keep its rows in SQLite while rows are only inserted.
    pub sqlite: Option<&'static str>,
}

const fn query(number: u8, sql: &'static str, sqlite: Option<&'static str>) -> Query {
    Query {
        number,
        sql,
        sqlite,
    }
}

/// Windows of 10 seconds are counted from here.
macro_rules! ten_seconds {
    () => {
        "date_bin('10 seconds', date_time, TIMESTAMP '2000-01-01')"
    };
}

/// How many bids of which price: q15, q16 and q17 begin so.
macro_rules! bids_by_rank {
    () => {
        "count(*) AS total_bids,
         count(*) FILTER (WHERE price < 10000) AS rank1_bids,
         count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
         count(*) FILTER (WHERE price >= 1000000) AS rank3_bids"
    };
}

/// All that can be maintained.
pub const QUERIES: &[Query] = &[
    query(
        0,
        "SELECT auction, bidder, price, date_time, extra FROM bid",
        Some(
            "CREATE TABLE q0 (auction INTEGER, bidder INTEGER, price INTEGER, date_time INTEGER, extra TEXT);
             CREATE TRIGGER keep AFTER INSERT ON bid BEGIN
                 INSERT INTO q0 VALUES (new.auction, new.bidder, new.price, new.date_time, new.extra);
             END",
        ),
    ),
    query(
        1,
        "SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM bid",
        Some(
            "CREATE TABLE q1 (auction INTEGER, bidder INTEGER, price REAL, date_time INTEGER, extra TEXT);
             CREATE TRIGGER keep AFTER INSERT ON bid BEGIN
                 INSERT INTO q1 VALUES (new.auction, new.bidder, 0.908 * new.price, new.date_time, new.extra);
             END",
        ),
    ),
    query(
        2,
        "SELECT auction, price FROM bid WHERE auction % 123 = 0",
        Some(
            "CREATE TABLE q2 (auction INTEGER, price INTEGER);
             CREATE TRIGGER keep AFTER INSERT ON bid WHEN new.auction % 123 = 0 BEGIN
                 INSERT INTO q2 VALUES (new.auction, new.price);
             END",
        ),
    ),
    query(
        3,
        "SELECT person.name, person.city, person.state, auction.id
         FROM auction JOIN person ON auction.seller = person.id
         WHERE auction.category = 10 AND person.state IN ('or', 'id', 'ca')",
        Some(
            "CREATE INDEX auction_by_seller ON auction (seller);
             CREATE TABLE q3 (name TEXT, city TEXT, state TEXT, id INTEGER);
             CREATE TRIGGER keep_auction AFTER INSERT ON auction WHEN new.category = 10 BEGIN
                 INSERT INTO q3 SELECT name, city, state, new.id FROM person
                 WHERE id = new.seller AND state IN ('or', 'id', 'ca');
             END;
             CREATE TRIGGER keep_person AFTER INSERT ON person WHEN new.state IN ('or', 'id', 'ca') BEGIN
                 INSERT INTO q3 SELECT new.name, new.city, new.state, id FROM auction
                 WHERE seller = new.id AND category = 10;
             END",
        ),
    ),
    query(
        4,
        "SELECT category, avg(final) AS avg
         FROM (SELECT max(bid.price) AS final, auction.category
               FROM auction JOIN bid ON auction.id = bid.auction
               WHERE bid.date_time BETWEEN auction.date_time AND auction.expires
               GROUP BY auction.id, auction.category) AS best
         GROUP BY category",
        None,
    ),
    query(
        7,
        concat!(
            "SELECT bid.auction, bid.price, bid.bidder, bid.date_time, bid.extra
             FROM bid JOIN (SELECT max(price) AS price, ",
            ten_seconds!(),
            " + INTERVAL '10 seconds' AS until FROM bid GROUP BY 2) AS best ON bid.price = best.price
             WHERE bid.date_time BETWEEN best.until - INTERVAL '10 seconds' AND best.until"
        ),
        None,
    ),
    query(
        8,
        concat!(
            "SELECT new_person.id, new_person.name, new_person.since
             FROM (SELECT id, name, ",
            ten_seconds!(),
            " AS since FROM person GROUP BY 1, 2, 3) AS new_person
             JOIN (SELECT seller, ",
            ten_seconds!(),
            " AS since FROM auction GROUP BY 1, 2) AS new_seller
             ON new_person.id = new_seller.seller AND new_person.since = new_seller.since"
        ),
        None,
    ),
    query(
        10,
        "SELECT auction, bidder, price, date_time, extra,
                to_char(date_time, 'YYYY-MM-DD') AS day, to_char(date_time, 'HH24:MI') AS minute
         FROM bid",
        None,
    ),
    query(
        14,
        "SELECT auction, bidder, 0.908 * price AS price,
                CASE WHEN extract(hour FROM date_time) BETWEEN 8 AND 18 THEN 'dayTime'
                     WHEN extract(hour FROM date_time) <= 6 OR extract(hour FROM date_time) >= 20 THEN 'nightTime'
                     ELSE 'otherTime' END AS time_of_day,
                date_time, extra, length(extra) - length(replace(extra, 'c', '')) AS letters_c
         FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000",
        None,
    ),
    query(
        15,
        concat!(
            "SELECT to_char(date_time, 'YYYY-MM-DD') AS day, ",
            bids_by_rank!(),
            ", count(DISTINCT bidder) AS total_bidders,
             count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
             count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
             count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
             count(DISTINCT auction) AS total_auctions,
             count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
             count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
             count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
             FROM bid GROUP BY 1"
        ),
        None,
    ),
    query(
        16,
        concat!(
            "SELECT channel, to_char(date_time, 'YYYY-MM-DD') AS day,
             max(to_char(date_time, 'HH24:MI')) AS minute, ",
            bids_by_rank!(),
            ", count(DISTINCT bidder) AS total_bidders,
             count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
             count(DISTINCT auction) AS total_auctions
             FROM bid GROUP BY 1, 2"
        ),
        None,
    ),
    query(
        17,
        concat!(
            "SELECT auction, to_char(date_time, 'YYYY-MM-DD') AS day, ",
            bids_by_rank!(),
            ", min(price) AS min_price, max(price) AS max_price,
             avg(price) AS avg_price, sum(price) AS sum_price
             FROM bid GROUP BY 1, 2"
        ),
        // The average is left to whoever reads: sum by count.
        Some(
            "CREATE TABLE q17 (auction INTEGER, day TEXT, total_bids INTEGER,
                 rank1_bids INTEGER, rank2_bids INTEGER, rank3_bids INTEGER,
                 min_price INTEGER, max_price INTEGER, sum_price INTEGER,
                 PRIMARY KEY (auction, day)) WITHOUT ROWID;
             CREATE TRIGGER keep AFTER INSERT ON bid BEGIN
                 INSERT INTO q17 VALUES (new.auction, strftime('%Y-%m-%d', new.date_time / 1000, 'unixepoch'), 1,
                     new.price < 10000, new.price >= 10000 AND new.price < 1000000, new.price >= 1000000,
                     new.price, new.price, new.price)
                 ON CONFLICT (auction, day) DO UPDATE SET total_bids = total_bids + 1,
                     rank1_bids = rank1_bids + excluded.rank1_bids,
                     rank2_bids = rank2_bids + excluded.rank2_bids,
                     rank3_bids = rank3_bids + excluded.rank3_bids,
                     min_price = min(min_price, excluded.min_price),
                     max_price = max(max_price, excluded.max_price),
                     sum_price = sum_price + excluded.sum_price;
             END",
        ),
    ),
    query(
        20,
        "SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url,
                bid.date_time AS bid_date_time, bid.extra AS bid_extra,
                item_name, description, initial_bid, reserve,
                auction.date_time AS auction_date_time, expires, seller, category, auction.extra AS auction_extra
         FROM bid JOIN auction ON bid.auction = auction.id WHERE auction.category = 10",
        Some(
            "CREATE INDEX bid_by_auction ON bid (auction);
             CREATE TABLE q20 (auction INTEGER, bidder INTEGER, price INTEGER, channel TEXT, url TEXT,
                 bid_date_time INTEGER, bid_extra TEXT, item_name TEXT, description TEXT, initial_bid INTEGER,
                 reserve INTEGER, auction_date_time INTEGER, expires INTEGER, seller INTEGER, category INTEGER,
                 auction_extra TEXT);
             CREATE TRIGGER keep_bid AFTER INSERT ON bid BEGIN
                 INSERT INTO q20 SELECT new.auction, new.bidder, new.price, new.channel, new.url, new.date_time,
                     new.extra, item_name, description, initial_bid, reserve, date_time, expires, seller, category,
                     extra
                 FROM auction WHERE id = new.auction AND category = 10;
             END;
             CREATE TRIGGER keep_auction AFTER INSERT ON auction WHEN new.category = 10 BEGIN
                 INSERT INTO q20 SELECT auction, bidder, price, channel, url, date_time, extra, new.item_name,
                     new.description, new.initial_bid, new.reserve, new.date_time, new.expires, new.seller,
                     new.category, new.extra
                 FROM bid WHERE auction = new.id;
             END",
        ),
    ),
    // Subscripts count from 0, as in paths of documents: [1] is the second group.
    query(
        21,
        "SELECT auction, bidder, price, channel,
                CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1'
                     WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
                     ELSE (regexp_match(url, '(&|^)channel_id=([^&]*)'))[1] END AS channel_id
         FROM bid
         WHERE (regexp_match(url, '(&|^)channel_id=([^&]*)'))[1] IS NOT NULL
            OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu')",
        None,
    ),
    query(
        22,
        "SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1,
                split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3 FROM bid",
        None,
    ),
];

/// The query of that number.
#[must_use]
pub fn numbered(number: u8) -> Option<&'static Query> {
    QUERIES.iter().find(|query| query.number == number)
}
