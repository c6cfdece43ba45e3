"""A client of /egress: reads the change stream in a thread."""
import contextlib
import json
import socket
import threading

import requests

from . import PATIENCE, until


class Egress:
    def __init__(self, daemon, pipeline, relation, fmt="json", **params):
        params = {"format": fmt, "backpressure": "true", **params}
        self.response = requests.post(f"{daemon.url}/v0/pipelines/{pipeline}/egress/{relation}", params=params, stream=True, timeout=PATIENCE)
        assert self.response.status_code == 200, self.response.text
        self.chunks, self.count, self.ended = [], 0, threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for line in self.response.iter_lines(chunk_size=None, delimiter=b"\r\n"):
                if line:
                    with self._lock:
                        self.chunks.append(json.loads(line, parse_float=str, parse_int=str))
                        self.chunks[-1]["_raw"] = line.decode()
                        self.count += sum(len(u) for u in self.chunks[-1].get("json_data", ()))
        except (requests.RequestException, AttributeError, ValueError):
            pass
        finally:
            self.ended.set()

    def all_chunks(self):
        with self._lock:
            return list(self.chunks)

    def updates(self):
        """[("insert" | "delete", row)]; numbers stay the text they came as."""
        return [(op, row) for c in self.all_chunks() for u in c.get("json_data", ()) for op, row in u.items()]

    def place(self):
        """What a client keeps to go on from here: parameters for the next connection."""
        counting = [c for c in self.all_chunks() if not c["snapshot"]]
        return {"after": counting[-1]["sequence_number"], "stream": counting[-1]["stream"]} if counting else None

    def text(self):
        return "".join(c.get("text_data", "") for c in self.all_chunks())

    def wait_updates(self, n):
        until(f"{n} updates have arrived", lambda: self.count >= n)  # counted, not listed: that would starve the reader
        return self.updates()

    def close(self):
        """As a client that goes away: the thread that reads holds a lock that close() alone would wait for."""
        with contextlib.suppress(AttributeError, OSError):
            self.response.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)
        self.ended.wait(PATIENCE)
        self.response.close()
