"""A client of a resumable change stream that always comes back: pipeline and manager are killed under it, and it goes on behind the last line that
it has. It keeps the relation from its changes alone, and a change that does not fit what it has (one that comes twice, or was left out) fails it."""
import contextlib
import json
import socket
import threading

import requests


class Stream(threading.Thread):
    def __init__(self, world, pipeline, relation, key, same_for_ever, figures):
        """key: of a row; same_for_ever: numbers outlive the process (exactly_once)."""
        super().__init__(daemon=True)
        self.world, self.path, self.key = world, f"/v0/pipelines/{pipeline}/egress/{relation}", key
        self.same_for_ever, self.figures = same_for_ever, figures
        self.rows, self.place, self.wrong = {}, None, None
        self._lock, self._leaving, self._response = threading.Lock(), threading.Event(), None
        self.start()

    def copy(self):
        with self._lock:
            assert not self.wrong, f"change stream {self.path}: {self.wrong}"
            return dict(self.rows)

    def close(self):
        self._leaving.set()
        response = self._response
        if response is not None:
            with contextlib.suppress(AttributeError, OSError):
                response.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)
        self.join()

    def run(self):
        while not self._leaving.is_set() and not self.wrong:
            try:
                self._connection()
            except (requests.RequestException, OSError, AttributeError, ValueError):
                pass  # cut; a line that is torn has not come
            except AssertionError as e:
                self.wrong = str(e)
            self._leaving.wait(0.05)

    def _connection(self):
        params = {"format": "json", "resumable": "true", **(self.place or {"send_snapshot": "true"})}
        with requests.post(self.world.daemon.url + self.path, params=params, stream=True, timeout=10) as r:
            if r.status_code == 400:  # such as a number that the stream has not come to
                assert r.json()["error_code"] != "InvalidParam", f"{r.text[:400]}, at {self.place}"
            if r.status_code == 410 and self.place:
                self._gone(r.json())
            elif r.status_code == 200:
                self._response = r
                self._read(r, self.place)
        self._response = None

    def _gone(self, error):
        """What the pipeline does not have any more, it must say. The way on is another snapshot."""
        if error["error_code"] != "SequenceNumberGone":
            return  # the pipeline is stopping
        there = error["details"]
        same = there["stream"] == self.place["stream"]
        assert same or not self.same_for_ever, f"the stream is another one: {error}, at {self.place}"
        assert not same or int(there["oldest_sequence_number"]) > int(self.place["after"]), f"{error}, at {self.place}"
        self.figures["streams begun anew" + (", exactly_once" if self.same_for_ever else "")] += 1
        self.place = None

    def _read(self, r, place):
        first = True
        if not place:
            with self._lock:
                self.rows = {}
        for line in r.iter_lines(chunk_size=None, delimiter=b"\r\n"):
            if self._leaving.is_set():
                return
            if not line:
                continue
            c = json.loads(line)
            if first and place:
                assert c["sequence_number"] == place["after"] and "json_data" not in c, f"it goes on with {line[:200]}, at {place}"
                self.figures["streams gone on with"] += 1
            first = False
            with self._lock:
                for u in c.get("json_data", ()):
                    self._change(u, c["sequence_number"])
                if not c["snapshot"]:
                    assert not self.place or c["sequence_number"] >= self.place["after"], f"{line[:200]} behind {self.place}"
                    self.place = {"after": c["sequence_number"], "stream": c["stream"]}

    def _change(self, update, number):
        (op, row), = update.items()
        k = row[self.key]
        if op == "insert":
            assert k not in self.rows, f"{row} is inserted in {number} over {self.rows[k]}"
            self.rows[k] = row
        else:
            assert self.rows.pop(k, None) == row, f"{row} is deleted in {number} and was not there"
