"""Time zones by name against Python's zoneinfo, which reads the same database with code of its own."""
import datetime as dtm
import json
import os
import random
import zoneinfo

import pytest

from hg.run import run
from hg.sql import file_in, file_out, table, view

SEED = int(os.environ.get("HG_SEED", "5"))
UTC = dtm.timezone.utc
US = dtm.timedelta(microseconds=1)


def moments(local, zone):
    """The moments at which clocks show it, in UTC."""
    found = {local.replace(tzinfo=zone, fold=f).astimezone(UTC).replace(tzinfo=None) for f in (0, 1)}
    return sorted(m for m in found if m.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) == local)


def changes(zone, year):
    """Moments of a year about when the clocks change."""
    at = dtm.datetime(year, 1, 1, tzinfo=UTC)
    hours = [at + dtm.timedelta(hours=h) for h in range(24 * 365)]
    return [b for a, b in zip(hours, hours[1:]) if a.astimezone(zone).utcoffset() != b.astimezone(zone).utcoffset()]


def convert(source, target, local):
    found = moments(local, source)
    if len(found) != 1:
        return None
    return found[0].replace(tzinfo=UTC).astimezone(target).replace(tzinfo=None).isoformat(" ")


def test_convert_timezone(tmp_path):
    """Random times, and those about changes of clocks, between random zones."""
    r = random.Random(SEED)
    print("HG_SEED =", SEED)
    names = sorted(n for n in zoneinfo.available_timezones() if n[0].isupper() and "." not in n and n != "Factory")
    some = r.sample(names, 40) + ["Europe/Paris", "America/New_York", "Europe/Dublin", "Africa/Casablanca", "Australia/Lord_Howe", "UTC"]
    rows = []
    for _ in range(600):
        source, target = r.choice(some), r.choice(some)
        local = dtm.datetime(1905, 1, 1) + r.randrange(190 * 365 * 86400 * 10**6) * US
        rows.append((source, target, local))
    for name in some:
        for moment in changes(zoneinfo.ZoneInfo(name), r.choice([1950, 1980, 2011, 2024, 2037, 2038, 2075])):
            wall = moment.astimezone(zoneinfo.ZoneInfo(name)).replace(tzinfo=None)
            rows += [(name, r.choice(some), wall + dtm.timedelta(minutes=m)) for m in (-121, -90, -61, -60, -30, -1, 0, 1, 30, 59, 60, 61, 90, 121)]
    (tmp_path / "in").write_text("".join(json.dumps({"id": i, "s": s, "t": t, "ts": l.isoformat(" ")}) + "\n" for i, (s, t, l) in enumerate(rows)))
    out = run(tmp_path, table("x", "id INT, s VARCHAR, t VARCHAR, ts TIMESTAMP", file_in("i", tmp_path / "in"))
              + view("v", "SELECT id, CONVERT_TIMEZONE(s, t, ts) AS a, CONVERT_TIMEZONE('Europe/Paris', t, ts) AS b, CONVERT_TIMEZONE(s, '-02:30', ts) AS c FROM x",
                     file_out("o", tmp_path / "o")), "--until-complete")
    assert out.code == 0, out
    got = {x["id"]: x for x in (json.loads(line)["insert"] for line in (tmp_path / "o").read_text().splitlines())}
    paris, fixed = zoneinfo.ZoneInfo("Europe/Paris"), dtm.timezone(-dtm.timedelta(hours=2, minutes=30))

    def same(cell, want):
        return cell == want or (cell and want and dtm.datetime.fromisoformat(cell) == dtm.datetime.fromisoformat(want))
    for i, (s, t, local) in enumerate(rows):
        source, target = zoneinfo.ZoneInfo(s), zoneinfo.ZoneInfo(t)
        for column, want in (("a", convert(source, target, local)), ("b", convert(paris, target, local)), ("c", convert(source, fixed, local))):
            assert same(got[i][column], want), (i, s, t, local, column, got[i], want)


@pytest.mark.parametrize("call, want", [
    ("CONVERT_TIMEZONE('+01', 'UTC', TIMESTAMP '2024-01-01 00:00:00')", "2023-12-31 23:00:00"),
    ("CONVERT_TIMEZONE('-01:02:03', '+00', TIMESTAMP '2024-01-01 00:00:00')", "2024-01-01 01:02:03"),
    ("CONVERT_TIMEZONE('UTC', 'europe/paris', TIMESTAMP '2024-01-01 00:00:00')", None),
    ("CONVERT_TIMEZONE('UTC', '../zoneinfo/UTC', TIMESTAMP '2024-01-01 00:00:00')", None),
    ("CONVERT_TIMEZONE('UTC', '+24', TIMESTAMP '2024-01-01 00:00:00')", None),
    ("CONVERT_TIMEZONE('UTC', '+1:00', TIMESTAMP '2024-01-01 00:00:00')", None),
    ("CONVERT_TIMEZONE('UTC', '+01:00:00:00', TIMESTAMP '2024-01-01 00:00:00')", None),
    ("CONVERT_TIMEZONE('UTC', '-00:01', TIMESTAMP '0001-01-01 00:00:00')", None),
    ("CONVERT_TIMEZONE(NULL, 'UTC', TIMESTAMP '2024-01-01 00:00:00')", None),
    ("TIMESTAMP WITH TIME ZONE '2024-07-01 12:00:00.5 Europe/Paris'", "2024-07-01 10:00:00.500+00:00"),
    ("TIMESTAMP WITH TIME ZONE '2024-10-27 02:30:00 Europe/Paris'", "2024-10-27 00:30:00+00:00"),
    ("TIMESTAMP WITH TIME ZONE '2024-03-31 02:30:00 Europe/Paris'", "2024-03-31 01:30:00+00:00"),
])
def test_constants(tmp_path, call, want):
    (tmp_path / "in").write_text('{"id":1}\n')
    r = run(tmp_path, table("t", "id INT", file_in("i", tmp_path / "in")) + view("v", f"SELECT {call} AS y FROM t", file_out("o", tmp_path / "o")), "--until-complete")
    assert r.code == 0, r
    assert json.loads((tmp_path / "o").read_text())["insert"] == {"y": want}


@pytest.mark.parametrize("zone", ["Europe/Pari", "europe/paris", "../UTC", "Mars/Phobos Base"])
def test_no_such_zone(tmp_path, zone):
    r = run(tmp_path, table("t", "id INT") + view("v", f"SELECT TIMESTAMP WITH TIME ZONE '2024-07-01 12:00:00 {zone}' AS y FROM t"), "--until-complete")
    assert r.code != 0 and f"There is no time zone '{zone}'" in r.err and "prog.sql:2:25" in r.err, r
