"""A proxy that changes nothing and hears everything: what a client that is not ours to hook says and is told, held against
hg.shapes. One thread per direction; an exchange is judged once its connection has ended."""
import contextlib
import http.client
import io
import socket
import threading
import urllib.parse

from hg import shapes

class _Answer:
    def __init__(self, status, headers, content):
        self.status_code, self.headers, self.content = status, headers, content

    @property
    def text(self):
        return self.content.decode()


class _Stream:
    """Bytes that several messages are read from, one behind the other."""
    def __init__(self, data):
        self.file = io.BytesIO(data)
        self.file.close = lambda: None

    def makefile(self, *_):
        return self.file


def _request(file):
    """(method, target) of the next request, its body skipped; None: there is none."""
    line = file.readline()
    if not line.endswith(b"\n"):
        return None
    headers = http.client.parse_headers(file)
    if "chunked" in headers.get("Transfer-Encoding", ""):
        while size := int(file.readline() or b"0", 16):
            file.read(size + 2)
        while file.readline().strip():
            pass
    else:
        file.read(int(headers.get("Content-Length", 0)))
    method, target, _ = line.decode().split(" ", 2)
    return method, target


def judge(sent, got):
    """Every exchange of one connection. The last answer may be cut off: a stream that the client has left."""
    requests, answers = io.BytesIO(sent), _Stream(got)
    while (asked := _request(requests)) and answers.file.tell() < len(got):
        response = http.client.HTTPResponse(answers, method=asked[0])
        whole = True
        try:
            response.begin()
            if response.status == 101:
                return
            body = response.read()
        except (http.client.IncompleteRead, ConnectionError, ValueError):
            body, whole = b"", False
        if response.status:
            shapes.check(*asked, _Answer(response.status, response.headers, body), body=whole)
        if not whole:
            return


class Witness:
    def __init__(self, url):
        at = urllib.parse.urlsplit(url)
        self.target = (at.hostname, at.port)
        self.exchanges = 0  # connections judged
        self._serving = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self._serving.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
            self._serving[-1].start()

    def close(self):
        """The server has gone, so every connection to it ends: waits until all are judged."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for t in self._serving:
            t.join()

    def _serve(self, client):
        with client, contextlib.suppress(OSError), socket.create_connection(self.target) as server:
            sent, got = bytearray(), bytearray()
            back = threading.Thread(target=self._pump, args=(server, client, got), daemon=True)
            back.start()
            self._pump(client, server, sent)
            back.join()
            try:
                judge(bytes(sent), bytes(got))
            except AssertionError as e:
                shapes.wrong.append(str(e))
            self.exchanges += 1

    @staticmethod
    def _pump(source, to, kept):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                kept += data
                to.sendall(data)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)