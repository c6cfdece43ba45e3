"""What the servers under test control that speak HTTP have in common: a thread that serves, handlers that answer in one piece and log nothing."""
import http.server
import threading


class Server(http.server.ThreadingHTTPServer):
    """Serves in a thread of its own until it is closed. owner: what handlers know as `self.owner`."""
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, handler, owner, port=0, tls=None):
        super().__init__(("127.0.0.1", port), handler)
        self.owner = owner
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request, client_address):
        """Clients that leave are what the tests are about."""

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *a):
        pass

    @property
    def owner(self):
        return self.server.owner

    def body_sent(self):
        """Of the request."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, body=b"", kind="text/plain", **headers):
        """The whole answer; of a HEAD without its body."""
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def cut(self):
        """The connection ends without an answer."""
        self.close_connection = True
        self.connection.shutdown(2)
