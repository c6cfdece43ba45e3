"""A small S3 server with a bucket of prices: prints its URL and serves until it is stopped."""
import gzip
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "tests", "lib"))
from hg import s3  # noqa: E402


def month(first, vendor):
    rows = "".join(f"{part},{vendor},{part % 50}.{part % 100:02d}\n" for part in range(first, first + 500))
    return ("part,vendor,price\n" + rows).encode()


server = s3.Server()
server.buckets["warehouse"] = {}
server.add("price/year=2024/month=01/Bolts & Co.csv", month(0, "Bolts & Co"), bucket="warehouse")
server.add("price/year=2024/month=02/nuts.csv.gz", gzip.compress(month(500, "nuts")), bucket="warehouse")
server.add("price/year=2023/old.csv", month(0, "old"), bucket="warehouse")
print(server.url, s3.KEY_ID, s3.SECRET, flush=True)
threading.Event().wait()
