"""The services that give credentials of AWS, on loopback: STS, the one of a container, and the metadata of an EC2 machine (IMDSv2). What each of them
checks is from their documentation, sharing nothing with the code under test."""
import datetime
import hashlib
import json
import re
import threading
import time
import urllib.parse

from . import s3, web

ROLE, SESSION_TOKEN, WEB_TOKEN, TASK_TOKEN = "a-role", "imds/token+1=", "eyJ.web.token", "task/token+2="
HIDDEN = [s3.SECRET, WEB_TOKEN, TASK_TOKEN, SESSION_TOKEN, "session-"]


class Services:
    """asked: (what, path) of each request. life: seconds that credentials are valid. refuse: {what: (status, body)} to answer instead, `times` times."""

    def __init__(self, tls=None):
        self.asked, self.forms, self.life, self.refuse, self.times = [], [], 3600, {}, 10**9
        self.silent = threading.Event()
        self.silent.set()  # cleared: requests wait
        self.given = 0
        self.signed_by = []  # of AssumeRole: session tokens, "" of lasting keys
        self.lock = threading.Lock()
        self.server = web.Server(_Handler, self, tls=tls)
        self.url, self.port = self.server.url, self.server.server_port

    def close(self):
        self.silent.set()
        self.server.close()

    def whats(self):
        return [w for w, _ in self.asked]

    def new(self):
        """Credentials that s3.Server accepts, with a session token of their own."""
        with self.lock:
            self.given += 1
            n = self.given
        until = datetime.datetime.fromtimestamp(int(time.time()) + self.life, datetime.timezone.utc)
        return {"AccessKeyId": s3.KEY_ID, "SecretAccessKey": s3.SECRET, "Token": f"session-{n}", "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ")}

    # --- the environment that leads here ---

    def web_identity(self, folder, arn="arn:aws:iam::123456789012:role/reader"):
        file = folder / "web-token"
        file.write_text(WEB_TOKEN + "\n")
        return {"AWS_ROLE_ARN": arn, "AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ENDPOINT_URL_STS": self.url + "/sts"}

    def container(self, **more):
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url + "/task", "AWS_CONTAINER_AUTHORIZATION_TOKEN": TASK_TOKEN, **more}

    def machine(self):
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url + "/", "AWS_EC2_METADATA_DISABLED": "false"}


class _Handler(web.Handler):
    def refused(self, what):
        """Notes the request; has it been answered by what the test wants?"""
        s = self.owner
        with s.lock:
            s.asked.append((what, self.path))
            refuse = s.refuse.get(what) if s.times else None
            s.times -= bool(refuse)
        s.silent.wait()
        if refuse:
            self.answer(*refuse)
        return bool(refuse)

    def who_signed(self, body):
        """The session token of who signed the request for STS ("" for lasting keys), or None: nobody whom we know."""
        auth = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/sts/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})",
                            self.headers.get("Authorization", ""))
        stamp, token = self.headers.get("X-Amz-Date", ""), self.headers.get("X-Amz-Security-Token", "")
        if not auth or auth[1] != s3.KEY_ID or stamp[:8] != auth[2]:
            return None
        signed = auth[4].split(";")
        must = {"host", "x-amz-date", *(["content-type"] if "Content-Type" in self.headers else []), *(["x-amz-security-token"] if token else [])}
        headers = {name: self.headers.get(name, "") for name in signed}
        want = s3.signature(s3.SECRET, auth[3], "POST", self.path, [], headers, hashlib.sha256(body).hexdigest(), stamp, service="sts")
        known = not token or token in (f"session-{n + 1}" for n in range(self.owner.given))
        return token if want == auth[5] and must <= set(signed) and known else None

    def do_POST(self):
        body = self.body_sent()
        form = dict(urllib.parse.parse_qsl(body.decode()))
        self.owner.forms.append(form)
        if self.refused("sts"):
            return
        if form.get("Action") == "AssumeRole":
            self.assume_role(form, self.who_signed(body))
            return
        want = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "WebIdentityToken": WEB_TOKEN}
        if self.path != "/sts" or "Authorization" in self.headers or any(form.get(k) != v for k, v in want.items()) or not form.get("RoleSessionName"):
            self.answer(400, "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>No such token</Message></Error></ErrorResponse>")
            return
        c = self.owner.new()
        self.answer(200, '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>'
                    f"<SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken><Credentials><SessionToken>{c['Token']}</SessionToken>"
                    f"<SecretAccessKey>{c['SecretAccessKey']}</SecretAccessKey><Expiration>{c['Expiration']}</Expiration><AccessKeyId>{c['AccessKeyId']}"
                    "</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>", "text/xml")

    def assume_role(self, form, who):
        if self.path != "/sts" or who is None or form.get("Version") != "2011-06-15" or not form.get("RoleSessionName") or not form.get("RoleArn"):
            self.answer(403, "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Not yours</Message></Error></ErrorResponse>")
            return
        self.owner.signed_by.append(who)
        c = self.owner.new()
        self.answer(200, '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser><Arn>a</Arn></AssumedRoleUser>'
                    f"<Credentials><AccessKeyId>{c['AccessKeyId']}</AccessKeyId><SecretAccessKey>{c['SecretAccessKey']}</SecretAccessKey><SessionToken>{c['Token']}"
                    f"</SessionToken><Expiration>{c['Expiration']}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>", "text/xml")

    def do_PUT(self):
        if self.refused("token"):
            return
        life = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        fine = self.path == "/latest/api/token" and life.isdigit() and 1 <= int(life) <= 21600 and "X-Forwarded-For" not in self.headers
        self.answer(200 if fine else 400, SESSION_TOKEN if fine else "")

    def do_GET(self):
        roles = "/latest/meta-data/iam/security-credentials/"
        what = "task" if self.path == "/task" else "role" if self.path == roles else "creds"
        if self.refused(what):
            return
        if what == "task":
            fine = self.headers.get("Authorization") == TASK_TOKEN
            self.answer(200 if fine else 401, json.dumps(self.owner.new()) if fine else "", "application/json")
        elif self.headers.get("X-aws-ec2-metadata-token") != SESSION_TOKEN:
            self.answer(401, "")
        elif what == "role":
            self.answer(200, ROLE)
        else:
            fine = self.path == roles + ROLE
            self.answer(200 if fine else 404, json.dumps({"Code": "Success", "Type": "AWS-HMAC", **self.owner.new()}) if fine else "")
