"""A web server under test control: serves bodies with ranges, can cut connections, wait, redirect, fail."""
import http.server
import threading


class Resource:
    """body: bytes. cut_after: list of byte counts, one per connection, after which it is cut. statuses: answers to give first.
    gate: an Event to wait for after `gate_at` bytes. ranges: answer range requests."""

    def __init__(self, body, cut_after=(), statuses=(), gate=None, gate_at=0, ranges=True, etag='"v1"', redirect=None, encoding=None):
        self.encoding = encoding  # Content-Encoding of the body, which is given encoded
        self.body, self.cut_after, self.statuses = body, list(cut_after), list(statuses)
        self.gate, self.gate_at, self.ranges, self.etag, self.redirect = gate, gate_at, ranges, etag, redirect
        self.requests = []
        self.lie = 0  # bytes promised on top of what there is
        self.broken = 0  # answers that the client did not take to their end


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def do_GET(self):
        res = self.server.resources.get(self.path)
        if res is None:
            self.send_error(404)
            return
        res.requests.append(dict(self.headers))
        if res.statuses:
            self.send_error(res.statuses.pop(0))
            return
        if res.redirect:
            self.send_response(302)
            self.send_header("Location", res.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        rng = self.headers.get("Range")
        if rng and res.ranges and self.headers.get("If-Range", res.etag) == res.etag:
            start = int(rng.split("=")[1].split("-")[0])
            if start >= len(res.body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(res.body) - 1}/{len(res.body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(res.body) - start + res.lie))
        self.send_header("ETag", res.etag)
        if res.encoding:
            self.send_header("Content-Encoding", res.encoding)
        self.end_headers()
        end = len(res.body)
        if res.cut_after:
            end = min(end, start + res.cut_after.pop(0))
        pos = start
        while pos < end:
            if res.gate is not None and pos >= res.gate_at:
                res.gate.wait()
            nxt = min(end, pos + 65536, res.gate_at if res.gate is not None and pos < res.gate_at else end)
            try:
                self.wfile.write(res.body[pos:nxt])
            except OSError:
                res.broken += 1
                self.close_connection = True
                return
            pos = nxt
        if end < len(res.body) + res.lie:
            self.close_connection = True
            self.connection.shutdown(2)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that leave are what the tests are about."""


class Httpd:
    def __init__(self, tls=None, port=0):
        self.server = _Server(("127.0.0.1", port), _Handler)
        self.server.resources = {}
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, path, *a, **kw):
        self.server.resources[path] = r = Resource(*a, **kw)
        return r

    def close(self):
        self.server.shutdown()
        self.server.server_close()
