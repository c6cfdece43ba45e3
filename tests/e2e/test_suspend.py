"""Graceful stop, what stands in its way, and the list of checkpoints."""
import json
import os
import socket
import subprocess

from hg import FDA, PATIENCE, until
from test_durable import FT, Lines, checkpoint, kill, program, wait_out, wait_rows


def ask(d, method, target, name="p"):
    """A question to the process itself: (status, JSON)."""
    pid = d.pid_of(name)
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        folder = f.read().split(b"\0")[2].decode()
    with open(os.path.join(folder, "deployment.json")) as f:
        path = json.load(f)["socket"]
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while chunk := s.recv(65536):
            data += chunk
    head, body = data.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), json.loads(body)


def details(d, name="p"):
    return d.ok("GET", f"/v0/pipelines/{name}?selector=status").json()["storage_status_details"]


def listed(d, name="p"):
    return d.ok("GET", f"/v0/pipelines/{name}/checkpoints").json()


def test_checkpoints_are_listed(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(100)
    own.create("p", program(lines, out), FT)
    assert listed(own) == [] and details(own) is None
    own.start_pipeline("p")
    assert listed(own) == [] and details(own) == {"checkpoints": []}
    wait_rows(own, 100)
    for n in (1, 2, 3):
        checkpoint(own)
        got = listed(own)  # at once
        assert [c["sequence"] for c in got] == list(range(n, max(n - 2, 0), -1))  # two are kept
        assert details(own) == {"checkpoints": got}
        assert own.stats("p")["global_metrics"]["storage_bytes"] == got[0]["size"]
        assert got[0]["processed_records"] == 100 + 10 * (n - 1) and got[0]["size"] > 0 and got[0]["steps"] > 0
        lines.add(10)
        wait_rows(own, 100 + 10 * n)
    assert len({c["uuid"] for c in got}) == 2 and got[0]["fingerprint"] == got[1]["fingerprint"] != 0
    assert got[0]["created_at"] > got[1]["created_at"]
    kill(own)
    assert listed(own) == got  # also without a process
    own.kill()
    own.start()
    assert listed(own) == got and details(own) == {"checkpoints": got}
    own.start_pipeline("p")
    wait_rows(own, 130)
    own.stop_pipeline("p", force=False)
    assert [c["sequence"] for c in details(own)["checkpoints"]] == [4, 3]  # the one of the stop
    own.ok("POST", "/v0/pipelines/p/clear")
    until("the storage is cleared", lambda: own.get("/v0/pipelines/p").json()["storage_status"] == "Cleared")
    assert listed(own) == [] and details(own) is None


def test_the_list_is_written_anew(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    own.run("p", program(lines, out), runtime_config=FT)
    checkpoint(own)
    got = listed(own)
    kill(own)
    (path,) = [os.path.join(f, n) for f, _, names in os.walk(own.data_dir) for n in names if n == "checkpoints.json"]
    os.unlink(path)
    own.start_pipeline("p")
    assert listed(own) == got


def test_graceful_stop_without_fault_tolerance_keeps_state(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(50)
    own.run("p", program(lines, out), runtime_config={})
    wait_rows(own, 50)
    own.stop_pipeline("p", force=False)
    runtime = [e["deployment_runtime_status"] for e in own.ok("GET", "/v0/pipelines/p/events").json()]
    assert runtime[:3] == [None, None, "Suspended"], runtime
    assert len(listed(own)) == 1
    lines.add(5)
    own.start_pipeline("p")
    wait_rows(own, 55)
    wait_out(own, out, 55)
    assert own.input("p", "b.src")["metrics"]["total_records"] == 55
    own.stop_pipeline("p")
    own.create("q", program(lines, tmp_path / "q.json"), {"checkpoint_during_suspend": False})
    own.start_pipeline("q")
    wait_rows(own, 55, "q")
    own.stop_pipeline("q", force=False)
    assert listed(own, "q") == []


def test_suspend_of_the_process(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    own.run("p", program(lines, out), runtime_config=FT)
    assert ask(own, "GET", "/suspendable") == (200, {"suspendable": True, "reasons": []})
    assert own.ok("GET", "/v0/pipelines/p/suspendable").json()["suspendable"] is True
    assert ask(own, "POST", "/suspend") == (202, "Pipeline is suspending")
    own.wait_status("p", "Stopped")
    assert len(listed(own)) == 1
    own.run("q", program(lines, out), runtime_config={"storage": False})
    reasons = ["StorageRequired"]
    assert ask(own, "GET", "/suspendable", "q") == (200, {"suspendable": False, "reasons": reasons})
    status, body = ask(own, "POST", "/suspend", "q")
    assert status == 400 and body["error_code"] == "SuspendError" and "storage" in body["message"], body
    s = own.stats("q")
    assert s["suspend_error"] == {"Permanent": reasons} and s["permanent_checkpoint_errors"] == reasons
    assert own.stats("q")["checkpoint_activity"] == {"status": "idle"}
    r = own.post("/v0/pipelines/q/checkpoint")
    assert r.status_code == 400, r.text


def fda(d, *args):
    r = subprocess.run([FDA, "--host", d.url, *args], capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 0, r
    return r.stdout


def test_fda(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(20)
    own.run("p", program(lines, out), runtime_config=FT)
    wait_rows(own, 20)
    assert "taken successfully" in fda(own, "checkpoint", "p")
    (one,) = listed(own)
    assert one["uuid"] in fda(own, "checkpoints", "p") and json.loads(fda(own, "--format", "json", "checkpoints", "p")) == [one]
    fda(own, "stop", "--checkpoint", "p")
    assert own.get("/v0/pipelines/p").json()["deployment_status"] == "Stopped" and len(listed(own)) == 2
    fda(own, "start", "p")
    wait_rows(own, 20)


def test_storage_is_counted_over_time(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    with open(lines.path, "w") as f:
        f.writelines(json.dumps({"id": i, "s": f"{i} " + "x" * 400}) + "\n" for i in range(20000))
    own.run("p", program(lines, out), runtime_config=FT)
    wait_rows(own, 20000)
    now = own.stats("p")["global_metrics"]
    assert now["storage_bytes"] == now["storage_mb_secs"] == 0
    checkpoint(own)
    now = own.stats("p")["global_metrics"]
    assert now["storage_bytes"] > 8_000_000, now
    until("it is there for a while", lambda: own.stats("p")["global_metrics"]["storage_mb_secs"] > now["storage_mb_secs"])
