"""Serves DIR/price.json and takes a rest half way: creates DIR/half and goes on when DIR/arrived exists."""
import http.server
import os
import sys
import time

folder = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(os.path.join(folder, "price.json"), "rb") as f:
            body = f.read()
        half = len(body) // 2
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:half])
        self.wfile.flush()
        open(os.path.join(folder, "half"), "w").close()
        while not os.path.exists(os.path.join(folder, "arrived")):
            time.sleep(0.02)
        self.wfile.write(body[half:])

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port, flush=True)
server.serve_forever()
