#!/usr/bin/env python3
"""A large upload that is resumed: who began it is killed in the middle, another finds what is there and sends the rest.

    multipart.py ENDPOINT KEY SECRET [MIB]

The first sender, a process of its own, gets SIGKILL while parts are on their way. The second knows the object's name only: it lists uploads and
parts, finds each kept part to be what it would have sent, sends the missing ones and completes. Read back, the whole has the
SHA-256 of what was meant. 1 GiB unless told otherwise, made of a seed, never whole in memory and never on the disk. Before that,
what docs/s3.md shows below "boto3" is run. Exits 77 where boto3 is not there.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

LIMIT_S = 400
PART_BYTES = 16 << 20
SENDERS = 2
BUCKET, NAME = "resumed", "films/large.mkv"

for variable in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
    del os.environ[variable]
os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true")

try:
    import boto3
    import botocore.config
except ImportError:
    print("SKIPPED: boto3 is not there (tests/s3/requirements.txt)")
    sys.exit(77)


def connect(endpoint, key, secret):
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret,
        config=botocore.config.Config(s3={"addressing_style": "path"}, read_timeout=120),
    )


def part(number, size):
    """Bytes of a part; no piece of one is in another."""
    return hashlib.shake_128(number.to_bytes(4, "big")).digest(size)


def sizes(mib):
    """Numbers of all parts and their sizes; the last is an odd one."""
    whole, rest = divmod((mib << 20) + 12_345, PART_BYTES)
    return {at: PART_BYTES for at in range(1, whole + 1)} | {whole + 1: rest}


def send(s3, upload, parts):
    """Sends parts, a few at a time, and says the number of each that was taken."""

    def one(number):
        body = part(number, parts[number])
        tag = s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
        assert tag == f'"{hashlib.md5(body).hexdigest()}"', f"part {number} has the tag {tag}"
        print(f"part {number}", flush=True)
        return number, tag

    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        return dict(pool.map(one, parts))


def first(s3, mib):
    upload = {"Bucket": BUCKET, "Key": NAME}
    send(s3, upload | {"UploadId": s3.create_multipart_upload(**upload)["UploadId"]}, sizes(mib))
    raise AssertionError("it sent everything before it was killed")


def second(s3, mib):
    uploads = [line for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET) for line in page["Uploads"]]
    assert [line["Key"] for line in uploads] == [NAME], uploads
    upload = {"Bucket": BUCKET, "Key": NAME, "UploadId": uploads[0]["UploadId"]}
    pages = s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": 10})
    kept = {line["PartNumber"]: line for page in pages for line in page.get("Parts", [])}
    wanted = sizes(mib)
    for number, line in kept.items():
        body = part(number, wanted[number])
        assert line["Size"] == len(body) and line["ETag"] == f'"{hashlib.md5(body).hexdigest()}"', line
    missing = {number: size for number, size in wanted.items() if number not in kept}
    assert kept and missing, (len(kept), len(missing))
    tags = {number: line["ETag"] for number, line in kept.items()} | send(s3, upload, missing)
    parts = [{"PartNumber": number, "ETag": tags[number]} for number in sorted(tags)]
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    digests = b"".join(bytes.fromhex(line["ETag"].strip('"')) for line in parts)
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"', done["ETag"]
    print(f"kept {len(kept)}", flush=True)


def sender(role, arguments):
    return subprocess.Popen([sys.executable, __file__, *arguments, role], stdout=subprocess.PIPE, text=True)


def resumed(s3, arguments, mib):
    s3.create_bucket(Bucket=BUCKET)
    count = len(sizes(mib))
    with sender("first", arguments) as child:
        # A third is there, two more are on their way.
        told = [child.stdout.readline() for _ in range(count // 3)]
        child.kill()
        assert child.wait() == -signal.SIGKILL, f"the first sender ended by itself: {told}"
    with sender("second", arguments) as child:
        told = child.stdout.read().splitlines()
        assert child.wait() == 0, "the second sender failed"
    sent, kept = sum(line.startswith("part ") for line in told), int(told[-1].removeprefix("kept "))
    assert kept >= count // 3 and kept + sent == count, (kept, sent, count)
    got, meant = hashlib.sha256(), hashlib.sha256()
    answer = s3.get_object(Bucket=BUCKET, Key=NAME)
    assert answer["ContentLength"] == sum(sizes(mib).values())
    for chunk in answer["Body"].iter_chunks(1 << 20):
        got.update(chunk)
    for number, size in sizes(mib).items():
        meant.update(part(number, size))
    assert got.digest() == meant.digest(), "it came back otherwise"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    s3.delete_object(Bucket=BUCKET, Key=NAME)
    s3.delete_bucket(Bucket=BUCKET)
    return kept, sent


def documented(s3, endpoint, key, secret):
    """Runs what the page shows, with this gateway's address and key in the places of the page's."""
    page = (pathlib.Path(__file__).parents[2] / "docs/s3.md").read_text(encoding="utf-8")
    text = re.search(r"^## boto3\n+```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL).group(1)
    text = text.replace("http://127.0.0.1:7780", endpoint).replace("PMSI…", key).replace("…", secret)
    film = random.Random(5).randbytes(20 << 20)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        pathlib.Path("film.mkv").write_bytes(film)
        exec(compile(text, "docs/s3.md", "exec"), {})
        assert pathlib.Path("copy.mkv").read_bytes() == film, "it came back otherwise"
        os.chdir("/")
    s3.delete_object(Bucket="films", Key="film.mkv")
    s3.delete_bucket(Bucket="films")


def main():
    place, more = sys.argv[1:4], sys.argv[4:]
    mib, role = int((more or ["1024"])[0]), (more[1:] or [""])[0]
    s3 = connect(*place)
    signal.alarm(LIMIT_S)
    if role:
        return {"first": first, "second": second}[role](s3, mib)
    documented(s3, *place)
    begun = time.monotonic()
    kept, sent = resumed(s3, [*place, str(mib)], mib)
    print(
        f"boto3 {boto3.__version__}: {mib} MiB in {kept + sent} parts, the first sender killed after {kept}, the second sent {sent};"
        f" read back, equal ({time.monotonic() - begun:.0f} s)"
    )


if __name__ == "__main__":
    main()
