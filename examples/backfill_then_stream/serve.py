"""A web server for one file that holds back the last tenth until a second file exists: a history that takes its time.
Usage: serve.py FILE GO"""
import http.server
import os
import sys
import time

path, go = sys.argv[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        with open(path, "rb") as f:
            body = f.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        hold = len(body) * 9 // 10
        self.wfile.write(body[:hold])
        while not os.path.exists(go):
            time.sleep(0.02)
        self.wfile.write(body[hold:])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port, flush=True)
server.serve_forever()
