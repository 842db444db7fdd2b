#!/usr/bin/env python3
"""Checks what a user of the crate `tailwater` can name: every item has a runnable example that asserts something,
and every type in a signature can be named through `tailwater::`.

`rustdoc --show-coverage` is blind to what a private module declares and the crate re-exports, and to methods. So this
walks rustdoc's own description of the crates (JSON) from the root of `tailwater` through its re-exports, into the
rooms they come from. Exit 1, with a line for each item that is wanting."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRATE = "tailwater"
NEED_EXAMPLE = {"module", "function", "struct", "enum", "union", "trait", "macro", "proc_macro", "constant",
                "assoc_const", "type_alias", "static"}
# Crates whose items users name by themselves.
COMMON = {"std", "core", "alloc", "serde", "serde_core", "futures_core"}
NOT_RUN = {"ignore", "no_run", "compile_fail", "text", "sql", "toml", "json", "console", "sh", "bash"}


def describe():
    """Lets rustdoc describe the workspace's libraries; returns the folder of the descriptions."""
    with tempfile.TemporaryDirectory() as folder:
        # The JSON output is unstable. Only rustdoc is told so: set for cargo, dependencies would be built anew.
        rustdoc = pathlib.Path(folder, "rustdoc")
        rustdoc.write_text('#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n')
        rustdoc.chmod(0o755)
        env = dict(os.environ, RUSTDOC=str(rustdoc), RUSTDOCFLAGS="-Z unstable-options --output-format json")
        subprocess.run(["cargo", "doc", "--quiet", "--workspace", "--lib", "--no-deps"], cwd=ROOT, env=env, check=True)
    metadata = subprocess.run(["cargo", "metadata", "--format-version=1", "--no-deps"], cwd=ROOT, check=True,
                              capture_output=True)
    return pathlib.Path(json.loads(metadata.stdout)["target_directory"], "doc")


class Crate:
    """One crate as rustdoc describes it."""

    def __init__(self, folder, name):
        self.name = name
        self.text = json.loads(pathlib.Path(folder, f"{name}.json").read_text())
        self.index = self.text["index"]
        self.ids = {tuple(entry["path"]): key for key, entry in self.text["paths"].items() if entry["crate_id"] == 0}

    def item(self, key):
        return self.index.get(str(key))

    def path(self, key):
        """Where an item is declared, its crate first; None for what has no path of its own."""
        entry = self.text["paths"].get(str(key))
        return tuple(entry["path"]) if entry else None


def example_of(docs):
    """'runs', or what is wrong with the examples of a doc comment."""
    runs, inside, wanted = False, False, False
    found = "has no example"
    for line in (docs or "").splitlines():
        mark = line.strip()
        if mark.startswith("```"):
            inside = not inside
            if inside:
                wanted = not NOT_RUN & set(mark.strip("`").replace(",", " ").split())
                found = found if runs or not wanted else "has an example that asserts nothing"
        elif inside and wanted and "assert" in line:
            runs = True
    return "runs" if runs else found


class Walk:
    def __init__(self, folder):
        self.folder = folder
        self.crates = {}
        self.seen = set()
        self.reached = set()
        self.mentioned = {}
        self.items = 0
        self.wanting = []

    def crate(self, name):
        if name not in self.crates and pathlib.Path(self.folder, f"{name}.json").exists():
            self.crates[name] = Crate(self.folder, name)
        return self.crates.get(name)

    def visit(self, crate, key, shown):
        item = crate.item(key)
        if item is None:
            return self.cross(crate, key, shown)
        if (crate.name, str(key)) in self.seen:
            return None
        (kind, inner), = item["inner"].items()
        if kind == "use":
            return self.follow(crate, inner, shown)
        self.seen.add((crate.name, str(key)))
        name = item["name"] if shown is None else f"{shown}::{item['name']}"
        if path := crate.path(key):
            self.reached.add(path)
        if kind in NEED_EXAMPLE:
            self.items += 1
            if (verdict := example_of(item["docs"])) != "runs":
                span = item["span"] or {"filename": crate.name, "begin": [0]}
                self.wanting.append(f"{span['filename']}:{span['begin'][0]}: {kind} {name} {verdict}")
        if kind == "module":
            for child in inner["items"]:
                self.visit(crate, child, name)
            return None
        self.mention(crate, inner, name)
        for child in inner.get("impls", []) if isinstance(inner, dict) else []:
            implementation = crate.item(child)
            if implementation and implementation["inner"]["impl"]["trait"] is None:
                for method in implementation["inner"]["impl"]["items"]:
                    if crate.item(method) and crate.item(method)["visibility"] == "public":
                        self.visit(crate, method, name)
        if kind == "trait":
            for method in inner["items"]:
                self.visit(crate, method, name)
        return None

    def follow(self, crate, use, shown):
        if use["id"] is None:
            return
        target = crate.item(use["id"])
        if use["is_glob"] and target is not None:
            (kind, inner), = target["inner"].items()
            for child in inner["items"] if kind == "module" else []:
                self.visit(crate, child, shown)
        else:
            self.visit(crate, use["id"], shown)

    def cross(self, crate, key, shown):
        """Goes on in the crate that declares the item; those of other projects need no examples of ours."""
        path = crate.path(key)
        if path is None:
            return
        self.reached.add(path)
        other = self.crate(path[0]) if path[0].startswith(CRATE) and path[0] != crate.name else None
        if other is not None:
            self.visit(other, other.ids[path], shown)

    def mention(self, crate, part, shown):
        """Notes what a signature names: types of fields and variants, of parameters and results, bounds."""
        if isinstance(part, dict):
            if "id" in part and "path" in part and (path := crate.path(part["id"])):
                self.mentioned.setdefault(path, shown)
            for name, inner in part.items():
                if name in ("fields", "variants", "tuple"):
                    self.members(crate, inner, shown)
                elif name not in ("impls", "implementations", "items"):
                    self.mention(crate, inner, shown)
        elif isinstance(part, list):
            for inner in part:
                self.mention(crate, inner, shown)

    def members(self, crate, keys, shown):
        for key in keys:
            member = crate.item(key) if isinstance(key, int) else None
            if member is not None:
                (kind, inner), = member["inner"].items()
                if kind == "variant" or member["visibility"] in ("public", "default"):
                    self.mention(crate, inner, shown)
            else:
                self.mention(crate, key, shown)


def main():
    walk = Walk(describe())
    root = walk.crate(CRATE)
    walk.visit(root, root.text["root"], None)
    for path, shown in sorted(walk.mentioned.items()):
        if path not in walk.reached and path[0] not in COMMON:
            walk.wanting.append(f"{shown} names {'::'.join(path)}, which cannot be named through {CRATE}::")
    print("\n".join(walk.wanting), end="\n" if walk.wanting else "")
    print(f"{walk.items} public items, {len(walk.wanting)} wanting")
    if walk.wanting or walk.items < 100:
        sys.exit(1)


main()
