"""docs/types.md: each cell of its first table, type by format, is tried: the compiler takes what is said to work and refuses what is not, at the connector,
and through files of json, csv and parquet the value that the table shows comes back as it was. What the second one shows of JSON's flavors goes in and comes
out by that flavor, byte by byte."""
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from hg import HEADGATE, PATIENCE  # noqa: E402
from hg.sql import connector, file_in, file_out, table, view  # noqa: E402

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "types.md")
REGISTRY = {"registry_urls": ["http://localhost:1"]}
FILES = {"json": {"update_format": "insert_delete"}, "csv": {}, "parquet": {}}


def tables():
    """Each table of the page: its lines, as lists of cells."""
    with open(PAGE) as f:
        for lines in re.findall(r"(?:^\|.*\n)+", f.read(), re.M):
            yield [[c.strip() for c in line.strip().strip("|").split("|")] for line in lines.splitlines()]


def rows(lines):
    """[(type, value as JSON, {format: "in, out"})]"""
    for cells in lines[2:]:
        yield cells[0], cells[1].strip("`"), dict(zip(lines[0][2:], cells[2:]))


def headgate(*args, stdin=""):
    return subprocess.run([HEADGATE, *args], input=stdin, capture_output=True, text=True, timeout=PATIENCE)


def takes(type_, fmt, direction):
    """Does the compiler take a connector of the format here? A refusal has its place in the program."""
    kafka = {"topic": "t", "bootstrap.servers": "localhost:1"}
    transport = {"avro": ("kafka_" + direction + "put", kafka)}.get(fmt, ("file_" + direction + "put", {"path": "/dev/null"}))
    c = connector("c", *transport, fmt, REGISTRY if fmt == "avro" else None)
    text = (table("t", f"x {type_}", *([c] if direction == "in" else [])) + view("v", "SELECT x FROM t", *([c] if direction == "out" else [])))
    r = headgate("check", "-", stdin=text)
    if r.returncode and not re.search(r"^stdin:\d+:\d+: error: relation '[tv]': connector 'c'", r.stderr, re.M):
        return f"refused without a place: {r.stderr}"
    return r.returncode == 0


def columns(these):
    return ", ".join(f"c{i} {t}" for i, (t, _, _) in enumerate(these))


def through(these, folder, fmt):
    """What comes back of the values: json → fmt → json."""
    paths = [os.path.join(folder, f"{fmt}.{n}") for n in range(3)]
    with open(paths[0], "w") as f:
        f.write('{"insert":{' + ",".join(f'"c{i}":{v}' for i, (_, v, _) in enumerate(these)) + "}}\n")
    config = {k: v for k, v in FILES[fmt].items()}
    hops = [(file_in("i", paths[0], "json", FILES["json"]), file_out("o", paths[1], fmt, config)),
            (file_in("i", paths[1], fmt, config if fmt == "json" else {"headers": False} if fmt == "csv" else {}), file_out("o", paths[2], "json", FILES["json"]))]
    for i, o in hops:
        program = os.path.join(folder, "p.sql")
        with open(program, "w") as f:
            f.write(table("t", columns(these), i) + view("v", "SELECT * FROM t", o))
        r = headgate("run", program, "--until-complete")
        if r.returncode:
            return f"{r.stdout}{r.stderr}"
    with open(paths[2]) as f:
        return f.read()


def flavors(lines, folder):
    """What is wrong with the table of flavors."""
    types, text = lines[0][1:], ""
    want = {cells[0]: "{" + ",".join(f'"c{i}":{c.strip("`")}' for i, c in enumerate(cells[1:])) + "}" for cells in lines[2:]}
    for f, row in want.items():
        path = os.path.join(folder, f)
        with open(path, "w") as out:
            out.write(row)
        text += table(f"t_{f}", columns([(t, None, None) for t in types]), file_in("i", path, fmt_config={"update_format": "raw", "json_flavor": f}))
        text += view(f"v_{f}", f"SELECT * FROM t_{f}", file_out("o", path + ".out", fmt_config={"json_flavor": f}))
    program = os.path.join(folder, "p.sql")
    with open(program, "w") as out:
        out.write(text)
    r = headgate("run", program, "--until-complete")
    if r.returncode:
        yield f"{r.stdout}{r.stderr}"
        return
    for f, row in want.items():
        with open(os.path.join(folder, f + ".out")) as got:
            got = got.read()
        if got != '{"insert":%s}\n' % row:
            yield f"flavor {f}:\n  want {row}\n  got  {got}"
    known = re.search(r"`json_flavor`.*One of: ([^.]*)\.", open(os.path.join(os.path.dirname(PAGE), "connectors", "json.md")).read())
    if set(known[1].split(", ")) != set(want):
        yield f"flavors: the page has {sorted(want)}, connectors/json.md {known[1]}"


def main():
    types, flavored = tables()
    bad, cells, table_rows = [], 0, list(rows(types))
    for type_, _, formats in table_rows:
        for fmt, said in formats.items():
            for direction in ("in", "out") if fmt != "raw" else ("in",):
                cells += 1
                got = takes(type_, fmt, direction)
                if got != (direction in said.split(", ")):
                    bad.append(f"{type_}, {fmt} {direction}: the page says {said}, the compiler {got}")
    for fmt in FILES:
        with tempfile.TemporaryDirectory() as folder:
            these = [r for r in table_rows if r[2][fmt] == "in, out"]
            want = '{"insert":{' + ",".join(f'"c{i}":{v}' for i, (_, v, _) in enumerate(these)) + "}}\n"
            got = through(these, folder, fmt)
        try:
            same = json.loads(got, parse_float=str, parse_int=str) == json.loads(want, parse_float=str, parse_int=str)
        except ValueError:
            same = False
        if not same:
            bad.append(f"through {fmt}:\n  want {want}  got  {got}")
    with tempfile.TemporaryDirectory() as folder:
        bad += flavors(flavored, folder)
    print(*bad, sep="\n", end="\n" if bad else "")
    print(f"{cells} cells and {len(FILES)} formats tried, {len(bad)} are not as the page says")
    return 1 if bad or cells < 200 else 0


if __name__ == "__main__":
    sys.exit(main())
