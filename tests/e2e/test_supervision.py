"""Supervision: a pipeline process that dies is started again by policy, and everyone can see what happened. test-labels: long"""
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess

import pytest

from hg import HEADGATE, PATIENCE, until
from test_durable import Lines, checkpoint, program, wait_out, wait_rows

NOTHING = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v INT);"
FT = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}


def restart(policy, **more):
    return {"dev_tweaks": {"headgate": {"restart": {"policy": policy, **more} if more else policy}}, **FT}


QUICK = restart("on_failure", delay_ms=1, max_delay_ms=1)
PATIENT = restart("always", delay_ms=3600000)  # waits until the test is over
LOOP = {"delay_ms": 1, "max_delay_ms": 2, "window_secs": 86400}  # deaths in a row, however long a life takes on a slow machine


def pipeline(d, name="p"):
    return d.ok("GET", f"/v0/pipelines/{name}").json()


def kill(d, name="p"):
    """The new process has another pid."""
    pid = d.pid_of(name)
    os.kill(pid, signal.SIGKILL)
    return pid


def wait_new(d, old, name="p"):
    until("there is a new process", lambda: d.pid_of(name) not in (None, old))
    d.wait_status(name, "Running")


def wait_waiting(d, name="p"):
    """Until the manager has seen the death and waits."""
    def there():
        details = pipeline(d, name)["deployment_resources_status_details"]
        return details and details["restart"]["next_at"] and d.pid_of(name) is None and details["restart"]
    return until("the pipeline waits for its restart", there)


def events(d, name="p"):
    """Oldest first, with details."""
    return d.ok("GET", f"/v0/pipelines/{name}/events?selector=all").json()[::-1]


def states(d, name="p"):
    return [(e["deployment_resources_status"], e["deployment_resources_desired_status"], e["deployment_runtime_status"])
            for e in events(d, name)]


def wait_error(d, name="p"):
    e = until("there is a deployment error", lambda: pipeline(d, name)["deployment_error"])
    d.wait_status(name, "Stopped")
    return e


@pytest.mark.parametrize("model", ["at_least_once", "exactly_once"])
def test_killed_process_is_started_again_and_goes_on(own, tmp_path, model):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(300)
    ft = {"fault_tolerance": {"model": model, "checkpoint_interval_secs": None}}
    own.run("p", program(lines, out), runtime_config={**ft, "dev_tweaks": {}})  # on_failure by itself
    wait_rows(own, 300)
    checkpoint(own)
    before = pipeline(own)
    old = own.pid_of("p")
    incarnation = own.stats("p")["global_metrics"]["incarnation_uuid"]
    lines.add(100)
    wait_rows(own, 400)
    kill(own)
    wait_new(own, old)
    lines.add(50)
    wait_rows(own, 450)
    wait_out(own, out, 450)
    assert own.stats("p")["global_metrics"]["incarnation_uuid"] != incarnation
    now = pipeline(own)
    assert now["deployment_id"] == before["deployment_id"] and not now["deployment_error"]
    r = now["deployment_resources_status_details"]["restart"]
    assert r["policy"] == "on_failure" and r["attempts"] == 1 and r["next_at"] is None, r
    assert r["last_exit"]["error_code"] == "PipelineProcessCrashed" and r["last_exit"]["details"]["signal"] == 9, r
    up = ("Provisioned", "Provisioned")
    seen = [x for x in states(own) if x[2] != "Replaying"]
    at = seen.index((*up, "Unavailable"))
    assert seen[at - 1:at + 3] == [(*up, "Running"), (*up, "Unavailable"), (*up, "Initializing"), (*up, "Running")], seen
    death = next(e for e in events(own) if e["deployment_runtime_status"] == "Unavailable")
    assert death["deployment_resources_status_details"]["restart"]["next_at"] and not death["deployment_has_error"]
    log = own.ok("GET", "/v0/pipelines/p/logs", stream=True)
    text = ""
    for chunk in log.iter_content(None):
        text += chunk.decode()
        if "starting deployment" in text and "again" in text:
            break
    assert "was ended by signal 9" in text and "started again in" in text
    own.stop_pipeline("p")
    assert pipeline(own)["deployment_resources_status_details"] is None


def test_who_sends_a_large_body_hears_of_the_death(own):
    """The process reads the body itself; the answer is the manager's all the same."""
    own.create("p", NOTHING, PATIENT)
    own.start_pipeline("p")
    rows = "".join('{"id": %d}\n' % i for i in range(50_000)).encode()
    with socket.create_connection(("127.0.0.1", int(own.url.rsplit(":", 1)[1])), PATIENCE) as s:
        s.sendall(b"POST /v0/pipelines/p/ingress/t?format=json&update_format=raw HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
        s.sendall(rows)
        until("its rows are in", lambda: own.stats("p")["global_metrics"]["total_input_records"] == 50_000)
        kill(own)
        answer = b""
        while block := s.recv(65536):
            answer += block
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 500 ") and b"Connection: close" in head, head
    assert json.loads(body)["error_code"] == "PipelineInteractionFailed"


def test_paused_by_the_user_comes_up_paused(own):
    own.run("p", NOTHING, runtime_config=QUICK)
    own.ok("POST", "/v0/pipelines/p/pause")
    old = kill(own)
    until("there is a new process", lambda: own.pid_of("p") not in (None, old))
    own.wait_status("p", "Paused")
    assert ("Provisioned", "Provisioned", "Running") not in states(own)[states(own).index(("Provisioned", "Provisioned", "Unavailable")):]


def test_crash_loop_ends_in_an_error_with_the_log(own, monkeypatch):
    own.create("p", NOTHING, restart("on_failure", max_attempts=3, **LOOP))
    own.stop()
    monkeypatch.setenv("HG_FAULT", "kill:manifest.synced")
    own.start()
    own.start_pipeline("p")
    for n in range(4):  # each process dies while it takes a checkpoint
        pid = own.pid_of("p")
        own.post("/v0/pipelines/p/checkpoint")
        if n < 3:
            wait_new(own, pid)
    e = wait_error(own)
    assert e["error_code"] == "PipelineCrashLoop", e
    assert "was started again 3 times in a row" in e["message"] and "The last lines of its log:" in e["message"], e
    assert e["details"]["restarts"] == 3 and e["details"]["log"], e
    assert "[manager]" not in e["message"] and any(line in e["message"] for line in e["details"]["log"])
    died = [x for x in states(own) if x[2] == "Unavailable"]
    assert len(died) == 3, states(own)
    assert events(own)[-1]["deployment_has_error"]
    own.stop()
    monkeypatch.delenv("HG_FAULT")
    own.start()
    own.start_pipeline("p")  # the user's start begins anew
    assert pipeline(own)["deployment_resources_status_details"] is None


@pytest.fixture
def dies_at_start(own, monkeypatch):
    """A daemon whose pipelines die before they answer."""
    def arm(on):
        own.stop()
        if on:
            monkeypatch.setenv("HG_FAULT", "kill:checkpoints.written")
        else:
            monkeypatch.delenv("HG_FAULT")
        own.start()
    return arm


def test_crash_loop_before_the_first_answer(own, dies_at_start):
    own.create("p", NOTHING, restart("on_failure", max_attempts=2, **LOOP))
    dies_at_start(True)
    own.ok("POST", "/v0/pipelines/p/start")
    e = wait_error(own)
    assert e["error_code"] == "PipelineCrashLoop" and e["details"]["restarts"] == 2 and e["details"]["signal"] == 9, e
    seen = [x[0] for x in states(own)]
    assert seen.count("Provisioning") == 5 and "Provisioned" not in seen, seen  # the start, two deaths, two restarts
    dies_at_start(False)
    own.start_pipeline("p")


def test_stop_wins_before_the_first_answer(own, dies_at_start):
    own.create("p", NOTHING, PATIENT)
    dies_at_start(True)
    own.ok("POST", "/v0/pipelines/p/start")
    wait_waiting(own)
    own.ok("POST", "/v0/pipelines/p/stop?force=false")
    p = pipeline(own)
    assert p["deployment_status"] == "Stopped" and p["deployment_error"] is None, p
    dies_at_start(False)
    own.start_pipeline("p")


def test_death_in_a_graceful_stop_is_told_and_not_repaired(own, monkeypatch):
    own.create("p", NOTHING, QUICK)
    own.stop()
    monkeypatch.setenv("HG_FAULT", "kill:manifest.written")
    own.start()
    own.start_pipeline("p")
    own.ok("POST", "/v0/pipelines/p/stop?force=false")
    assert wait_error(own)["error_code"] == "PipelineProcessCrashed"
    assert not [x for x in states(own) if x[2] == "Unavailable"]


def test_who_has_approved_a_changed_program_is_not_asked_again(own, tmp_path, monkeypatch):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(10)
    text = program(lines, out)
    own.run("p", text, runtime_config=restart("on_failure", max_attempts=2, **LOOP))
    wait_rows(own, 10)
    own.stop_pipeline("p", force=False)
    own.ok("PATCH", "/v0/pipelines/p", json={"program_code": text + "\nCREATE MATERIALIZED VIEW w AS SELECT id FROM b;"})
    until("the program is compiled", lambda: pipeline(own)["program_status"] == "Success")
    own.stop()
    monkeypatch.setenv("HG_FAULT", "kill:manifest.written")  # the checkpoint behind the bootstrapping
    own.start()
    own.ok("POST", "/v0/pipelines/p/start")
    own.wait_status("p", "AwaitingApproval")
    own.post("/v0/pipelines/p/approve")
    assert wait_error(own)["error_code"] == "PipelineCrashLoop"
    assert [x[2] for x in states(own)].count("AwaitingApproval") == 1
    own.stop()
    monkeypatch.delenv("HG_FAULT")
    own.start()
    own.ok("POST", "/v0/pipelines/p/start")
    own.wait_status("p", "AwaitingApproval")  # another start, another question


@pytest.mark.parametrize("policy", ["on_failure", "always"])
def test_program_error_is_never_started_again(own, policy):
    own.run("p", "CREATE TABLE t (id BIGINT NOT NULL, v INT); CREATE MATERIALIZED VIEW w AS SELECT id, 10 / v AS q FROM t;",
            runtime_config=restart(policy, delay_ms=1))
    own.ingress("p", "t", '{"id": 1, "v": 0}')
    e = wait_error(own)
    assert e["error_code"] == "RuntimeError.WorkerPanic", e
    assert not [x for x in states(own) if x[2] == "Unavailable"]


def test_refused_configuration_is_never_started_again(own):
    own.create("p", NOTHING, {"storage": False, **restart("always", delay_ms=1)})
    own.ok("POST", "/v0/pipelines/p/start")
    assert wait_error(own)["error_code"] == "FtRequiresStorage"
    assert [x[0] for x in states(own)].count("Provisioning") == 1


def test_never(own):
    own.run("p", NOTHING, runtime_config=restart("never"))
    kill(own)
    e = wait_error(own)
    assert e["error_code"] == "PipelineProcessCrashed" and e["details"]["signal"] == 9 and e["details"]["log"], e
    assert "was ended by signal 9" in e["message"]
    own.run("q", NOTHING)  # nothing is kept: nothing to go on from
    kill(own, "q")
    assert wait_error(own, "q")["error_code"] == "PipelineProcessCrashed"


def test_one_that_leaves_is_started_again_only_with_always(own):
    own.run("p", NOTHING, runtime_config=QUICK)
    os.kill(own.pid_of("p"), signal.SIGTERM)
    own.wait_status("p", "Stopped")
    assert pipeline(own)["deployment_error"] is None
    own.run("q", NOTHING, runtime_config=restart("always", delay_ms=1))
    old = own.pid_of("q")
    os.kill(old, signal.SIGTERM)
    wait_new(own, old, "q")
    assert pipeline(own, "q")["deployment_resources_status_details"]["restart"]["last_exit"]["error_code"] == "PipelineProcessEnded"


@pytest.mark.parametrize("force", ["true", "false"])
def test_stop_wins_over_a_restart_that_waits(own, force):
    own.run("p", NOTHING, runtime_config=PATIENT)
    kill(own)
    wait_waiting(own)
    own.ok("POST", f"/v0/pipelines/p/stop?force={force}")
    p = pipeline(own)  # at once: nobody is there to wait for
    assert p["deployment_status"] == "Stopped" and p["deployment_desired_status"] == "Stopped", p
    assert p["deployment_error"] is None and p["deployment_resources_status_details"] is None
    assert states(own)[-3:] == [("Provisioned", "Stopped", "Unavailable"), ("Stopping", "Stopped", None), ("Stopped", "Stopped", None)]
    own.start_pipeline("p")


def test_wishes_stand_while_a_restart_waits(own):
    own.run("p", NOTHING, runtime_config=PATIENT)
    kill(own)
    wait_waiting(own)
    assert own.get("/v0/pipelines/p/stats").status_code == 503
    own.ok("POST", "/v0/pipelines/p/pause")
    p = pipeline(own)
    assert p["deployment_desired_status"] == "Paused" and p["deployment_resources_status_details"]["restart"]["next_at"], p
    own.run("q", NOTHING, runtime_config=restart("always", delay_ms=1000))
    kill(own, "q")
    # while it is gone, while it waits, or when it is back: the wish stands
    until("the wish is taken", lambda: own.post("/v0/pipelines/q/pause").status_code == 202)
    own.wait_status("q", "Paused")


def test_manager_killed_while_a_restart_waits(own):
    own.run("p", NOTHING, runtime_config=PATIENT)
    own.run("q", NOTHING)
    own.stop_pipeline("q")
    kill(own)
    due = wait_waiting(own)["next_at"]
    own.kill()
    own.start()
    assert wait_waiting(own)["next_at"] == due
    assert pipeline(own, "q")["deployment_status"] == "Stopped"
    own.ok("POST", "/v0/pipelines/p/stop?force=false")
    assert pipeline(own)["deployment_status"] == "Stopped"


def test_pipeline_dies_while_there_is_no_manager(own):
    own.run("p", NOTHING, runtime_config=QUICK)
    own.run("q", NOTHING, runtime_config=restart("never"))
    own.run("r", NOTHING, runtime_config=QUICK)  # lives on
    pids = {n: own.pid_of(n) for n in "pqr"}
    own.kill()
    for n in "pq":
        os.kill(pids[n], signal.SIGKILL)
    own.start()
    wait_new(own, pids["p"])
    assert "an earlier manager had started it" in wait_error(own, "q")["message"]
    own.wait_status("r", "Running")
    assert own.pid_of("r") == pids["r"]


@pytest.mark.parametrize("point", ["manager.before_respawn", "manager.after_respawn"])
def test_manager_killed_at_the_restart(own, monkeypatch, point):
    own.create("p", NOTHING, QUICK)
    own.stop()
    monkeypatch.setenv("HG_FAULT", f"kill:{point}")
    own.start()
    monkeypatch.delenv("HG_FAULT")
    own.start_pipeline("p")
    old = kill(own)
    own.proc.wait(PATIENCE)
    own.stop()
    own.start()
    wait_new(own, old)
    own.ingress("p", "t", '{"id": 1, "v": 0}')
    own.stop_pipeline("p")


@pytest.mark.parametrize("value, words", [
    ("sometimes", "dev_tweaks.headgate.restart: unknown policy 'sometimes', expected never, on_failure or always"),
    ({"max_attempts": 0}, "dev_tweaks.headgate.restart.max_attempts: expected a whole number from 1 to 1000000, found 0"),
    ({"retries": 3}, "dev_tweaks.headgate.restart: unknown member 'retries'"),
])
def test_wrong_policies_are_refused(own, value, words):
    r = own.request("PUT", "/v0/pipelines/p", json={"name": "p", "program_code": NOTHING,
                                                     "runtime_config": {"dev_tweaks": {"headgate": {"restart": value}}}})
    assert r.status_code == 400 and r.json()["error_code"] == "InvalidRuntimeConfig", r.text
    assert words in r.json()["message"] and words in json.dumps(r.json()["details"]), r.text


# --- a process that is there and does not answer ---

def hanging(policy, timeout_ms=1000, misses=3):
    return {"dev_tweaks": {"headgate": {"restart": policy, "liveness": {"timeout_ms": timeout_ms, "misses": misses}}}, **FT}


def runtime(d, name="p"):
    p = pipeline(d, name)
    return p["deployment_runtime_status"], p["deployment_runtime_status_details"]


def test_a_process_that_hangs_is_killed_and_started_again(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(50)
    own.run("p", program(lines, out), runtime_config=hanging({"policy": "on_failure", "delay_ms": 1}))
    wait_rows(own, 50)
    checkpoint(own)
    old = own.pid_of("p")
    os.kill(old, signal.SIGSTOP)
    wait_new(own, old)
    lines.add(5)
    wait_rows(own, 55)
    wait_out(own, out, 55)
    r = pipeline(own)["deployment_resources_status_details"]["restart"]
    assert r["attempts"] and r["last_exit"]["error_code"] == "PipelineProcessHung", r
    assert "had not answered since" in r["last_exit"]["message"] and r["last_exit"]["details"]["signal"] == 9, r
    silent = [e for e in events(own) if "not answered" in (e["deployment_runtime_status_details"] or {}).get("reason", "")]
    assert silent and silent[0]["deployment_runtime_status"] == "Unavailable", events(own)
    assert "after 3 probes of 1000 ms without an answer it is killed" in silent[0]["deployment_runtime_status_details"]["reason"]


def test_a_process_whose_control_loop_hangs_is_killed_and_started_again(own, monkeypatch):
    """Its other threads would still answer."""
    own.create("p", NOTHING, hanging({"policy": "on_failure", "max_attempts": 1, **LOOP}))
    own.stop()
    monkeypatch.setenv("HG_FAULT", "hang:control.status:2")
    own.start()
    own.ok("POST", "/v0/pipelines/p/start")
    e = wait_error(own)  # the second process hangs as the first did: after one answer
    assert e["error_code"] == "PipelineCrashLoop" and "had not answered since" in e["message"], e
    assert pipeline(own)["deployment_status"] == "Stopped"


def test_a_hanging_process_that_may_not_be_started_again_is_shown_and_left_alone(own):
    own.run("p", NOTHING, runtime_config=hanging("never", timeout_ms=200))
    pid = own.pid_of("p")
    os.kill(pid, signal.SIGSTOP)
    own.wait_status("p", "Unavailable")
    assert "stop the pipeline with force" in runtime(own)[1]["reason"], runtime(own)
    r = own.get("/v0/pipelines/p/stats")  # and nobody waits for its answers
    assert r.status_code == 503 and r.json()["error_code"] == "PipelineInteractionUnreachable", r.text
    assert "Unavailable" in [x[2] for x in states(own)]
    os.kill(pid, signal.SIGCONT)
    own.wait_status("p", "Running")
    # where the machine is slow it may be silent for three short probes now and then
    until("it answers", lambda: "reason" not in runtime(own)[1] and own.get("/v0/pipelines/p/stats").status_code == 200)
    assert own.pid_of("p") == pid
    os.kill(pid, signal.SIGSTOP)
    own.wait_status("p", "Unavailable")
    own.stop_pipeline("p", force=True)
    assert pipeline(own)["deployment_error"] is None


def test_impatient_clients_do_not_hide_a_hanging_process(own):
    """Each question of theirs takes the place of the probe that is under way."""
    own.run("p", NOTHING, runtime_config=hanging({"policy": "on_failure", "delay_ms": 1}))
    old = own.pid_of("p")
    os.kill(old, signal.SIGSTOP)

    def asked():
        own.post("/v0/pipelines/p/pause", timeout=PATIENCE)
        return own.pid_of("p") not in (None, old)
    until("there is a new process", asked)
    until("the wish is taken", lambda: own.post("/v0/pipelines/p/resume").status_code == 202)
    own.wait_status("p", "Running")


def test_a_hanging_process_of_an_earlier_manager(own):
    own.run("p", NOTHING, runtime_config=hanging({"policy": "on_failure", "delay_ms": 1}))
    old = own.pid_of("p")
    own.kill()
    os.kill(old, signal.SIGSTOP)
    own.start()
    wait_new(own, old)
    assert pipeline(own)["deployment_resources_status_details"]["restart"]["last_exit"]["error_code"] == "PipelineProcessHung"


@pytest.mark.parametrize("value, words", [
    ("off", "dev_tweaks.headgate.liveness: expected an object with timeout_ms and misses, found a string"),
    ({"timeout_ms": 0}, "dev_tweaks.headgate.liveness.timeout_ms: expected a whole number from 100 to 3600000, found 0"),
    ({"failures": 3}, "dev_tweaks.headgate.liveness: unknown member 'failures', expected timeout_ms or misses"),
])
def test_wrong_liveness_is_refused(own, value, words):
    r = own.request("PUT", "/v0/pipelines/p", json={"name": "p", "program_code": NOTHING,
                                                     "runtime_config": {"dev_tweaks": {"headgate": {"liveness": value}}}})
    assert r.status_code == 400 and r.json()["error_code"] == "InvalidRuntimeConfig", r.text
    assert words in r.json()["message"], r.text


def test_a_lock_that_a_killed_daemon_has_left_to_a_child(tmp_path):
    """Until the child is another program. The lock names a process that is gone."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    path = tmp_path / "lock"
    path.write_text(f"{gone.pid}\n")
    with open(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        p = subprocess.Popen([HEADGATE, "serve", "--data-dir", tmp_path, "--port", "0"], stdout=subprocess.PIPE, text=True)

        def has_it_open():
            assert p.poll() is None, "it has given up"
            with contextlib.suppress(OSError):
                return str(path) in [os.readlink(f"/proc/{p.pid}/fd/{n}") for n in os.listdir(f"/proc/{p.pid}/fd")]
        until("it waits for the lock", has_it_open)
    assert "listening" in p.stdout.readline()
    p.terminate()
    assert p.wait(PATIENCE) == 0
    p.stdout.close()
