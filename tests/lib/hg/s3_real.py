"""S3 servers of others: moto and S3Proxy (of the set-up; the latter checks signatures), versitygw where it is at hand (it checks them with Amazon's own
code), and any that runs already: S3_SERVER=URL with S3_KEY, S3_SECRET and S3_REGION, in which the tests make a bucket of their own."""
import datetime
import hashlib
import http.client
import os
import shutil
import subprocess
import tempfile
import threading
import urllib.parse
import uuid

from . import CACHE, PATIENCE, s3, until
from .kafka import free_port

MOTO = shutil.which("moto_server", path=CACHE / "moto" / "bin")
VERSITYGW = os.environ.get("VERSITYGW") or shutil.which("versitygw")
S3PROXY = CACHE / "s3proxy" / "libs"
KINDS = [k for k, there in (("moto", MOTO), ("s3proxy", S3PROXY.is_dir()), ("versitygw", VERSITYGW), ("running", os.environ.get("S3_SERVER"))) if there]


class Real:
    def __init__(self, kind):
        self.kind, self.proc, self.dir, self.local = kind, None, None, threading.local()
        self.id, self.secret, self.region = s3.KEY_ID, "geheim4711", "us-east-1"
        self.bucket = f"hg-{uuid.uuid4()}"
        self.page = 50 if kind == "moto" else 1000  # keys in an answer
        if kind == "running":
            self.url = os.environ["S3_SERVER"].rstrip("/")
            self.id, self.secret, self.region = (os.environ[n] for n in ("S3_KEY", "S3_SECRET", "S3_REGION"))
        else:
            port = free_port()
            self.url = f"http://127.0.0.1:{port}"
            self.dir = tempfile.mkdtemp(prefix="hgs3")
            argv = ([MOTO, "-H", "127.0.0.1", "-p", str(port)] if kind == "moto" else
                    self._s3proxy() if kind == "s3proxy" else
                    [VERSITYGW, "-a", self.id, "-s", self.secret, "--region", self.region, "-p", f"127.0.0.1:{port}", "posix", self.dir])
            with open(os.path.join(self.dir, ".log"), "wb") as log:
                self.proc = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(self.page)})
        self.port = urllib.parse.urlsplit(self.url).port
        self.checks_signatures = kind != "moto"
        until(f"{kind} answers", self._answers)
        assert self.request("PUT", f"/{self.bucket}")[0] == 200

    def _s3proxy(self):
        """Objects in memory; no log but of errors."""
        conf = os.path.join(self.dir, "conf")
        with open(conf, "w") as f:
            f.write(f"s3proxy.endpoint={self.url}\ns3proxy.authorization=aws-v4\ns3proxy.identity={self.id}\ns3proxy.credential={self.secret}\n"
                    "jclouds.provider=transient\njclouds.identity=x\njclouds.credential=x\n")
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{S3PROXY}/*", "org.gaul.s3proxy.Main", "--properties", conf]

    def _answers(self):
        assert self.proc is None or self.proc.poll() is None, open(os.path.join(self.dir, ".log")).read()[-2000:]
        try:
            return self.request("GET", "/")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def request(self, method, path, body=b""):
        """Signed; path not encoded. (status, body)."""
        u = urllib.parse.urlsplit(self.url)
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        payload = hashlib.sha256(body).hexdigest()
        headers = {"host": u.netloc, "x-amz-content-sha256": payload, "x-amz-date": stamp}
        encoded = urllib.parse.quote(path, safe="/-_.~")
        sig = s3.signature(self.secret, self.region, method, encoded, [], headers, payload, stamp)
        auth = (f"AWS4-HMAC-SHA256 Credential={self.id}/{stamp[:8]}/{self.region}/s3/aws4_request,SignedHeaders={';'.join(sorted(headers))},Signature={sig}")
        conn = getattr(self.local, "conn", None)
        if conn is None:
            conn = self.local.conn = (http.client.HTTPSConnection if u.scheme == "https" else http.client.HTTPConnection)(u.netloc, timeout=PATIENCE)
        used = conn.sock is not None
        for last in (not used, True):
            try:
                conn.request(method, encoded, body, {**headers, "Authorization": auth})
                r = conn.getresponse()
                return r.status, r.read()
            except (OSError, http.client.HTTPException):
                conn.close()  # the next request opens another one; one that has rested may have been closed by the server meanwhile
                if last:
                    raise

    def put(self, key, body):
        status, text = self.request("PUT", f"/{self.bucket}/{key}", body)
        assert status == 200, (key, status, text)

    def delete(self, key):
        assert self.request("DELETE", f"/{self.bucket}/{key}")[0] in (200, 204)

    def close(self):
        if self.local.conn:
            self.local.conn.close()
        if self.proc:
            self.proc.terminate()
            self.proc.wait(PATIENCE)
            shutil.rmtree(self.dir, ignore_errors=True)
