"""fda: what is not about one pipeline's life: keys, tenants, events, the daemon, tags. Feldera's own prints the same (`./dev interop`)."""
import json
import re

import pytest

from test_fda import FINITE, Fda, fda  # noqa: F401  (fixture)

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}"
NOBODY = "00000000-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def quick(fda, tmp_path_factory):  # noqa: F811
    path = tmp_path_factory.mktemp("fda") / "quick.sql"
    path.write_text(FINITE)
    fda("create", "quick", str(path))
    fda("start", "quick")
    yield fda
    fda("stop", "quick")
    fda("delete", "-f", "quick")


def rows(table):
    """Cells of a box, the heading first."""
    return [[c.strip() for c in line.strip("│").split("│")] for line in table.splitlines() if line.startswith("│")]


def test_api_keys(fda):  # noqa: F811
    said = fda("apikey", "create", "k1", "--role", "write")
    assert re.fullmatch(r"API key 'k1' created: apikey:[A-Za-z0-9]{128}\n", said)
    assert fda.json("apikey", "create", "k2")["name"] == "k2"
    table = rows(fda("apikey", "list"))
    assert table[0] == ["name", "role", "id"] and [r[:2] for r in table[1:]] == [["k1", "write"], ["k2", "read"]]
    assert {k["name"]: k["role"] for k in fda.json("apikey", "list")} == {"k1": "write", "k2": "read"}
    assert fda.fails(1, "apikey", "create", "k1") == "An API key named 'k1' already exists\n"
    assert fda("apikey", "del", "k1") == "API key 'k1' deleted\n" and fda("apikey", "delete", "k2") == "API key 'k2' deleted\n"
    assert fda.fails(1, "apikey", "delete", "k1") == "Unknown API key 'k1'\n"
    assert "[possible values: read, write]" in fda.fails(2, "apikey", "create", "k", "--role", "admin")


def test_one_tenant(fda):  # noqa: F811
    assert rows(fda("tenant", "list"))[1][0] == "default" and fda.json("tenant", "list")[0]["name"] == "default"
    assert rows(fda("tenant", "get", "default")) == rows(fda("tenant", "list"))
    assert re.fullmatch(rf"Tenant 'default' already exists \({UUID}\)\.\n", fda("tenant", "create", "default"))
    for args in (["tenant", "create", "x"], ["tenant", "rename", NOBODY, "x"], ["tenant", "delete", NOBODY]):
        assert "exactly one tenant" in fda.fails(1, *args)
    assert rows(fda("member", "list")) == [["user id", "name", "subject", "email", "verified", "role", "origin"]]
    assert "API keys" in fda.fails(1, "member", "add", "s", "--role", "read")
    assert "Unknown user" in fda.fails(1, "member", "set-role", NOBODY, "write")
    assert "Unknown user" in fda.fails(1, "member", "remove", NOBODY)
    assert "--role <ROLE>" in fda.fails(2, "member", "add", "s")
    assert fda.json("oidc-trust", "list") == []
    assert "OIDC is not offered" in fda.fails(1, "oidc-trust", "create", "a", "--issuer", "b", "--subject", "c")
    assert "Unknown OIDC trust" in fda.fails(1, "oidc-trust", "delete", "a")


def test_cluster(fda):  # noqa: F811
    assert [r[:2] for r in rows(fda("cluster", "health"))] == [["service", "healthy"], ["api", "true"], ["compiler", "true"], ["runner", "true"]]
    assert fda.json("cluster", "health")["all_healthy"] is True
    event = fda.json("cluster", "events")[0]["id"]
    assert dict(rows(fda("cluster", "event", "latest")))["id"] == event
    assert "api_self_info" in dict(rows(fda("cluster", "event", event, "all")))
    assert "0.349.0" in fda("cluster", "config") and fda.json("cluster", "config")["version"] == "0.349.0"


def test_events(quick):
    table = rows(quick("events", "quick"))
    assert "deployment_error" not in table[0] and "deployment_error" in rows(quick("events", "quick", "all"))[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} UTC \(\d+s ago\)", table[1][1])
    newest = dict(rows(quick("event", "quick", "latest")))
    assert newest["program_status"] == "Success" and newest["event_id"] == table[1][0]
    assert quick.json("event", "quick", table[-1][0])["program_status"] == "Pending"
    assert "neither an event id" in quick.fails(1, "event", "quick", "x")
    assert "[possible values: status, all]" in quick.fails(2, "events", "quick", "some")


def test_validate_program(fda, tmp_path):  # noqa: F811
    good, bad = tmp_path / "good.sql", tmp_path / "bad.sql"
    good.write_text("CREATE TABLE t (a INT);")
    bad.write_text("SELECT")
    assert json.loads(fda("validate-program", str(good)))["Success"]["program_info"]["schema"]["inputs"][0]["name"] == "t"
    assert json.loads(fda("validate-program", "--stdin", stdin=bad.read_text()))["SqlError"]["info"]["exit_code"] == 1
    assert fda.fails(1, "validate-program") == "No SQL program provided: pass a program file path or --stdin.\n"


def test_tags_keep_their_colour(quick):
    assert quick("set-tags", "quick", "prod|00ff00,b,prod|ff0000") == "Tags updated successfully.\nb,prod\n"
    assert quick.json("tags", "quick") == ["b", "prod|ff0000"]
    assert quick("set-tags", "quick", "prod") == "Tags updated successfully.\nprod\n"
    assert quick.json("tags", "quick") == ["prod|ff0000"]
    assert quick("set-tags", "quick") == "Tags updated successfully.\n\n" and quick.json("tags", "quick") == []
    assert quick.json("set-tags", "quick", "a|bcdefg,x|y") == ["a|bcdefg", "x|y"]


def test_upkeep(quick, fda):  # noqa: F811
    assert quick("start-compaction", "quick") == "Initiated compaction for pipeline quick.\n"
    assert "stop it first" in quick.fails(1, "update-runtime", "quick")
    assert "Unknown pipeline" in fda.fails(1, "update-runtime", "none")
    assert "whole number" in quick.fails(2, "clock-advance", "quick", "--delta-ms", "x")
