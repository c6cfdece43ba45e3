"""What is made from the tables of commands: completion of bash and zsh, manual pages. All of it is held against --help, command by command."""
import functools
import os
import re
import subprocess

import pytest

from hg import FDA, HEADGATE, PATIENCE

PROGRAMS = {"fda": FDA, "headgate": HEADGATE}


def run(argv, **kw):
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=PATIENCE, **kw)
    assert r.returncode == 0, r
    return r.stdout


def section(text, name):
    m = re.search(rf"^{name}:\n(.*?)(?:\n\n|\Z)", text, re.M | re.S)
    return m.group(1) if m else ""


class Command:
    def __init__(self, program, path):
        self.words = path
        text = run([PROGRAMS[program], *path, "--help"])
        self.subs = [s for s in re.findall(r"^  (\S+)", section(text, "Commands"), re.M) if s != "help"]
        self.args = re.findall(r"^  [<[](\S+)[>\]]", section(text, "Arguments"), re.M)
        own, everywhere = section(text, "Options"), section(text, "Global Options")
        self.options = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", own, re.M)) - {"--version"}
        self.globals = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", everywhere, re.M))


def commands(program, path=()):
    c = Command(program, path)
    yield c
    for s in c.subs:
        if not c.args:
            yield from commands(program, (*path, s))
        else:  # the sub-commands follow the arguments
            yield from commands(program, (*path, *(["x"] * len(c.args)), s))


@functools.cache
def table(program):
    return list(commands(program))
BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_$1 "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { }
source $1; shift
compadd() { print -rl -- ${(P)argv[-1]} }
_describe() { print -rl -- ${${(P)argv[-1]}%%:*} }
_files() { print FILES }
words=("$@"); CURRENT=$#words
_$1
"""


@pytest.fixture(scope="module", params=["bash", "zsh"])
def complete(request, tmp_path_factory):
    """complete(program, words…): what is offered for the last one"""
    folder = tmp_path_factory.mktemp(request.param)
    for p in PROGRAMS:
        (folder / p).write_text(run([PROGRAMS[p], "completion", request.param]))
    (folder / "try").write_text(BASH if request.param == "bash" else ZSH)
    shell = ["bash", "--norc"] if request.param == "bash" else ["zsh", "-f"]

    def ask(program, *words, env=None):
        path = f"{os.path.dirname(PROGRAMS[program])}:{os.environ['PATH']}"
        return run([*shell, folder / "try", folder / program, program, *words], env={**os.environ, "PATH": path, **(env or {})}).split()
    return ask


def test_tables_are_seen():
    names = {" ".join(c.words) for c in table("fda")}
    assert {"create", "program set-config", "connector x x x why", "apikey create", "shell", "bench", "completion"} <= names and len(names) > 60
    assert {" ".join(c.words) for c in table("headgate")} == {"", "run", "check", "serve", "connectors", "completion"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_and_option(complete, program):
    for c in table(program):
        if c.subs:
            assert set(complete(program, *c.words, *(["x"] * len(c.args)), "")) == set(c.subs), c.words
        assert set(o for o in complete(program, *c.words, "-") if o.startswith("--")) == c.options | c.globals, c.words


def test_values(complete, daemon):
    daemon.create("one", "CREATE TABLE t (a INT);")
    daemon.create("two", "CREATE TABLE t (a INT);")
    env = {"FELDERA_HOST": daemon.overheard}
    assert {"one", "two"} <= set(complete("fda", "start", "", env=env))
    assert complete("fda", "start", "", env={"FELDERA_HOST": "http://127.0.0.1:1"}) == []
    assert complete("fda", "--format", "") == ["text", "json", "arrow_ipc", "parquet", "prometheus", "hash"]
    assert complete("fda", "--format", "json", "connector", "p", "t", "c", "position", "") == ["get", "set", "reset"]
    assert complete("fda", "cfg", "", env={"FELDERA_HOST": "http://127.0.0.1:1"}) == []  # an alias is a command
    assert complete("headgate", "serve", "--auth", "") == ["none", "keys"]
    assert complete("headgate", "check", "--strict", "--graph", "") == ["text", "dot", "mermaid"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man")
    run([HEADGATE, "manual", folder])
    return folder


def test_manual_pages(pages):
    assert sorted(os.listdir(pages)) == ["fda.1", "headgate-check.1", "headgate-completion.1", "headgate-connectors.1", "headgate-fda.1", "headgate-run.1",
                                         "headgate-serve.1", "headgate.1"]
    lint = subprocess.run(["mandoc", "-Tlint", "-W", "style", *sorted(pages.iterdir())], capture_output=True, text=True, timeout=PATIENCE)
    assert lint.returncode == 0 and not lint.stdout, lint.stdout


@pytest.mark.parametrize("page, program", [("fda", "fda"), ("headgate-fda", "fda"), ("headgate", "headgate")])
def test_every_command_is_in_the_manual(pages, page, program):
    text = re.sub(r"(.)\x08", "", run(["mandoc", "-Tutf8", "-O", "width=200", pages / f"{page}.1"])).replace("\N{HYPHEN}", "-")
    for c in table(program):
        if not c.subs:
            assert re.search(rf"^   {c.words[0]}\b.*\b{c.words[-1]}\b", text, re.M) if len(c.words) > 1 else re.search(rf"^   {c.words[0]}\b", text, re.M), c.words
        for o in c.options - {"--help"}:
            assert o in text, (c.words, o)
    for c in table(program):
        if program == "headgate" and c.words:
            own = run(["mandoc", "-Tutf8", pages / f"headgate-{c.words[0]}.1"])
            assert all(o.strip("-") in re.sub(r"(.)\x08", "", own).replace("\N{HYPHEN}", "-") for o in c.options - {"--help"})
