"""NKeys and the JWTs of NATS: operators, accounts and users, as `nsc` makes them."""
import base64
import json
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

KINDS = {"operator": 14 << 3, "account": 0, "user": 20 << 3}  # the first letter: O, A, U
NO_LIMITS = {"subs": -1, "data": -1, "payload": -1}


def _crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xffff
    return crc


def _text(raw):
    return base64.b32encode(raw + _crc16(raw).to_bytes(2, "little")).decode().rstrip("=")


def _b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    def __init__(self, kind, seed=None):
        self.kind, prefix = kind, KINDS[kind]
        self.key = Ed25519PrivateKey.from_private_bytes(seed) if seed else Ed25519PrivateKey.generate()
        secret = self.key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        self.public = _text(bytes([prefix]) + self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        self.seed = _text(bytes([18 << 3 | prefix >> 5, (prefix & 31) << 3]) + secret)

    def sign(self, data):
        return _b64(self.key.sign(data if isinstance(data, bytes) else data.encode()))

    def issue(self, subject, issued=None, **nats):
        """A JWT about another key (or this one), signed by this one."""
        now = int(time.time()) if issued is None else issued
        claims = {"jti": "x", "iat": now, "iss": self.public, "sub": subject.public, "name": subject.kind, "nats": {"type": subject.kind, "version": 2, **nats}}
        body = _b64(json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode()) + "." + _b64(json.dumps(claims).encode())
        return body + "." + self.sign(body)


def credentials(jwt, key, end="\n"):
    return end.join(["-----BEGIN NATS USER JWT-----", jwt, "------END NATS USER JWT------", "",
                     "************************* IMPORTANT *************************", "Keep this to yourself.", "",
                     "-----BEGIN USER NKEY SEED-----", key.seed, "------END USER NKEY SEED------", "", "*" * 61, ""])


class Operator:
    """One operator with a system account and an account that has JetStream; conf() is for nats-server."""

    def __init__(self):
        self.key, self.system, self.account = Key("operator"), Key("account"), Key("account")
        self.jwt, self.revoked = self.key.issue(self.key), {}  # a server that reads its configuration anew wants the same operator

    def conf(self):
        limits = {**NO_LIMITS, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
        store = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
        account = self.key.issue(self.account, limits={**limits, **store}, **({"revocations": self.revoked} if self.revoked else {}))
        return (f"operator: {self.jwt}\nsystem_account: {self.system.public}\nresolver: MEMORY\nresolver_preload: {{\n"
                f"  {self.system.public}: {self.key.issue(self.system, limits=limits)}\n  {self.account.public}: {account}\n}}\n")

    def user(self, **more):
        """(JWT, key) of a new user of the account."""
        key = Key("user")
        return self.account.issue(key, pub={}, sub={}, **NO_LIMITS, **more), key

    def revoke(self, key):
        self.revoked[key.public] = int(time.time()) + 3600

    def login(self):
        """What Server needs for connections of its own."""
        jwt, key = self.user()
        return lambda nonce: {"jwt": jwt, "sig": key.sign(nonce)}
