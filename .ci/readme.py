#!/usr/bin/env python3
"""Runs the README's marked blocks as a newcomer would: in an empty folder outside the workspace.

A block is marked by a comment line right above it:
  <!-- dependency -->      TOML lines for [dependencies]; joined for all crates
  <!-- crate: NAME -->     src/main.rs of a crate NAME, run (or, with `check`, only compiled)
  <!-- shell -->           commands, run by bash -e with the `tailwater` command on the PATH
"""
import os, pathlib, re, shutil, subprocess, sys, tempfile

root = pathlib.Path(__file__).resolve().parent.parent
text = (root / "README.md").read_text()
blocks = re.findall(r"<!-- (dependency|shell|crate: [\w ]+) -->\n```\w*\n(.*?)```", text, re.S)
if not any(kind == "shell" for kind, _ in blocks) or not any(k.startswith("crate") for k, _ in blocks):
    sys.exit("README.md has no marked blocks: nothing was checked")

work = pathlib.Path(tempfile.mkdtemp(prefix="readme-"))
(work / "tailwater").symlink_to(root)  # the clone stands beside the newcomer's crate
env = dict(os.environ, PATH=f"{root}/target/release:{os.environ['PATH']}", CARGO_TARGET_DIR=str(root / "target/readme"))
dependencies = "".join(body for kind, body in blocks if kind == "dependency")
count = 0
for kind, body in blocks:
    if kind == "shell":
        folder = work / f"shell{count}"
        folder.mkdir()
        print(f"-- shell block {count}", flush=True)
        subprocess.run(["bash", "-euo", "pipefail", "-c", body], cwd=folder, env=env, check=True)
    elif kind.startswith("crate"):
        name, *mode = kind.split(": ")[1].split()
        folder = work / name
        (folder / "src").mkdir(parents=True)
        (folder / "Cargo.toml").write_text(
            f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2024"\n\n[dependencies]\n{dependencies}')
        (folder / "src/main.rs").write_text(body)
        print(f"-- crate {name}", flush=True)
        subprocess.run(["cargo", "check" if "check" in mode else "run", "--quiet"], cwd=folder, env=env, check=True)
    else:
        continue
    count += 1
shutil.rmtree(work)
print(f"{count} passed, 0 failed")
