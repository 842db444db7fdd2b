"""Folds `tailwater feed` as any program could, killing it again and again, and compares the fold with the view.

Usage: fold.py TAILWATER DB COMMITS KILLS SEED

Each life of the process does both halves: it runs INSERTs from its standard input (--with-sql -), each a commit, and
prints the feed. The consumer keeps the token of the last frame it took in and hands it to the next life. The writer
goes on after the last row that survived.
"""

import json
import random
import subprocess
import sys
import threading

tailwater, db, commits, kills, seed = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
chance = random.Random(seed)
print("seed", seed)


def shell(sql, *options):
    done = subprocess.run([tailwater, db, *options, "-c", sql], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{sql}: {done.stderr}")
    return done.stdout


def write(stdin, first):
    try:
        for number in range(first, commits + 1):
            row = random.Random(number)
            stdin.write(f"INSERT INTO t VALUES ({number}, 'c{row.randrange(100)}', {row.randrange(1000)});\n")
        stdin.close()
    except OSError:
        pass  # killed meanwhile


shell(
    "CREATE TABLE t (id BIGINT PRIMARY KEY, cust TEXT, total BIGINT);"
    "CREATE MATERIALIZED VIEW v AS SELECT cust, count(*) AS n, sum(total) AS s FROM t GROUP BY cust"
)

rows = {}
token = None
last_lsn = 0
frames = 0
killed = 0

while True:
    last = shell("SELECT max(id) FROM t", "--mode", "list").strip()
    first = int(last) + 1 if last else 1
    since = ["--since", token] if token else []
    process = subprocess.Popen(
        [tailwater, "feed", db, "v", "--with-sql", "-", "--no-follow", *since],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    writer = threading.Thread(target=write, args=(process.stdin, first))
    writer.start()
    # The last life, and only that one, is left alone.
    share = max(1, (commits - frames) // (kills - killed + 1))
    budget = chance.randrange(share // 2, share) if killed < kills else None
    for line in process.stdout:
        event = json.loads(line)
        if "snapshot_begin" in event or "reset" in event:
            rows.clear()
        elif "snapshot" in event:
            rows.update((row["key"], row["row"]) for row in event["rows"])
        elif "snapshot_end" in event:
            last_lsn = event["lsn"]
        else:
            if event["lsn"] <= last_lsn:
                sys.exit(f"commit {event['lsn']} was told after {last_lsn}")
            last_lsn = event["lsn"]
            frames += 1
            for change in event["changes"]:
                known = rows.get(change["key"])
                if known != change.get("before"):
                    sys.exit(f"{change} does not fit {known}")
                if change["op"] == "delete":
                    del rows[change["key"]]
                else:
                    rows[change["key"]] = change["after"]
            if budget is not None:
                budget -= 1
        token = event.get("token", token)
        if budget is not None and budget <= 0:
            process.kill()
            killed += 1
            break
    process.stdout.close()
    code = process.wait()
    writer.join()
    if budget is None:
        if code != 0:
            sys.exit(f"the feed ended with {code}")
        break
    if code == 0:
        sys.exit("the feed ended before it was killed")

view = json.loads(shell("SELECT * FROM v", "--mode", "json"))
print(f"{frames} frames, {killed} kills, {len(rows)} rows, last lsn {last_lsn}")


def ordered(rows):
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


if ordered(rows.values()) != ordered(view):
    sys.exit("the fold is not the view")
if int(shell("SELECT count(*) FROM t", "--mode", "list")) != commits:
    sys.exit("rows are missing")
print("equal")
