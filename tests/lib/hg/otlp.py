"""OpenTelemetry collectors that are not ours: gRPC's own server (grpcio) and an HTTP server, both of which read requests by the classes that the
OpenTelemetry project publishes (opentelemetry-proto). They can refuse, ask for patience, leave records out, and be away."""
import concurrent.futures
import socket
import threading

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as service
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as service_grpc

from . import PATIENCE, web


def value(v):
    return getattr(v, v.WhichOneof("value"))


class Record:
    """A LogRecord with what it came in."""

    def __init__(self, record, scope, resource):
        self.pb, self.scope, self.resource = record, scope, resource
        self.body, self.level, self.number = value(record.body), record.severity_text, record.severity_number
        self.attrs = {a.key: value(a.value) for a in record.attributes}
        self.event = self.attrs["event"]

    def __repr__(self):
        return f"{self.level} {self.attrs} {self.body!r}"


class Collector:
    """answers: what to say to the next requests, one each, then it takes everything. Requests that were taken are in `records`."""

    def __init__(self):
        self.lock = threading.Lock()
        self.answers, self.batches, self.requests = [], [], 0
        self.metadata = []  # of each request: names in lower case
        self.place = None

    def away(self):
        """Connections are refused, until `back`."""
        self.close()
        self.place = taken(self.port)

    def back(self):
        self.place.close()
        self.place = None
        self.open()

    def came(self, metadata):
        """What to answer; None: take it."""
        with self.lock:
            self.requests += 1
            self.metadata.append(metadata)
            return self.answers.pop(0) if self.answers else None

    def take(self, request):
        records = []
        for rl in request.resource_logs:
            resource = {a.key: value(a.value) for a in rl.resource.attributes}
            for sl in rl.scope_logs:
                records += [Record(r, sl.scope, resource) for r in sl.log_records]
        with self.lock:
            self.batches.append(records)

    @property
    def records(self):
        with self.lock:
            return [r for b in self.batches for r in b]

    def bodies(self, event):
        return [r.body for r in self.records if r.event == event]


def taken(port):
    """A socket that has the port, and at which nobody listens."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    return s


class Partial:
    """An answer: taken but for so many."""

    def __init__(self, rejected, message):
        self.rejected, self.message = rejected, message

    def response(self):
        return service.ExportLogsServiceResponse(
            partial_success=service.ExportLogsPartialSuccess(rejected_log_records=self.rejected, error_message=self.message))


class Grpc(Collector, service_grpc.LogsServiceServicer):
    """answers: Partial, or (grpc.StatusCode, message[, trailers])."""
    transport = "grpc"

    def __init__(self, port=0, tls=None):
        Collector.__init__(self)
        self.scheme = "https" if tls else "http"
        self.tls, self.port, self.server = tls, port, None
        self.open()

    def open(self):
        """On the port of the time before."""
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        service_grpc.add_LogsServiceServicer_to_server(self, self.server)
        if self.tls:
            cert, key = self.tls
            port = self.server.add_secure_port(f"127.0.0.1:{self.port}", grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())]))
        else:
            port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        assert port, "the port is taken"
        self.port = port
        self.endpoint = f"{self.scheme}://127.0.0.1:{self.port}"
        self.server.start()

    def close(self):
        self.server.stop(PATIENCE).wait()  # with the answers that are under way

    def Export(self, request, context):
        answer = self.came({k.lower(): v for k, v in context.invocation_metadata()})
        if isinstance(answer, tuple):
            if len(answer) > 2:
                context.set_trailing_metadata(answer[2])
            context.abort(answer[0], answer[1])
        self.take(request)
        return answer.response() if answer else service.ExportLogsServiceResponse()


class _Handler(web.Handler):
    def do_POST(self):
        owner, body = self.owner, self.body_sent()
        if owner.place:  # a connection of before
            return self.cut()
        answer = owner.came({k.lower(): v for k, v in self.headers.items()})
        owner.paths.append(self.path)
        if isinstance(answer, tuple):
            return self.answer(answer[0], answer[1], **(answer[2] if len(answer) > 2 else {}))
        try:
            owner.take(service.ExportLogsServiceRequest.FromString(body))
        except DecodeError as e:
            owner.broken.append(str(e))
            return self.answer(400, str(e))
        response = answer.response() if answer else service.ExportLogsServiceResponse()
        return self.answer(200, response.SerializeToString(), "application/x-protobuf")


class Http(Collector):
    """answers: Partial, or (status, body[, headers])."""
    transport = "http"

    def __init__(self, port=0, tls=None):
        Collector.__init__(self)
        self.port, self.paths, self.broken, self.tls = port, [], [], tls
        self.open()

    def open(self):
        self.server = web.Server(_Handler, self, self.port, self.tls)
        self.port = self.server.server_port
        self.endpoint = self.server.url + "/v1/logs"

    def close(self):
        self.server.close()
