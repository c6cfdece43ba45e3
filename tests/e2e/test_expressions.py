"""Expressions against an oracle that shares no code with the engine: Python's integers, `decimal`, `datetime` and str.

Random rows go through a view, a column per expression (the engine's vectorised path), and each cell is compared. Random
constants near the limits of their types go through ad-hoc queries: a result, or the error where there must be one. The
seed is printed; HG_SEED=… repeats a run."""
import calendar
import datetime as dtm
import decimal
import json
import math
import os
import random
import re
import struct
import urllib.parse
from decimal import Decimal

import pytest

from hg import until
from hg.run import Foreground, run
from hg.sql import file_in, file_out, table, view

SEED = int(os.environ.get("HG_SEED", "20240229"))
ROWS = 1500
CTX = decimal.Context(prec=120, rounding=decimal.ROUND_DOWN)
EPOCH = dtm.datetime(1970, 1, 1)

INT, BIGINT = (-2**31, 2**31 - 1), (-2**63, 2**63 - 1)

# --- values -----------------------------------------------------------------------------------------------------------

COLUMNS = {"i": "INT", "j": "INT", "b": "BIGINT", "n": "INT", "m": "INT", "d": "DECIMAL(12, 3)", "e": "DECIMAL(20, 6)",
           "f": "DOUBLE", "s": "VARCHAR", "p": "VARCHAR", "k": "VARCHAR", "txt": "VARCHAR", "dt": "DATE", "du": "DATE",
           "ts": "TIMESTAMP", "tu": "TIMESTAMP", "tm": "TIME", "x": "BOOLEAN", "y": "BOOLEAN"}
LETTERS = "aAbBzZ éÄñ日😀%_.,,1"
NUMBERS = ["0", "-7", "+5", "12", " 12", "12 ", "1.5", "-0.005", "0.015", "1e3", "1e-2", "99999999.995", "abc", "", "-",
           "2147483647", "2147483648", "-2147483648", "true", "TRUE", "false", "2024-02-29", "2023-02-29", "2024-2-5",
           "0001-01-01", "9999-12-31", "2024-02-29 10:20:30", "2024-02-29 10:20:30.123456", "2024-02-29T24:00:00",
           "123456789012345678901234567890.12"]


def text(r, most=8):
    return "".join(r.choice(LETTERS) for _ in range(r.randint(0, most)))


def decimal_of(r, precision, scale):
    return Decimal(r.randint(-10**r.randint(1, precision) + 1, 10**precision // 10 ** r.randint(1, precision))).scaleb(-scale, CTX)


def timestamp(r):
    return EPOCH + dtm.timedelta(days=r.randint(-200_000, 500_000), microseconds=r.choice(
        [0, 999_999, 86_399_999_999, r.randrange(86_400_000_000)]))


def row(r):
    f = r.choice([0.0, 0.5, -1.5, 2.5, 1e-7, 123456789.125, r.uniform(-1e3, 1e3), r.uniform(-1, 1) * 10.0**r.randint(-20, 20)])
    v = {"i": r.choice([0, 1, -1, r.randint(-10**8, 10**8)]), "j": r.choice([1, -1, 3, -7, r.randint(1, 10**6)]),
         "b": r.randint(-2**55, 2**55), "n": r.randint(-4, 9), "m": r.randint(-2, 6), "d": decimal_of(r, 12, 3),
         "e": decimal_of(r, 20, 6) or Decimal("0.000001"), "f": f, "s": text(r), "p": text(r, 2),
         "k": "".join(r.choice(["%", "_", "a", "A", "é", "b"]) for _ in range(r.randint(0, 4))), "txt": r.choice(NUMBERS),
         "dt": timestamp(r).date(), "du": timestamp(r).date(), "ts": timestamp(r), "tu": timestamp(r),
         "tm": r.randrange(86_400) * 10**9 + r.choice([0, 1, 500_000_000, r.randrange(10**9)]),
         "x": r.random() < 0.5, "y": r.random() < 0.5}
    return {k: None if r.random() < 0.08 else x for k, x in v.items()}


def ns_text(ns):
    sec, frac = divmod(ns, 10**9)
    t = f"{sec // 3600:02}:{sec // 60 % 60:02}:{sec % 60:02}"
    digits = f"{frac:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return t + ("." + digits if digits else "")


def ts_text(t):
    return f"{t.year:04}-{t.month:02}-{t.day:02} " + ns_text(((t.hour * 60 + t.minute) * 60 + t.second) * 10**9 + t.microsecond * 1000)


def date_text(d):
    return f"{d.year:04}-{d.month:02}-{d.day:02}"


def as_json(v):
    if isinstance(v, dtm.datetime):
        return ts_text(v)
    if isinstance(v, dtm.date):
        return date_text(v)
    return str(v) if isinstance(v, Decimal) else v


# --- the oracle: SQL's rules (NULL in, NULL out unless marked LENIENT) ------------------------------------------------

def div(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def mod(a, b):
    return a - b * div(a, b)


def cut(v, scale):
    return Decimal(v).quantize(Decimal(1).scaleb(-scale), decimal.ROUND_DOWN, CTX)


def digits(v, scale):
    """As text, like CAST(… AS VARCHAR): all digits of the scale, no minus before zero."""
    v = cut(v, scale)
    return f"{abs(v) if v == 0 else v:.{scale}f}"


def rounded(v, n, how, scale):
    if n >= scale:
        return digits(v, scale)
    return digits(v.scaleb(n, CTX).quantize(Decimal(1), how, CTX).scaleb(-n, CTX), scale)


def quotient(a, b, scale):
    return digits(CTX.divide(a, b), scale)


def remainder(a, b):
    q = CTX.divide(a, b).to_integral_value(decimal.ROUND_DOWN)
    return CTX.subtract(a, CTX.multiply(b, q))


def substring(s, start, length):
    end = start + length
    start = max(start, 1)
    return s[start - 1:end - 1] if end > start else ""


def trim(s, set_, left, right):
    while left and s and s[0] in set_:
        s = s[1:]
    while right and s and s[-1] in set_:
        s = s[:-1]
    return s


def case(s, upper):
    other = [(c.upper() if upper else c.lower()) for c in s]
    return "".join(o if len(o) == 1 else c for o, c in zip(other, s))


def like(s, pattern, flags=0):
    regex = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.fullmatch(regex, s, re.S | flags) is not None


def split_part(s, sep, n):
    parts = s.split(sep)
    n = n + len(parts) + 1 if n < 0 else n
    return parts[n - 1] if 1 <= n <= len(parts) else ""


def add_months(d, n):
    at = d.year * 12 + d.month - 1 + n
    y, mo = divmod(at, 12)
    return d.replace(year=y, month=mo + 1, day=min(d.day, calendar.monthrange(y, mo + 1)[1]))


def months_between(a, b):
    """Whole months, the same number both ways round."""
    if b < a:
        return -months_between(b, a)
    n = (b.year - a.year) * 12 + b.month - a.month
    return n - 1 if add_months(a, n) > b else n


def micros(t):
    return (t - EPOCH) // dtm.timedelta(microseconds=1)


def floor_ts(t, **zeroed):
    return ts_text(t.replace(**zeroed))


def unit_of_day(t):
    return (t.hour * 60 + t.minute) * 60 + t.second


def to_number(s, scale, limit):
    """Text to DECIMAL: digits with an optional point and exponent, half to even."""
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", s):
        return None
    v = Decimal(s).quantize(Decimal(1).scaleb(-scale), decimal.ROUND_HALF_EVEN, CTX)
    return digits(v, scale) if abs(v) < limit else None


def to_int(s):
    return int(s) if re.fullmatch(r"[+-]?\d+", s) and INT[0] <= int(s) <= INT[1] else None


def to_date(s):
    m = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", s)
    try:
        return date_text(dtm.date(*map(int, m.groups()))) if m else None
    except ValueError:
        return None


def to_timestamp(s):
    m = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?", s)
    try:
        return ts_text(dtm.datetime(*[int(g or 0) for g in m.groups()[:6]], int((m.group(7) or "0").ljust(6, "0")))) if m else None
    except ValueError:
        return None


def real(v):
    return struct.unpack("f", struct.pack("f", v))[0]


def in_list(v, values):
    if v is None:
        return None
    return True if v in values else None if None in values else False


def and_(a, b):
    return False if a is False or b is False else None if a is None or b is None else True


def or_(a, b):
    return True if a is True or b is True else None if a is None or b is None else False


FLOAT = float  # marks results that are compared as doubles read from text

# (SQL, arguments, function of the arguments). A column's name is its argument's.
STRICT = [
    ("i + j", "ij", lambda i, j: i + j), ("i - j", "ij", lambda i, j: i - j), ("b * n", "bn", lambda b, n: b * n),
    ("i / j", "ij", div), ("i % j", "ij", mod), ("MOD(b, j)", "bj", mod), ("-b", "b", lambda b: -b), ("ABS(b)", "b", abs),
    ("SIGN(i)", "i", lambda i: (i > 0) - (i < 0)), ("DIV_NULL(b, n)", "bn", lambda b, n: div(b, n) if n else None),
    ("b + i", "bi", lambda b, i: b + i),
    ("CAST(d + e AS VARCHAR)", "de", lambda d, e: digits(CTX.add(d, e), 6)),
    ("CAST(d - e AS VARCHAR)", "de", lambda d, e: digits(CTX.subtract(d, e), 6)),
    ("CAST(d * e AS VARCHAR)", "de", lambda d, e: digits(CTX.multiply(d, e), 9)),
    ("CAST(d / e AS VARCHAR)", "de", lambda d, e: quotient(d, e, 23)),
    ("CAST(d / j AS VARCHAR)", "dj", lambda d, j: quotient(d, Decimal(j), 14)),
    ("CAST(d % e AS VARCHAR)", "de", lambda d, e: digits(remainder(d, e), 6)),
    ("CAST(d + i AS VARCHAR)", "di", lambda d, i: digits(CTX.add(d, i), 3)),
    ("CAST(d * n AS VARCHAR)", "dn", lambda d, n: digits(CTX.multiply(d, n), 3)),
    ("CAST(-d AS VARCHAR)", "d", lambda d: digits(-d, 3)), ("CAST(ABS(e) AS VARCHAR)", "e", lambda e: digits(abs(e), 6)),
    ("CAST(ROUND(d, 1) AS VARCHAR)", "d", lambda d: rounded(d, 1, decimal.ROUND_HALF_UP, 3)),
    ("CAST(ROUND(d, -2) AS VARCHAR)", "d", lambda d: rounded(d, -2, decimal.ROUND_HALF_UP, 3)),
    ("CAST(BROUND(d, 2) AS VARCHAR)", "d", lambda d: rounded(d, 2, decimal.ROUND_HALF_EVEN, 3)),
    ("CAST(TRUNC(d, 1) AS VARCHAR)", "d", lambda d: rounded(d, 1, decimal.ROUND_DOWN, 3)),
    ("CAST(FLOOR(d) AS VARCHAR)", "d", lambda d: digits(d.to_integral_value(decimal.ROUND_FLOOR), 0)),
    ("CAST(CEIL(d) AS VARCHAR)", "d", lambda d: digits(d.to_integral_value(decimal.ROUND_CEILING), 0)),
    ("CAST(d AS BIGINT)", "d", int), ("SAFE_CAST(e AS INT)", "e", lambda e: int(e) if INT[0] <= int(e) <= INT[1] else None),
    ("CAST(CAST(e AS DECIMAL(20, 2)) AS VARCHAR)", "e", lambda e: digits(e, 2)),
    ("CAST(SAFE_CAST(e AS DECIMAL(8, 3)) AS VARCHAR)", "e", lambda e: digits(e, 3) if abs(cut(e, 3)) < 10**5 else None),
    ("CAST(CAST(i AS DECIMAL(15, 2)) AS VARCHAR)", "i", lambda i: digits(i, 2)),
    ("CAST(d AS DOUBLE)", "d", lambda d: FLOAT(d)), ("CAST(CAST(e AS REAL) AS DOUBLE)", "e", None),
    ("CAST(b AS DOUBLE)", "b", lambda b: FLOAT(b)), ("SAFE_CAST(b AS INT)", "b", lambda b: b if INT[0] <= b <= INT[1] else None),
    ("CAST(i AS VARCHAR)", "i", str), ("CAST(x AS VARCHAR)", "x", lambda x: "true" if x else "false"),
    ("CAST(x AS INT)", "x", int), ("CAST(i AS BOOLEAN)", "i", bool),
    ("f * 3e0", "f", lambda f: f * 3.0), ("f / j", "fj", lambda f, j: f / j), ("f + d", "fd", lambda f, d: f + FLOAT(d)),
    ("FLOOR(f)", "f", lambda f: FLOAT(math.floor(f))), ("SQRT(ABS(f))", "f", lambda f: math.sqrt(abs(f))),
    ("SAFE_CAST(f AS INT)", "f", lambda f: int(f) if INT[0] <= int(f) <= INT[1] else None),
    ("CAST(CAST(f AS REAL) AS DOUBLE)", "f", real), ("CAST(CAST(f AS VARCHAR) AS DOUBLE)", "f", lambda f: f),
    ("d < e", "de", lambda d, e: d < e), ("d >= i", "di", lambda d, i: d >= i), ("e = d", "de", lambda d, e: d == e),
    ("f > d", "fd", lambda f, d: f > FLOAT(d)), ("i <> n", "in", lambda i, n: i != n), ("b <= i", "bi", lambda b, i: b <= i),
    ("s < p", "sp", lambda s, p: s < p), ("s >= p", "sp", lambda s, p: s >= p), ("dt < du", "dt du", lambda a, b: a < b),
    ("ts > tu", "ts tu", lambda a, b: a > b), ("dt <= CAST(ts AS DATE)", "dt ts", lambda a, b: a <= b.date()), ("x < y", "xy", lambda x, y: x < y),
    ("n BETWEEN SYMMETRIC 5 AND m", "nm", lambda n, m: min(m, 5) <= n <= max(m, 5)),
    ("GREATEST(i, n, b)", "inb", max), ("LEAST(d, e) = d", "de", lambda d, e: d <= e), ("NOT x", "x", lambda x: not x),
    ("s || p", "sp", lambda s, p: s + p), ("CONCAT(s, p, s)", "sp", lambda s, p: s + p + s), ("UPPER(s)", "s", lambda s: case(s, True)),
    ("LOWER(s)", "s", lambda s: case(s, False)), ("CHAR_LENGTH(s)", "s", len), ("OCTET_LENGTH(s)", "s", lambda s: len(s.encode())),
    ("SUBSTRING(s FROM n FOR m)", "snm", substring), ("SUBSTRING(s FROM n)", "sn", lambda s, n: s[max(n, 1) - 1:]),
    ("LEFT(s, m)", "sm", lambda s, m: s[:max(m, 0)]), ("RIGHT(s, m)", "sm", lambda s, m: s[-m:] if m > 0 else ""),
    ("TRIM(s)", "s", lambda s: s.strip(" ")), ("TRIM(BOTH p FROM s)", "sp", lambda s, p: trim(s, p, True, True)),
    ("TRIM(LEADING p FROM s)", "sp", lambda s, p: trim(s, p, True, False)),
    ("TRIM(TRAILING p FROM s)", "sp", lambda s, p: trim(s, p, False, True)),
    ("POSITION(p IN s)", "sp", lambda s, p: s.find(p) + 1), ("REPLACE(s, p, '->')", "sp", lambda s, p: s.replace(p, "->") if p else s),
    ("REVERSE(s)", "s", lambda s: s[::-1]), ("REPEAT(s, m)", "sm", lambda s, m: s * max(m, 0)),
    ("SPLIT_PART(s, ',', n)", "sn", lambda s, n: split_part(s, ",", n)), ("ASCII(s)", "s", lambda s: ord(s[0]) if s else 0),
    ("s LIKE k", "sk", like), ("s NOT LIKE k", "sk", lambda s, k: not like(s, k)), ("s ILIKE k", "sk", lambda s, k: like(s, k, re.I)),
    ("CAST(s AS VARCHAR(3))", "s", lambda s: s[:3]), ("CAST(s AS CHAR(4)) || '|'", "s", lambda s: s[:4].ljust(4) + "|"),
    ("SAFE_CAST(txt AS INT)", "txt", to_int), ("CAST(SAFE_CAST(txt AS DECIMAL(10, 2)) AS VARCHAR)", "txt", lambda s: to_number(s, 2, 10**8)),
    ("CAST(SAFE_CAST(txt AS DATE) AS VARCHAR)", "txt", to_date), ("CAST(SAFE_CAST(txt AS TIMESTAMP) AS VARCHAR)", "txt", to_timestamp),
    ("SAFE_CAST(txt AS BOOLEAN)", "txt", lambda s: {"true": True, "false": False}.get(s.lower())),
    ("CAST(dt AS VARCHAR)", "dt", date_text), ("CAST(ts AS VARCHAR)", "ts", ts_text), ("CAST(tm AS VARCHAR)", "tm", ns_text),
    ("CAST(CAST(ts AS DATE) AS VARCHAR)", "ts", lambda t: date_text(t.date())),
    ("CAST(CAST(ts AS TIME) AS VARCHAR)", "ts", lambda t: ts_text(t)[11:]),
    ("CAST(CAST(dt AS TIMESTAMP) AS VARCHAR)", "dt", lambda d: date_text(d) + " 00:00:00"),
    ("CAST(dt + INTERVAL 40 DAYS AS VARCHAR)", "dt", lambda d: date_text(d + dtm.timedelta(40))),
    ("CAST(dt - INTERVAL '13' MONTH AS VARCHAR)", "dt", lambda d: date_text(add_months(d, -13))),
    ("CAST(ts + INTERVAL '1-01' YEAR TO MONTH AS VARCHAR)", "ts", lambda t: ts_text(add_months(t, 13))),
    ("CAST(ts - INTERVAL '1 02:03:04.5' DAY TO SECOND AS VARCHAR)", "ts",
     lambda t: ts_text(t - dtm.timedelta(days=1, seconds=7384, microseconds=500_000))),
    ("CAST(tm + INTERVAL 5 HOURS AS VARCHAR)", "tm", lambda t: ns_text((t + 5 * 3600 * 10**9) % (86_400 * 10**9))),
    ("CAST((ts - tu) SECOND AS BIGINT)", "ts tu", lambda a, b: div(micros(a) - micros(b), 10**6)),
    ("EXTRACT(YEAR FROM dt)", "dt", lambda d: d.year), ("EXTRACT(MONTH FROM ts)", "ts", lambda t: t.month), ("DAYOFMONTH(dt)", "dt", lambda d: d.day),
    ("EXTRACT(QUARTER FROM dt)", "dt", lambda d: (d.month + 2) // 3), ("EXTRACT(DOY FROM dt)", "dt", lambda d: d.timetuple().tm_yday),
    ("EXTRACT(DOW FROM dt)", "dt", lambda d: d.isoweekday() % 7 + 1), ("EXTRACT(ISODOW FROM ts)", "ts", lambda t: t.isoweekday()),
    ("EXTRACT(WEEK FROM dt)", "dt", lambda d: d.isocalendar()[1]), ("EXTRACT(DECADE FROM dt)", "dt", lambda d: d.year // 10),
    ("EXTRACT(CENTURY FROM dt)", "dt", lambda d: (d.year + 99) // 100), ("EXTRACT(MILLENNIUM FROM dt)", "dt", lambda d: (d.year + 999) // 1000),
    ("HOUR(ts)", "ts", lambda t: t.hour), ("MINUTE(tm)", "tm", lambda t: t // (60 * 10**9) % 60), ("SECOND(ts)", "ts", lambda t: t.second),
    ("EXTRACT(MILLISECOND FROM ts)", "ts", lambda t: t.second * 1000 + t.microsecond // 1000),
    ("EXTRACT(NANOSECOND FROM tm)", "tm", lambda t: t % (60 * 10**9)), ("EXTRACT(EPOCH FROM ts)", "ts", lambda t: micros(t) // 10**6),
    ("CAST(TIMESTAMP_TRUNC(ts, MONTH) AS VARCHAR)", "ts", lambda t: floor_ts(t, day=1, hour=0, minute=0, second=0, microsecond=0)),
    ("CAST(DATE_TRUNC(ts, DAY) AS VARCHAR)", "ts", lambda t: floor_ts(t, hour=0, minute=0, second=0, microsecond=0)),
    ("CAST(FLOOR(ts TO HOUR) AS VARCHAR)", "ts", lambda t: floor_ts(t, minute=0, second=0, microsecond=0)),
    ("CAST(TIMESTAMP_TRUNC(ts, SECOND) AS VARCHAR)", "ts", lambda t: floor_ts(t, microsecond=0)),
    ("CAST(DATE_TRUNC(dt, YEAR) AS VARCHAR)", "dt", lambda d: date_text(d.replace(month=1, day=1))),
    ("TIMESTAMPDIFF(DAY, ts, tu)", "ts tu", lambda a, b: div(micros(b) - micros(a), 86_400 * 10**6)),
    ("TIMESTAMPDIFF(MONTH, dt, du)", "dt du", months_between), ("DATEDIFF(DAY, dt, du)", "dt du", lambda a, b: (b - a).days),
    ("CAST(TIMESTAMPADD(MONTH, 7, dt) AS VARCHAR)", "dt", lambda d: date_text(add_months(d, 7))),
    ("CAST(ts AS BIGINT)", "ts", lambda t: div(micros(t), 1000)),
]
LENIENT = [
    ("n BETWEEN m AND 5", "nm", lambda n, m: and_(None if n is None or m is None else n >= m, None if n is None else n <= 5)),
    ("x AND y", "xy", and_), ("x OR y", "xy", or_), ("x IS NOT TRUE", "x", lambda x: x is not True), ("i IS NULL", "i", lambda i: i is None),
    ("i IS DISTINCT FROM n", "in", lambda i, n: i != n), ("s <=> p", "sp", lambda s, p: s == p), ("COALESCE(i, n, 0)", "in", lambda i, n: i if i is not None else n if n is not None else 0),
    ("NULLIF(n, m)", "nm", lambda n, m: None if n == m else n), ("n IN (1, 2, m)", "nm", lambda n, m: in_list(n, [1, 2, m])),
    ("n NOT IN (1, 2, 3)", "n", lambda n: None if n is None else n not in (1, 2, 3)),
    ("CASE WHEN x THEN i WHEN y THEN n END", "xyin", lambda x, y, i, n: i if x else n if y else None),
    ("CASE n WHEN 1 THEN 'one' WHEN m THEN 'm' ELSE s END", "nms", lambda n, m, s: "one" if n == 1 else "m" if n is not None and n == m else s),
    ("GREATEST_IGNORE_NULLS(i, n)", "in", lambda i, n: max([v for v in (i, n) if v is not None], default=None)),
    ("CONCAT_WS(p, s, k)", "psk", lambda p, s, k: None if p is None else p.join(v for v in (s, k) if v is not None)),
]


def arguments(names):
    return names.split() if " " in names or names in COLUMNS else list(names)


def nearest_real(v):
    """The REAL next to a decimal: rounded once."""
    f = real(float(v))
    bits = struct.unpack("i", struct.pack("f", f))[0]
    around = [struct.unpack("f", struct.pack("i", max(bits + k, 0)))[0] for k in (-1, 0, 1)]
    return min(around, key=lambda a: (abs(Decimal(a) - v), struct.unpack("i", struct.pack("f", a))[0] % 2))


def expected(case_, strict, values):
    sql, names, fn = case_
    args = [values[a] for a in arguments(names)]
    if strict and any(a is None for a in args):
        return None
    if fn is None:
        return math.copysign(nearest_real(abs(args[0])), args[0])
    return fn(*args)


def test_rows_through_a_view(tmp_path):
    print(f"HG_SEED={SEED}")
    r = random.Random(SEED)
    rows = [row(r) for _ in range(ROWS)]
    with open(tmp_path / "in.json", "w") as f:
        for n, v in enumerate(rows):
            out = {k: as_json(x) for k, x in v.items()}
            if v["tm"] is not None:
                out["tm"] = ns_text(v["tm"])
            f.write(json.dumps({"id": n, **out}) + "\n")
    cases = [(c, True) for c in STRICT] + [(c, False) for c in LENIENT]
    select = "SELECT id, " + ", ".join(f"{c[0]} AS r{n}" for n, (c, _) in enumerate(cases)) + " FROM t"
    columns = "id INT NOT NULL, " + ", ".join(f"{k} {t}" for k, t in COLUMNS.items())
    result = run(tmp_path, table("t", columns, file_in("i", tmp_path / "in.json")) + view("v", select, file_out("o", tmp_path / "out.json")),
                 "--until-complete")
    assert result.code == 0, result
    got = {}
    for line in (tmp_path / "out.json").read_text().splitlines():
        one = json.loads(line)["insert"]
        got[one["id"]] = one
    assert sorted(got) == list(range(ROWS))
    wrong = []
    for n, (c, strict) in enumerate(cases):
        for at, values in enumerate(rows):
            want, have = expected(c, strict, values), got[at][f"r{n}"]
            if want != have or (type(want) is not type(have) and not (isinstance(want, float) and isinstance(have, int))):
                wrong.append(f"{c[0]} with {({a: str(values[a]) for a in arguments(c[1])})}: wanted {want!r}, got {have!r}")
                break
    assert not wrong, "\n".join(wrong)


# --- constants at the limits: a value, or the error --------------------------------------------------------------------

TYPES = {"TINYINT": (-2**7, 2**7 - 1), "SMALLINT": (-2**15, 2**15 - 1), "INTEGER": INT, "BIGINT": BIGINT,
         "TINYINT UNSIGNED": (0, 2**8 - 1), "SMALLINT UNSIGNED": (0, 2**16 - 1), "INTEGER UNSIGNED": (0, 2**32 - 1),
         "BIGINT UNSIGNED": (0, 2**64 - 1)}


def near_limit(r, type_):
    low, high = TYPES[type_]
    return min(max(r.choice([low, high, 0, 1, low + r.randint(0, 3), high - r.randint(0, 3), math.isqrt(high) + r.randint(-1, 1)]), low), high)


def wider(a, b):
    width = {"TINYINT": 1, "SMALLINT": 2, "INTEGER": 3, "BIGINT": 4}
    wa, wb = width[a.split()[0]], width[b.split()[0]]
    return a if wa > wb or (wa == wb and "UNSIGNED" in a) else b


def constant_cases(r, count):
    operators = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": div, "%": mod}
    for _ in range(count):
        ta, tb, op = r.choice(list(TYPES)), r.choice(list(TYPES)), r.choice(list(operators))
        a, b = near_limit(r, ta), near_limit(r, tb)
        low, high = TYPES[wider(ta, tb)]
        sql = f"SELECT CAST({a} AS {ta}) {op} CAST({b} AS {tb}) AS r"
        fits = low <= a <= high and low <= b <= high  # operands are converted first
        v = None if not fits or (op in "/%" and b == 0) else operators[op](a, b)
        yield sql, v if v is not None and low <= v <= high else None
    for _ in range(count // 4):
        p1, s1 = 38, r.randint(0, 10)
        a, b = r.choice([10**38 - 1, 10**37, 5]), r.choice([1, 10**38 - 1, -(10**38) + 1])
        text_ = lambda v: f"CAST('{Decimal(v).scaleb(-s1, CTX):f}' AS DECIMAL({p1}, {s1}))"
        yield f"SELECT CAST({text_(a)} + {text_(b)} AS VARCHAR) AS r", digits(Decimal(a + b).scaleb(-s1, CTX), s1) if abs(a + b) < 10**38 else None


def test_constants_at_the_limits(tmp_path):
    print(f"HG_SEED={SEED}")
    r = random.Random(SEED)
    wrong = []
    with Foreground(tmp_path, table("t", "i INT", materialized=True)) as f:
        for sql, want in constant_cases(r, 600):
            status, body = f.request("GET", "/query?format=json&sql=" + urllib.parse.quote(sql))
            answer = json.loads(body)
            if status != 200 or answer.get("r") != want or ("error" in answer) != (want is None):
                wrong.append(f"{sql}: wanted {'an error' if want is None else want}, got {status} {answer}")
    assert not wrong, "\n".join(wrong[:20])


# --- aggregates of ad-hoc queries ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("group", ["n", None])
def test_aggregates(tmp_path, group):
    print(f"HG_SEED={SEED}")
    r = random.Random(SEED + 1)
    rows = [row(r) for _ in range(400)]
    with open(tmp_path / "in.json", "w") as f:
        for v in rows:
            f.write(json.dumps({k: as_json(v[k]) for k in ("n", "b", "d", "s")}) + "\n")
    select = ("COUNT(*) AS c, COUNT(d) AS cd, COUNT(DISTINCT s) AS cs, SUM(b) AS sb, MIN(b) AS lo, MAX(s) AS hs, AVG(b) AS ab, "
              "CAST(SUM(d) AS VARCHAR) AS sd, CAST(AVG(d) AS VARCHAR) AS ad, SUM(b) FILTER (WHERE b > 0) AS fb")
    if group:
        select = f"{group} AS g, {select}"
    wanted = {}
    for v in rows:
        wanted.setdefault(v[group] if group else None, []).append(v)

    def of(rows_):
        b, d, s = ([v[k] for v in rows_ if v[k] is not None] for k in "bds")
        return {"c": len(rows_), "cd": len(d), "cs": len(set(s)), "sb": sum(b) if b else None, "lo": min(b, default=None),
                "hs": max(s, default=None), "ab": div(sum(b), len(b)) if b else None, "sd": digits(sum(d), 3) if d else None,
                "ad": quotient(sum(d), Decimal(len(d)), 3) if d else None,
                "fb": sum(x for x in b if x > 0) if any(x > 0 for x in b) else None}
    program = table("t", "n INT, b BIGINT, d DECIMAL(12, 3), s VARCHAR", file_in("i", tmp_path / "in.json"), materialized=True)
    with Foreground(tmp_path, program) as f:
        until("the rows are there", lambda: f.get("/query?format=json&sql=" + urllib.parse.quote("SELECT COUNT(*) AS c FROM t"))["c"] == len(rows))
        sql = f"SELECT {select} FROM t" + (f" GROUP BY {group}" if group else "")
        status, body = f.request("GET", "/query?format=json&sql=" + urllib.parse.quote(sql))
    assert status == 200, body
    got = {}
    for line in body.decode().splitlines():
        one = json.loads(line)
        got[one.pop("g", None)] = one
    assert got == {g: of(v) for g, v in wanted.items()}
