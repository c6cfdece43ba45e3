"""A web server under test control: serves bodies with ranges, can cut connections, wait, redirect, fail."""
from . import web


class Resource:
    """body: bytes. cut_after: list of byte counts, one per connection, after which it is cut. statuses: answers to give first.
    gate: an Event to wait for after `gate_at` bytes; "the last N bytes" pass it. ranges: answer range requests."""

    def __init__(self, body, cut_after=(), statuses=(), gate=None, gate_at=0, ranges=True, etag='"v1"', redirect=None, encoding=None):
        self.encoding = encoding  # Content-Encoding of the body, which is given encoded
        self.body, self.cut_after, self.statuses = body, list(cut_after), list(statuses)
        self.gate, self.gate_at, self.ranges, self.etag, self.redirect = gate, gate_at, ranges, etag, redirect
        self.requests = []
        self.lie = 0  # bytes promised on top of what there is
        self.at_end = None  # called before "the last N bytes" are sent, which stay what they are
        self.broken = 0  # answers that the client did not take to their end


class _Handler(web.Handler):
    def do_GET(self):
        res = self.owner.resources.get(self.path)
        if res is None:
            self.send_error(404)
            return
        res.requests.append(dict(self.headers))
        if res.statuses:
            self.send_error(res.statuses.pop(0))
            return
        if res.redirect:
            self.answer(302, Location=res.redirect)
            return
        start, is_end = 0, False
        rng = self.headers.get("Range")
        if rng and res.ranges and self.headers.get("If-Range", res.etag) == res.etag:
            first, _, last = rng.split("=")[1].partition("-")
            is_end = not first
            start = int(first) if first else max(0, len(res.body) - int(last))
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
        pos, body, gate = start, res.body, None if is_end else res.gate
        if is_end and res.at_end:
            res.at_end()
        while pos < end:
            if gate is not None and pos >= res.gate_at:
                gate.wait()
            nxt = min(end, pos + 65536, res.gate_at if gate is not None and pos < res.gate_at else end)
            try:
                self.wfile.write(body[pos:nxt])
            except OSError:
                res.broken += 1
                self.close_connection = True
                return
            pos = nxt
        if end < len(body) + res.lie:
            self.cut()


class Httpd:
    def __init__(self, tls=None, port=0):
        self.resources = {}
        self.server = web.Server(_Handler, self, port, tls)
        self.url = self.server.url

    def add(self, path, *a, **kw):
        self.resources[path] = r = Resource(*a, **kw)
        return r

    def close(self):
        self.server.close()
