"""An S3 server under test control. It checks every signature with a derivation of its own, lists page by page, serves ranges, and fails on request:
cut bodies, refusals, objects that change or vanish, a list that cannot be had."""
import hashlib
import hmac
import re
import threading
import urllib.parse
from xml.sax.saxutils import escape

from . import web

KEY_ID, SECRET, TOKEN, REGION = "AKIDTESTTESTTEST", "geheim/4711+x=", "session/token+1=", "eu-test-1"
XML = "application/xml"


def _quote(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


def signature(secret, region, method, path, pairs, headers, payload, stamp, service="s3"):
    """Version 4. path: encoded; pairs: of the query, not encoded; headers: those that are signed, by lower case name; stamp: x-amz-date."""
    names = sorted(headers)
    query = "&".join(f"{k}={v}" for k, v in sorted((_quote(k), _quote(v)) for k, v in pairs))
    canonical = "\n".join([method, path, query, *(f"{n}:{' '.join(headers[n].split())}" for n in names), "", ";".join(names), payload])
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in (stamp[:8], region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Object:
    """cut_after: byte counts, one per answer, after which the connection is cut. statuses: (status, code) to give first.
    gate: an Event to wait for once `gate_at` bytes of the object are out; "the last N bytes" pass it."""

    def __init__(self, body, cut_after=(), statuses=(), gate=None, gate_at=0):
        self.cut_after, self.statuses, self.gate, self.gate_at = list(cut_after), list(statuses), gate, gate_at
        self.requests = []
        self.at_end = None  # called before "the last N bytes" are sent, which stay what they are
        self.put(body)

    def put(self, body):
        self.body, self.etag = body, hashlib.md5(body).hexdigest()


class Server:
    """buckets: {name: {key: Object}}. page: keys per page at most. ignores: what it pretends not to know."""

    def __init__(self, port=0, page=1000, token=None, anonymous=False, tls=None):
        self.page, self.token, self.anonymous = page, token, anonymous
        self.buckets = {"bucket": {}}
        self.accept_any_token = False
        self.list_statuses, self.list_bodies = [], []
        self.lists, self.refused, self.puts = [], [], []
        self.put_fail = lambda n: None  # the n-th PUT → None, or (status, code) to answer
        self.deletes, self.uploads = [], {}  # uploads: in parts, under way: {id: (bucket, key, {number: bytes})}
        self.fails = 0  # so many of the next requests, whatever they are for
        self.lock = threading.Lock()
        self.open = self.most_open = 0
        self.server = web.Server(_Handler, self, port, tls)
        self.port, self.url = self.server.server_port, self.server.url

    def add(self, key, body, bucket="bucket", **kw):
        self.buckets[bucket][key] = o = Object(body, **kw)
        return o

    @property
    def objects(self):
        return self.buckets["bucket"]

    def close(self):
        self.server.close()


class _Handler(web.Handler):
    @property
    def s3(self):
        return self.owner

    def error(self, status, code, message="", more=""):
        self.s3.refused.append((status, code, self.path))
        self.answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escape(message)}</Message>{more}</Error>', XML)

    # --- signatures: from the documentation, sharing nothing with the code under test ---

    def signature_error(self, path, query):
        auth = self.headers.get("Authorization")
        if auth is None:
            return None if self.s3.anonymous else (403, "AccessDenied", "Access Denied")
        m = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})", auth)
        if not m:
            return 400, "AuthorizationHeaderMalformed", "The authorization header is malformed"
        key_id, day, region, signed, signature_given = m.groups()
        if key_id != KEY_ID:
            return 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
        if region != REGION:
            return 400, "AuthorizationHeaderMalformed", f"the region '{region}' is wrong; expecting '{REGION}'", f"<Region>{REGION}</Region>"
        names = signed.split(";")
        if names != sorted(names) or "host" not in names or any(h.lower() not in names for h in self.headers if h.lower().startswith("x-amz-")):
            return 403, "AccessDenied", "There were headers present in the request which were not signed"
        if not self.s3.accept_any_token and self.headers.get("x-amz-security-token") != self.s3.token:
            return 400, "InvalidToken", "The provided token is malformed or otherwise invalid."
        payload = self.headers.get("x-amz-content-sha256")
        if payload != hashlib.sha256(self.body).hexdigest():
            return 400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."
        canonical_path = _quote(urllib.parse.unquote(path), "/-_.~")
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        stamp = self.headers["x-amz-date"]
        want = signature(SECRET, region, self.command, canonical_path, pairs, {n: self.headers[n] for n in names}, payload, stamp)
        if not stamp.startswith(day) or not hmac.compare_digest(want, signature_given):
            return 403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."
        return None

    # --- requests ---

    body = b""

    def do_HEAD(self):
        """Of a bucket."""
        name = urllib.parse.unquote(self.path[1:])
        status = 403 if self.signature_error(self.path, "") else 200 if name in self.s3.buckets else 404
        self.answer(status)

    def asked(self):
        """Of what: (is it refused, bucket's name, key, query)."""
        path, _, query = self.path.partition("?")
        name, _, key = urllib.parse.unquote(path[1:]).partition("/")
        return self.signature_error(path, query), name, key, dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def do_PUT(self):
        self.body = self.body_sent()
        bad, name, key, query = self.asked()
        with self.s3.lock:
            self.s3.puts.append(key)
            fail = self.s3.put_fail(len(self.s3.puts))
            if not bad and not fail and name in self.s3.buckets:
                if "uploadId" in query:
                    self.s3.uploads[query["uploadId"]][2][int(query["partNumber"])] = self.body
                else:
                    self.s3.buckets[name][key] = Object(self.body)
        if bad or fail:
            self.error(*(bad or fail))
        elif name not in self.s3.buckets:
            self.error(404, "NoSuchBucket", "The specified bucket does not exist")
        else:
            self.answer(200, ETag=f'"{hashlib.md5(self.body).hexdigest()}"')
        self.body = b""

    def do_POST(self):
        """Uploads in parts begin, and end."""
        self.body = self.body_sent()
        bad, name, key, query = self.asked()
        if bad:
            self.error(*bad)
        elif "uploads" in query:
            upload = f"up/{len(self.s3.uploads)}+="
            self.s3.uploads[upload] = (name, key, {})
            self.answer(200, f"<InitiateMultipartUploadResult><Bucket>{name}</Bucket><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>", XML)
        else:
            name, key, parts = self.s3.uploads.pop(query["uploadId"])
            listed = re.findall(r"<Part><PartNumber>(\d+)</PartNumber><ETag>\"(\w+)\"</ETag></Part>", self.body.decode())
            assert listed == [(str(n), hashlib.md5(parts[n]).hexdigest()) for n in sorted(parts)], (listed, self.body)
            assert all(len(parts[n]) >= 5 << 20 for n in sorted(parts)[:-1])
            with self.s3.lock:
                self.s3.buckets[name][key] = Object(b"".join(parts[n] for n in sorted(parts)))
            self.answer(200, f"<CompleteMultipartUploadResult><Key>{escape(key)}</Key></CompleteMultipartUploadResult>", XML)
        self.body = b""

    def do_DELETE(self):
        bad, name, key, query = self.asked()
        if bad:
            self.error(*bad)
            return
        with self.s3.lock:
            if "uploadId" in query:
                self.s3.uploads.pop(query["uploadId"], None)
            else:
                self.s3.deletes.append(key)
                self.s3.buckets[name].pop(key, None)
        self.answer(204)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        bad = self.signature_error(path, query)
        if bad:
            self.error(*bad)
            return
        with self.s3.lock:
            fails, self.s3.fails = self.s3.fails, max(0, self.s3.fails - 1)
        if fails:
            self.error(503, "SlowDown", "Please reduce your request rate.")
            return
        name, _, key = urllib.parse.unquote(path[1:]).partition("/")
        bucket = self.s3.buckets.get(name)
        if bucket is None:
            self.error(404, "NoSuchBucket", "The specified bucket does not exist")
        elif key:
            self.get_object(bucket, key)
        else:
            self.list_objects(name, bucket, dict(urllib.parse.parse_qsl(query, keep_blank_values=True)))

    def list_objects(self, name, bucket, q):
        s3 = self.s3
        assert q.get("list-type") == "2", q
        s3.lists.append(q)
        if s3.list_statuses:
            self.error(*s3.list_statuses.pop(0))
            return
        if s3.list_bodies:
            self.answer(200, s3.list_bodies.pop(0), XML)
            return
        after = q.get("continuation-token", "\0" + q.get("start-after", ""))[1:]
        keys = sorted((k for k in bucket if k.startswith(q.get("prefix", "")) and (not after or k.encode() > after.encode())), key=str.encode)
        page, more = keys[:s3.page], len(keys) > s3.page
        url = q.get("encoding-type") == "url"
        text = [f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{name}</Name>',
                f"<KeyCount>{len(page)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"]
        if more:
            text.append(f"<NextContinuationToken>{escape('!' + page[-1])}</NextContinuationToken>")
        if url:
            text.append("<EncodingType>url</EncodingType>")
        for k in page:
            text.append(f"<Contents><Key>{urllib.parse.quote_plus(k, safe='/') if url else escape(k)}</Key><LastModified>2024-01-01T00:00:00.000Z"
                        f"</LastModified><ETag>&quot;{bucket[k].etag}&quot;</ETag><Size>{len(bucket[k].body)}</Size></Contents>")
        self.answer(200, "".join(text) + "</ListBucketResult>", XML)

    def get_object(self, bucket, key):
        o = bucket.get(key)
        if o is None:
            self.error(404, "NoSuchKey", "The specified key does not exist.", f"<Key>{escape(key)}</Key>")
            return
        o.requests.append(dict(self.headers))
        if o.statuses:
            self.error(*o.statuses.pop(0))
            return
        body, etag = o.body, f'"{o.etag}"'
        if self.headers.get("If-Match", etag) != etag:
            self.error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
            return
        start, is_end, rng = 0, False, self.headers.get("Range")
        if rng:
            first, _, last = rng.removeprefix("bytes=").partition("-")
            is_end = not first
            start = int(first) if first else max(0, len(body) - int(last))
            if start >= len(body):
                self.error(416, "InvalidRange", "The requested range is not satisfiable")
                return
        self.send_response(206 if rng else 200)
        if rng:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("ETag", etag)
        self.end_headers()
        with self.s3.lock:
            self.s3.open += 1
            self.s3.most_open = max(self.s3.most_open, self.s3.open)
        try:
            if is_end and o.at_end:
                o.at_end()
            self.send_body(o, body, start, None if is_end else o.gate)
        finally:
            with self.s3.lock:
                self.s3.open -= 1

    def send_body(self, o, body, start, gate):
        end = min(len(body), start + o.cut_after.pop(0)) if o.cut_after else len(body)
        pos = start
        while pos < end:
            gated = gate is not None and pos < o.gate_at
            if gate is not None and not gated:
                gate.wait()
            stop = min(end, o.gate_at) if gated else end
            try:
                self.wfile.write(memoryview(body)[pos:min(stop, pos + (1 << 18))])
            except OSError:
                self.close_connection = True
                return
            pos = min(stop, pos + (1 << 18))
        if end < len(body):
            self.cut()
