"""run_page.py PAGE.md: runs every command of the page's ```console blocks, in order, in a folder that looks like a checkout with a release
build. A command must succeed; where the page shows output, the printed lines must be the same but for numbers, times and paths.

A command that does not end (`headgate serve`) runs on until the page is through; its port is replaced by a free one here and in the
commands after it. Commands of ./dev are named and not run: they install packages and build, and are what runs this test."""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("HG_BUILD", os.path.join(ROOT, "build", "release")))


def commands(page):
    """[(line number, command, lines of output shown)]"""
    found, inside = [], False
    with open(page) as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line.startswith("```"):
                inside = line == "```console"
            elif inside and line.startswith("$ "):
                found.append((number, line[2:], []))
            elif inside:
                found[-1][2].append(line)
    return found


def loose(line):
    return re.sub(r"\d+([.,]\d+)*", "0", re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line)).strip()


class Page:
    def __init__(self, folder):
        self.folder, self.servers = folder, []
        self.env = dict(os.environ, PATH=BUILD + ":" + os.environ["PATH"])
        self.env.pop("FELDERA_HOST", None)
        self.ports = {}  # that a page names -> that its daemon got
        self.plain = []  # URLs of daemons that ask for no key
        os.symlink(os.path.join(ROOT, "examples"), os.path.join(folder, "examples"))
        os.mkdir(os.path.join(folder, "build"))
        os.symlink(BUILD, os.path.join(folder, "build", "release"))

    def serve(self, command):
        words, named = shlex.split(command), "8080"
        if "--port" in words:
            at = words.index("--port")
            named = words[at + 1]
            del words[at:at + 2]
        p = subprocess.Popen([*words, "--port", "0"], cwd=self.folder, env=self.env, stdout=subprocess.PIPE, text=True)
        self.servers.append(p)
        line = p.stdout.readline()
        m = re.search(r"listening on (https?)://127\.0\.0\.1:(\d+),", line)
        if m:
            self.ports[named] = m.group(2)
            if m.group(1) == "http":
                self.plain.append(f"http://127.0.0.1:{m.group(2)}/v0/pipelines")
        return (0 if m else 1), line, ""

    def run(self, command):
        if re.match(r"\S*headgate serve\b", command):
            return self.serve(command)
        for named, port in self.ports.items():
            command = command.replace(f"127.0.0.1:{named}", f"127.0.0.1:{port}")
        if command.startswith("export "):
            r = subprocess.run(["bash", "-c", f"{command} && env -0"], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            self.env = dict(v.split("=", 1) for v in r.stdout.split("\0") if v) or self.env
            return r.returncode, "", r.stderr
        r = subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=500)
        # curl without -f succeeds with an error answer; Feldera's error bodies have an error_code
        bad = command.startswith("curl") and '"error_code"' in r.stdout
        return r.returncode or bad, r.stdout, r.stderr

    def close(self):
        self.stop_pipelines()
        for p in self.servers:
            p.terminate()
            p.wait(150)
            p.stdout.close()

    def stop_pipelines(self):
        """Pipelines go on without their daemon: stop those that the page left running."""
        def all_of(url):
            with urllib.request.urlopen(url + "?selector=status", timeout=150) as r:
                return json.load(r)
        for url in self.plain:
            for p in all_of(url):
                urllib.request.urlopen(urllib.request.Request(f"{url}/{p['name']}/stop?force=true", method="POST"), timeout=150).close()
            while any(p["deployment_status"] != "Stopped" for p in all_of(url)):
                time.sleep(0.05)


def main(path):
    failed = ran = 0
    assert commands(path), "no commands found"
    with tempfile.TemporaryDirectory(prefix="hgdocs") as folder:
        page = Page(folder)
        try:
            for number, command, shown in commands(path):
                where = f"{os.path.relpath(path, ROOT)}:{number}"
                if command.startswith("./dev"):
                    print(f"{where}: not run (installs and builds): {command}")
                    continue
                code, out, err = page.run(command)
                ran += 1
                missing = [s for s in shown if loose(s) not in map(loose, out.splitlines())]
                if code or missing:
                    failed += 1
                    print(f"{where}: FAILED ({code}): {command}\n{out}{err}" + "".join(f"  not printed: {s}\n" for s in missing))
                else:
                    print(f"{where}: ok: {command}")
        finally:
            page.close()
    print(f"{ran} commands, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1])))
