#!/usr/bin/env python3
"""Every S3 operation of the gateway by boto3: one success, and the errors that S3 documents for it.

    s3_boto3.py ENDPOINT ACCESS_KEY_ID SECRET_ACCESS_KEY [READ_ONLY_ID READ_ONLY_SECRET]

Prints a line for each case and one at the end; exits 0 only where all of them hold.
"""

import base64
import concurrent.futures
import datetime
import hashlib
import io
import sys
import traceback
import urllib.error
import urllib.request
import zlib

import boto3
import boto3.s3.transfer
import botocore.config
import botocore.exceptions

ENDPOINT, KEY, SECRET = sys.argv[1:4]
READER = sys.argv[4:6]
PART = 5 << 20


def client(key=KEY, secret=SECRET, **more):
    style = more.pop("style", "path")
    config = botocore.config.Config(
        s3={"addressing_style": style}, retries={"max_attempts": 1}, region_name="us-east-1", **more
    )
    return boto3.client(
        "s3", endpoint_url=ENDPOINT, aws_access_key_id=key, aws_secret_access_key=secret, config=config
    )


s3 = client()
CASES = []


def case(function):
    CASES.append(function)
    return function


def refused(code, function, **arguments):
    """The call ends with this code, and with the id of our registry in its message."""
    try:
        function(**arguments)
    except botocore.exceptions.ClientError as error:
        got, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        assert got == code, f"{got} instead of {code}: {message}"
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if not got.isdigit() and status != 304:
            assert message.startswith("E0"), f"no id in {message!r}"
        return error.response
    raise AssertionError(f"{code} was expected")


def make(name):
    s3.create_bucket(Bucket=name)
    return name


def put(bucket, key, body=b"x", **more):
    return s3.put_object(Bucket=bucket, Key=key, Body=body, **more)


def get(bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def md5(body):
    return hashlib.md5(body).hexdigest()


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


@case
def buckets():
    name = make("boto-buckets")
    refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket=name)
    # boto3 looks at names before it sends them; this one passes there and is none of S3's.
    refused("InvalidBucketName", s3.create_bucket, Bucket="Boto-Buckets")
    refused(
        "InvalidLocationConstraint",
        s3.create_bucket,
        Bucket="boto-elsewhere",
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
    )
    refused("NotImplemented", s3.create_bucket, Bucket="boto-public", ACL="public-read")
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    page = s3.list_buckets(MaxBuckets=1, Prefix="boto-")
    assert len(page["Buckets"]) == 1
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == "us-east-1"
    refused("404", s3.head_bucket, Bucket="boto-nothing")
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    refused("NoSuchBucket", s3.get_bucket_location, Bucket="boto-nothing")
    put(name, "k")
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    refused("NoSuchBucket", s3.delete_bucket, Bucket=name)
    refused("NoSuchBucket", s3.list_objects_v2, Bucket=name)


@case
def objects():
    name = make("boto-objects")
    for size in (0, 1, 4096, 4097, 65520, 1 << 20, (5 << 20) + 3):
        body = bytes(number % 251 for number in range(size)) if size < 1 << 16 else bytes(size)
        stored = put(name, f"size/{size}", body)
        assert stored["ETag"] == f'"{md5(body)}"', size
        assert get(name, f"size/{size}") == body, size
        assert s3.head_object(Bucket=name, Key=f"size/{size}")["ContentLength"] == size
    refused("NoSuchKey", s3.get_object, Bucket=name, Key="nothing")
    refused("404", s3.head_object, Bucket=name, Key="nothing")
    refused("NoSuchBucket", s3.get_object, Bucket="boto-nothing", Key="k")
    refused("NoSuchBucket", s3.put_object, Bucket="boto-nothing", Key="k", Body=b"")
    refused("InvalidDigest", s3.put_object, Bucket=name, Key="k", Body=b"x", ContentMD5="bad")
    refused("BadDigest", s3.put_object, Bucket=name, Key="k", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    refused("InvalidStorageClass", s3.put_object, Bucket=name, Key="k", Body=b"x", StorageClass="GLACIER")
    refused("NotImplemented", s3.put_object, Bucket=name, Key="k", Body=b"x", ServerSideEncryption="aws:kms")
    refused("NotImplemented", s3.put_object, Bucket=name, Key="k", Body=b"x", ACL="public-read")
    refused("NotImplemented", s3.put_object, Bucket=name, Key="k", Body=b"x", WebsiteRedirectLocation="/x")
    refused("KeyTooLongError", s3.put_object, Bucket=name, Key="k" * 1025, Body=b"x")
    refused("MetadataTooLarge", s3.put_object, Bucket=name, Key="k", Body=b"x", Metadata={"a": "x" * 2048})
    refused("404", s3.head_object, Bucket=name, Key="k")


@case
def ranges():
    name, body = make("boto-ranges"), bytes(number % 241 for number in range(200_000))
    put(name, "k", body)
    for header, part in (
        ("bytes=0-0", body[:1]),
        ("bytes=65519-65520", body[65519:65521]),
        ("bytes=199990-", body[199990:]),
        ("bytes=-7", body[-7:]),
        ("bytes=-999999", body),
        ("bytes=100-9999999", body[100:]),
    ):
        answer = s3.get_object(Bucket=name, Key="k", Range=header)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206 and answer["Body"].read() == part, header
    assert s3.head_object(Bucket=name, Key="k", Range="bytes=0-9")["ContentLength"] == 10
    refused("InvalidRange", s3.get_object, Bucket=name, Key="k", Range="bytes=200000-")
    put(name, "empty", b"")
    refused("InvalidRange", s3.get_object, Bucket=name, Key="empty", Range="bytes=0-0")


@case
def conditions():
    name = make("boto-conditions")
    etag = put(name, "k", b"one")["ETag"]
    changed = s3.head_object(Bucket=name, Key="k")["LastModified"]
    later, hour = changed + datetime.timedelta(hours=1), datetime.timedelta(hours=1)
    assert get(name, "k", IfMatch=etag) == b"one"
    refused("PreconditionFailed", s3.get_object, Bucket=name, Key="k", IfMatch='"0"')
    assert get(name, "k", IfNoneMatch='"0"') == b"one"
    refused("304", s3.get_object, Bucket=name, Key="k", IfNoneMatch=etag)
    refused("304", s3.head_object, Bucket=name, Key="k", IfModifiedSince=later)
    assert get(name, "k", IfModifiedSince=changed - hour) == b"one"
    refused("PreconditionFailed", s3.get_object, Bucket=name, Key="k", IfUnmodifiedSince=changed - hour)
    assert get(name, "k", IfUnmodifiedSince=later) == b"one"
    # A tag that matches counts before a time that does not.
    assert get(name, "k", IfMatch=etag, IfUnmodifiedSince=changed - hour) == b"one"
    refused("PreconditionFailed", s3.put_object, Bucket=name, Key="k", Body=b"two", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket=name, Key="k", Body=b"two", IfMatch='"0"')
    refused("NoSuchKey", s3.put_object, Bucket=name, Key="new", Body=b"two", IfMatch=etag)
    put(name, "new", b"two", IfNoneMatch="*")
    put(name, "k", b"two", IfMatch=etag)
    refused("PreconditionFailed", s3.delete_object, Bucket=name, Key="k", IfMatch=etag)
    # Of many who create one name, one does.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def create(number):
            try:
                put(name, "race", str(number).encode(), IfNoneMatch="*")
                return 1
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "PreconditionFailed"
                return 0
        assert sum(pool.map(create, range(8))) == 1


@case
def told():
    name = make("boto-told")
    expires = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
    put(
        name, "k", b"body", Metadata={"camera": "X100", "empty": ""}, ContentType="text/x-test",
        CacheControl="max-age=9", ContentDisposition='attachment; filename="a"', ContentEncoding="identity",
        ContentLanguage="ko", Expires=expires, Tagging="year=2026&place=a%20b",
    )
    head = s3.head_object(Bucket=name, Key="k")
    assert head["Metadata"] == {"camera": "X100", "empty": ""}, head["Metadata"]
    assert head["ContentType"] == "text/x-test" and head["CacheControl"] == "max-age=9"
    assert head["ContentDisposition"] == 'attachment; filename="a"' and head["ContentEncoding"] == "identity"
    assert head["ContentLanguage"] == "ko" and head["ExpiresString"] == "Tue, 01 Jan 2030 00:00:00 GMT"
    assert s3.get_object(Bucket=name, Key="k")["TagCount"] == 2
    other = s3.get_object(Bucket=name, Key="k", ResponseContentType="image/png", ResponseCacheControl="no-cache")
    assert other["ContentType"] == "image/png" and other["CacheControl"] == "no-cache"
    put(name, "plain", b"")
    assert s3.head_object(Bucket=name, Key="plain")["ContentType"] == "binary/octet-stream"


@case
def tagging():
    name = make("boto-tags")
    put(name, "k", b"body", Tagging="a=1", Metadata={"m": "1"})
    tags = lambda: {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=name, Key="k")["TagSet"]}
    assert tags() == {"a": "1"}
    s3.put_object_tagging(Bucket=name, Key="k", Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    assert tags() == {"b": "2"} and get(name, "k") == b"body"
    assert s3.head_object(Bucket=name, Key="k")["Metadata"] == {"m": "1"}
    s3.delete_object_tagging(Bucket=name, Key="k")
    assert tags() == {}
    many = {"TagSet": [{"Key": str(at), "Value": ""} for at in range(11)]}
    refused("InvalidTag", s3.put_object_tagging, Bucket=name, Key="k", Tagging=many)
    twice = {"TagSet": [{"Key": "a", "Value": ""}, {"Key": "a", "Value": ""}]}
    refused("InvalidTag", s3.put_object_tagging, Bucket=name, Key="k", Tagging=twice)
    long = {"TagSet": [{"Key": "k" * 129, "Value": ""}]}
    refused("InvalidTag", s3.put_object_tagging, Bucket=name, Key="k", Tagging=long)
    refused("NoSuchKey", s3.get_object_tagging, Bucket=name, Key="nothing")


@case
def checksums():
    name, body = make("boto-checksums"), b"123456789"
    known = {
        "CRC32": "y/Q5Jg==", "CRC32C": "4waSgw==", "CRC64NVME": "rosUhgp5mIg=",
        "SHA1": base64.b64encode(hashlib.sha1(body).digest()).decode(),
        "SHA256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
    }
    for kind, value in known.items():
        field = f"Checksum{kind}"
        stored = put(name, kind, body, **{field: value})
        assert stored[field] == value, kind
        head = s3.head_object(Bucket=name, Key=kind, ChecksumMode="ENABLED")
        assert head[field] == value and head["ChecksumType"] == "FULL_OBJECT", kind
        assert s3.get_object(Bucket=name, Key=kind, ChecksumMode="ENABLED")["Body"].read() == body
        told = s3.get_object_attributes(
            Bucket=name, Key=kind, ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"]
        )
        assert told["Checksum"][field] == value and told["ObjectSize"] == 9 and told["ETag"].strip(chr(34)) == md5(body)
        wrong = base64.b64encode(bytes(len(base64.b64decode(value)))).decode()
        refused("BadDigest", s3.put_object, Bucket=name, Key="bad", Body=body, **{field: wrong})
        refused("InvalidRequest", s3.put_object, Bucket=name, Key="bad", Body=body, **{field: "AA=="})
    # Behind the body, as a stream is sent.
    for kind in ("CRC32", "SHA256"):
        stored = s3.put_object(Bucket=name, Key="stream", Body=io.BytesIO(body), ChecksumAlgorithm=kind)
        assert stored[f"Checksum{kind}"] == known[kind]
    refused("404", s3.head_object, Bucket=name, Key="bad")


@case
def copies():
    name, other = make("boto-copies"), make("boto-copies-too")
    body = bytes(300_000)
    etag = put(name, "from", body, Metadata={"a": "1"}, ContentType="text/a", Tagging="t=1")["ETag"]
    done = s3.copy_object(Bucket=name, Key="to", CopySource={"Bucket": name, "Key": "from"})
    assert done["CopyObjectResult"]["ETag"] == etag and get(name, "to") == body
    assert s3.head_object(Bucket=name, Key="to")["Metadata"] == {"a": "1"}
    done = s3.copy_object(Bucket=other, Key="to", CopySource={"Bucket": name, "Key": "from"})
    assert done["CopyObjectResult"]["ETag"] == etag and get(other, "to") == body
    assert s3.get_object_tagging(Bucket=other, Key="to")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(
        Bucket=name, Key="to", CopySource={"Bucket": name, "Key": "from"}, MetadataDirective="REPLACE",
        Metadata={"b": "2"}, ContentType="text/b", TaggingDirective="REPLACE", Tagging="u=2",
    )
    head = s3.head_object(Bucket=name, Key="to")
    assert head["Metadata"] == {"b": "2"} and head["ContentType"] == "text/b"
    same = {"Bucket": name, "Key": "from", "CopySource": {"Bucket": name, "Key": "from"}}
    refused("InvalidRequest", s3.copy_object, **same)
    s3.copy_object(**same, MetadataDirective="REPLACE", Metadata={"c": "3"})
    assert s3.head_object(Bucket=name, Key="from")["Metadata"] == {"c": "3"}
    refused("NoSuchKey", s3.copy_object, Bucket=name, Key="x", CopySource={"Bucket": name, "Key": "nothing"})
    refused("NoSuchBucket", s3.copy_object, Bucket=name, Key="x", CopySource={"Bucket": "boto-nothing", "Key": "k"})
    source = {"Bucket": name, "Key": "from"}
    refused("PreconditionFailed", s3.copy_object, Bucket=name, Key="x", CopySource=source, CopySourceIfMatch='"0"')
    refused("PreconditionFailed", s3.copy_object, Bucket=name, Key="x", CopySource=source, CopySourceIfNoneMatch=etag)
    done = s3.copy_object(Bucket=name, Key="summed", CopySource=source, ChecksumAlgorithm="SHA256")
    assert done["CopyObjectResult"]["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()


@case
def lists():
    name = make("boto-lists")
    keys = ["a", "a/1", "a/2/x", "a/2/y", "b+c", "b c", "ключ", "z/./..//q", "é", "A", "~"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: put(name, key, key.encode()), keys))
    ordered = sorted(keys, key=lambda key: key.encode())
    listed = s3.list_objects_v2(Bucket=name)
    assert [line["Key"] for line in listed["Contents"]] == ordered and listed["KeyCount"] == len(keys)
    assert listed["Contents"][0]["ETag"] == f'"{md5(ordered[0].encode())}"'
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name, PaginationConfig={"PageSize": 2})
    assert [line["Key"] for page in pages for line in page["Contents"]] == ordered
    pages = s3.get_paginator("list_objects").paginate(Bucket=name, PaginationConfig={"PageSize": 3})
    assert [line["Key"] for page in pages for line in page["Contents"]] == ordered
    folded = s3.list_objects_v2(Bucket=name, Delimiter="/")
    assert [line["Prefix"] for line in folded["CommonPrefixes"]] == ["a/", "z/"]
    below = s3.list_objects(Bucket=name, Prefix="a/", Delimiter="/")
    assert [line["Key"] for line in below["Contents"]] == ["a/1"]
    assert [line["Prefix"] for line in below["CommonPrefixes"]] == ["a/2/"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name, Delimiter="/", PaginationConfig={"PageSize": 1})
    seen = [line["Prefix"] for page in pages for line in page.get("CommonPrefixes", [])]
    assert seen == ["a/", "z/"], seen
    after = s3.list_objects_v2(Bucket=name, StartAfter="b")
    assert [line["Key"] for line in after["Contents"]] == [key for key in ordered if key.encode() > b"b"]
    assert s3.list_objects_v2(Bucket=name, MaxKeys=0)["KeyCount"] == 0
    assert "Owner" in s3.list_objects_v2(Bucket=name, FetchOwner=True, MaxKeys=1)["Contents"][0]
    refused("InvalidArgument", s3.list_objects_v2, Bucket=name, MaxKeys=-1)
    refused("InvalidArgument", s3.list_objects_v2, Bucket=name, ContinuationToken="!!")
    refused("NoSuchBucket", s3.list_objects, Bucket="boto-nothing")


@case
def deletes():
    name = make("boto-deletes")
    for key in "abc":
        put(name, key)
    assert s3.delete_object(Bucket=name, Key="a")["DeleteMarker"] is True
    s3.delete_object(Bucket=name, Key="a")  # what is not there is removed
    refused("NoSuchBucket", s3.delete_object, Bucket="boto-nothing", Key="k")
    done = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "b"}, {"Key": "nothing"}]})
    assert sorted(line["Key"] for line in done["Deleted"]) == ["b", "nothing"]
    quiet = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "c"}], "Quiet": True})
    assert "Deleted" not in quiet and "Errors" not in quiet
    many = [{"Key": str(at)} for at in range(1001)]
    refused("MalformedXML", s3.delete_objects, Bucket=name, Delete={"Objects": many})
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0


@case
def versions():
    name = make("boto-versions")
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    suspended = {"Status": "Suspended"}
    refused("InvalidBucketState", s3.put_bucket_versioning, Bucket=name, VersioningConfiguration=suspended)
    one, two = put(name, "k", b"one")["VersionId"], put(name, "k", b"two")["VersionId"]
    put(name, "l", b"other")
    assert get(name, "k", VersionId=one) == b"one" and get(name, "k", VersionId=two) == b"two"
    marker = s3.delete_object(Bucket=name, Key="k")["VersionId"]
    listed = s3.list_object_versions(Bucket=name)
    shown = [(line["Key"], line["VersionId"], line["IsLatest"]) for line in listed["Versions"]]
    assert shown[:2] == [("k", two, False), ("k", one, False)] and shown[2][0::2] == ("l", True), shown
    assert [(line["VersionId"], line["IsLatest"]) for line in listed["DeleteMarkers"]] == [(marker, True)]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=name, PaginationConfig={"PageSize": 1})
    seen = [line["VersionId"] for page in pages for line in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    assert seen[:3] == [marker, two, one] and len(seen) == 4, seen
    refused("MethodNotAllowed", s3.get_object, Bucket=name, Key="k", VersionId=marker)
    refused("NoSuchVersion", s3.get_object, Bucket=name, Key="k", VersionId="0" * 32)
    refused("InvalidArgument", s3.get_object, Bucket=name, Key="k", VersionId="bad")
    s3.delete_object(Bucket=name, Key="k", VersionId=marker)
    assert get(name, "k") == b"two" and "DeleteMarkers" not in s3.list_object_versions(Bucket=name)
    copied = s3.copy_object(Bucket=name, Key="old", CopySource={"Bucket": name, "Key": "k", "VersionId": one})
    assert copied["CopySourceVersionId"] == one and get(name, "old") == b"one"
    # A version that is removed by its id is gone, and the name is what the one before says.
    assert s3.delete_object(Bucket=name, Key="k", VersionId=two)["VersionId"] == two
    assert get(name, "k") == b"one" and s3.head_object(Bucket=name, Key="k")["VersionId"] == one
    refused("NoSuchVersion", s3.get_object, Bucket=name, Key="k", VersionId=two)
    three = put(name, "k", b"three")["VersionId"]
    many = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "k", "VersionId": one}]})
    assert many["Deleted"][0]["VersionId"] == one and get(name, "k") == b"three"
    # As suites clean up.
    listed = s3.list_object_versions(Bucket=name)
    all_ = [{"Key": line["Key"], "VersionId": line["VersionId"]} for line in listed["Versions"]]
    assert {"Key": "k", "VersionId": three} in all_ and len(all_) == 3, all_
    assert "Errors" not in s3.delete_objects(Bucket=name, Delete={"Objects": all_, "Quiet": True})
    assert "Versions" not in s3.list_object_versions(Bucket=name)
    s3.delete_bucket(Bucket=name)


@case
def multipart():
    name = make("boto-parts")
    place = {"Bucket": name, "Key": "film"}
    begun = s3.create_multipart_upload(**place, Metadata={"a": "1"}, ContentType="video/x", Tagging="t=1")
    upload = {**place, "UploadId": begun["UploadId"]}
    bodies = {1: bytes(PART), 2: b"\1" * (PART + 1), 7: b"end"}
    tags = {}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        send = lambda at: (at, s3.upload_part(**upload, PartNumber=at, Body=bodies[at])["ETag"])
        tags = dict(pool.map(send, bodies))
    assert all(tags[at] == f'"{md5(bodies[at])}"' for at in bodies)
    listed = s3.list_parts(**upload, MaxParts=2)
    assert [part["PartNumber"] for part in listed["Parts"]] == [1, 2] and listed["IsTruncated"]
    rest = s3.list_parts(**upload, PartNumberMarker=listed["NextPartNumberMarker"])
    assert [part["PartNumber"] for part in rest["Parts"]] == [7]
    open_ = s3.list_multipart_uploads(Bucket=name)["Uploads"]
    assert [(line["Key"], line["UploadId"]) for line in open_] == [("film", begun["UploadId"])]
    parts = [{"PartNumber": at, "ETag": tags[at]} for at in bodies]
    complete = lambda parts: dict(**upload, MultipartUpload={"Parts": parts})
    refused("InvalidPartOrder", s3.complete_multipart_upload, **complete(parts[::-1]))
    refused("InvalidPart", s3.complete_multipart_upload, **complete([{"PartNumber": 3, "ETag": tags[1]}]))
    refused("InvalidPart", s3.complete_multipart_upload, **complete([{"PartNumber": 1, "ETag": tags[2]}]))
    refused("InvalidArgument", s3.upload_part, **upload, PartNumber=10001, Body=b"x")
    refused("InvalidArgument", s3.upload_part, **upload, PartNumber=0, Body=b"x")
    refused("BadDigest", s3.upload_part, **upload, PartNumber=9, Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    done = s3.complete_multipart_upload(**complete(parts))
    whole = b"".join(bodies.values())
    digests = b"".join(hashlib.md5(body).digest() for body in bodies.values())
    assert done["ETag"] == f'"{md5(digests)}-3"', done["ETag"]
    assert get(name, "film") == whole
    head = s3.head_object(**place)
    assert head["Metadata"] == {"a": "1"} and head["ContentType"] == "video/x" and head["ETag"] == done["ETag"]
    assert get(name, "film", Range=f"bytes={PART - 1}-{PART}") == b"\0\1"
    second = s3.get_object(**place, PartNumber=2)
    assert second["Body"].read() == bodies[2] and second["PartsCount"] == 3
    assert second["ContentRange"] == f"bytes {PART}-{2 * PART}/{len(whole)}", second["ContentRange"]
    assert s3.head_object(**place, PartNumber=7)["ContentLength"] == 3
    refused("InvalidPartNumber", s3.get_object, **place, PartNumber=3)
    refused("InvalidRequest", s3.get_object, **place, PartNumber=2, Range="bytes=0-1")
    refused("NoSuchUpload", s3.upload_part, **upload, PartNumber=1, Body=b"x")
    refused("NoSuchUpload", s3.list_parts, **upload)
    small = s3.create_multipart_upload(Bucket=name, Key="small")
    upload = {"Bucket": name, "Key": "small", "UploadId": small["UploadId"]}
    parts = [{"PartNumber": at, "ETag": s3.upload_part(**upload, PartNumber=at, Body=b"x")["ETag"]} for at in (1, 2)]
    refused("EntityTooSmall", s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts})
    source = {"Bucket": name, "Key": "film"}
    copied = s3.upload_part_copy(**upload, PartNumber=3, CopySource=source, CopySourceRange="bytes=5-14")
    assert copied["CopyPartResult"]["ETag"] == f'"{md5(whole[5:15])}"'
    refused("InvalidArgument", s3.upload_part_copy, **upload, PartNumber=3, CopySource=source, CopySourceRange="bytes=5-99999999")
    s3.abort_multipart_upload(**upload)
    refused("NoSuchUpload", s3.abort_multipart_upload, **upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=name)


@case
def multipart_checksums():
    name = make("boto-part-sums")
    bodies = [bytes(PART), b"tail"]
    for kind, type_ in (("SHA256", "COMPOSITE"), ("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT")):
        key, field = f"{kind}-{type_}", f"Checksum{kind}"
        begun = s3.create_multipart_upload(Bucket=name, Key=key, ChecksumAlgorithm=kind, ChecksumType=type_)
        assert begun["ChecksumAlgorithm"] == kind and begun["ChecksumType"] == type_
        upload = {"Bucket": name, "Key": key, "UploadId": begun["UploadId"]}
        parts = []
        for at, body in enumerate(bodies, 1):
            sent = s3.upload_part(**upload, PartNumber=at, Body=body, ChecksumAlgorithm=kind)
            parts.append({"PartNumber": at, "ETag": sent["ETag"], field: sent[field]})
        done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        assert done["ChecksumType"] == type_, done
        if type_ == "COMPOSITE":
            raw = b"".join(base64.b64decode(part[field]) for part in parts)
            digest = hashlib.sha256(raw).digest() if kind == "SHA256" else base64.b64decode(crc32(raw))
            assert done[field] == base64.b64encode(digest).decode() + "-2", done[field]
        elif kind == "CRC32":
            assert done[field] == crc32(b"".join(bodies)), done[field]
        head = s3.head_object(Bucket=name, Key=key, ChecksumMode="ENABLED")
        assert head[field] == done[field] and head["ChecksumType"] == type_
    refused("InvalidRequest", s3.create_multipart_upload, Bucket=name, Key="x", ChecksumAlgorithm="SHA1", ChecksumType="FULL_OBJECT")


@case
def transfers():
    name, body = make("boto-transfers"), bytes(number % 239 for number in range(1 << 16)) * 200
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=3)
    s3.upload_fileobj(io.BytesIO(body), name, "big", Config=config)
    back = io.BytesIO()
    s3.download_fileobj(name, "big", back, Config=config)
    assert back.getvalue() == body
    s3.copy({"Bucket": name, "Key": "big"}, name, "copied", Config=config)
    assert s3.head_object(Bucket=name, Key="copied")["ContentLength"] == len(body)


@case
def acls():
    name = make("boto-acls")
    put(name, "k")
    for acl in (s3.get_bucket_acl(Bucket=name), s3.get_object_acl(Bucket=name, Key="k")):
        assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
    s3.put_bucket_acl(Bucket=name, ACL="private")
    s3.put_object_acl(Bucket=name, Key="k", ACL="private")
    refused("NotImplemented", s3.put_bucket_acl, Bucket=name, ACL="public-read")
    refused("NotImplemented", s3.put_object_acl, Bucket=name, Key="k", ACL="public-read")


@case
def lifecycle():
    name = make("boto-lifecycle")
    rule = {"ID": "one", "Status": "Enabled", "Filter": {"Prefix": "log/"}, "Expiration": {"Days": 30}}
    more = {
        "ID": "two", "Status": "Disabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 7, "NewerNoncurrentVersions": 2},
        "Filter": {"And": {"Prefix": "a", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeGreaterThan": 5}},
    }
    abort = {"ID": "three", "Status": "Enabled", "Filter": {}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}}
    lone = {"ID": "four", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"ExpiredObjectDeleteMarker": True}}
    old = {"ID": "five", "Status": "Enabled", "Prefix": "old/", "Expiration": {"Days": 1}}
    set_ = lambda *rules: s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": list(rules)})
    refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=name)
    set_(rule, more, abort, lone, old)
    assert s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"] == [rule, more, abort, lone, old]
    refused("InvalidArgument", lambda: set_(rule, rule))
    refused("InvalidArgument", lambda: set_({**rule, "Expiration": {"Days": 0}}))
    refused("InvalidArgument", lambda: set_({**rule, "ID": "x" * 256}))
    refused("MalformedXML", lambda: set_({**rule, "Status": "enabled"}))
    date = datetime.datetime(2030, 1, 1, 5, tzinfo=datetime.timezone.utc)
    refused("InvalidArgument", lambda: set_({**rule, "Expiration": {"Date": date}}))
    refused("NotImplemented", lambda: set_({**rule, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}))
    refused("InvalidRequest", lambda: set_({"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "a"}}))
    assert len(s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]) == 5, "what is refused changes nothing"
    s3.delete_bucket_lifecycle(Bucket=name)
    refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=name)
    refused("NoSuchBucket", s3.get_bucket_lifecycle_configuration, Bucket="boto-nothing")


def page(url, origin, method="OPTIONS", **headers):
    """Status and headers, as a browser sees them."""
    asked = {"Origin": origin, **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(url, method=method, headers=asked)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


@case
def cors():
    name, by_four = make("boto-cors"), client(signature_version="s3v4")
    put(name, "k", b"body")
    refused("NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=name)
    url = f"{ENDPOINT}/{name}/k"
    ask = {"Access_Control_Request_Method": "GET"}
    assert page(url, "https://a.example", **ask)[0] == 403
    rule = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://*.example"], "AllowedHeaders": ["x-amz-*"],
            "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60, "ID": "one"}
    set_ = lambda **more: s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [{**rule, **more}]})
    set_()
    assert s3.get_bucket_cors(Bucket=name)["CORSRules"] == [rule]
    status, headers = page(url, "https://a.example", **ask, Access_Control_Request_Headers="X-Amz-Date")
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "https://a.example", status
    assert headers["Access-Control-Max-Age"] == "60" and "PUT" in headers["Access-Control-Allow-Methods"]
    assert page(url, "https://a.example", **ask, Access_Control_Request_Headers="cookie")[0] == 403
    assert page(url, "https://evil", **ask)[0] == 403
    assert page(url, "https://a.example")[0] == 400, "no method"
    signed = by_four.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"}, ExpiresIn=60)
    status, headers = page(signed, "https://b.example", "GET")
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert page(signed, "https://evil", "GET")[1]["Access-Control-Allow-Origin"] is None
    refused("InvalidRequest", lambda: set_(AllowedMethods=["PATCH"]))
    refused("InvalidRequest", lambda: set_(AllowedOrigins=["https://*.*"]))
    refused("MalformedXML", lambda: s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [rule] * 101}))
    s3.delete_bucket_cors(Bucket=name)
    refused("NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=name)


@case
def bucket_tags():
    name = make("boto-bucket-tags")
    refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket=name)
    tags = [{"Key": "who", "Value": "me"}]
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == tags
    refused("InvalidTag", s3.put_bucket_tagging, Bucket=name, Tagging={"TagSet": tags * 2})
    s3.delete_bucket_tagging(Bucket=name)
    refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket=name)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    s3.delete_bucket(Bucket=name)
    make(name)
    refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket=name)


@case
def fixed():
    """What is the same for every bucket is told; what would change it is refused."""
    name = make("boto-fixed")
    put(name, "k", b"x")
    refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=name)
    refused("NotImplemented", s3.put_bucket_policy, Bucket=name, Policy='{"Version": "2012-10-17", "Statement": []}')
    refused("MalformedPolicy", s3.put_bucket_policy, Bucket=name, Policy="no")
    s3.delete_bucket_policy(Bucket=name)
    assert s3.get_bucket_policy_status(Bucket=name)["PolicyStatus"]["IsPublic"] is False
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert len(block) == 4 and all(block.values()), block
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    opened = {**block, "BlockPublicAcls": False}
    refused("NotImplemented", s3.put_public_access_block, Bucket=name, PublicAccessBlockConfiguration=opened)
    owned = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"] == owned
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=owned)
    others = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    refused("NotImplemented", s3.put_bucket_ownership_controls, Bucket=name, OwnershipControls=others)
    by = lambda word: {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": word}}]}
    sealed = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert sealed["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=by("AES256"))
    refused("NotImplemented", s3.put_bucket_encryption, Bucket=name, ServerSideEncryptionConfiguration=by("aws:kms"))
    s3.delete_bucket_encryption(Bucket=name)
    assert put(name, "sealed", b"x", ServerSideEncryption="AES256")["ServerSideEncryption"] == "AES256"
    refused("ObjectLockConfigurationNotFoundError", s3.get_object_lock_configuration, Bucket=name)
    refused("NotImplemented", s3.put_object_lock_configuration, Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    refused("InvalidRequest", s3.get_object_retention, Bucket=name, Key="k")
    refused("InvalidRequest", s3.put_object_legal_hold, Bucket=name, Key="k", LegalHold={"Status": "ON"})
    refused("NotImplemented", s3.create_bucket, Bucket="boto-locked", ObjectLockEnabledForBucket=True)
    refused("NoSuchWebsiteConfiguration", s3.get_bucket_website, Bucket=name)
    refused("ReplicationConfigurationNotFoundError", s3.get_bucket_replication, Bucket=name)
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=name)
    assert "TopicConfigurations" not in s3.get_bucket_notification_configuration(Bucket=name)
    assert s3.get_bucket_request_payment(Bucket=name)["Payer"] == "BucketOwner"
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=name)
    for operation in (s3.get_bucket_policy, s3.get_public_access_block, s3.get_bucket_encryption, s3.get_bucket_logging):
        refused("NoSuchBucket", operation, Bucket="boto-nothing")


@case
def not_done():
    name = make("boto-not-done")
    put(name, "k")
    refused("NotImplemented", s3.get_object_torrent, Bucket=name, Key="k")
    refused("NotImplemented", s3.list_bucket_inventory_configurations, Bucket=name)
    refused("NotImplemented", s3.put_bucket_website, Bucket=name, WebsiteConfiguration={"IndexDocument": {"Suffix": "a"}})
    by = {"Expression": "select 1", "ExpressionType": "SQL", "InputSerialization": {"CSV": {}}, "OutputSerialization": {"CSV": {}}}
    refused("NotImplemented", s3.select_object_content, Bucket=name, Key="k", **by)
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    refused("NotImplemented", s3.put_object, Bucket=name, Key="k", Body=b"x", **customer)


def form(url, fields, content, file="a.txt"):
    """A browser's form; status, code of a refusal, headers."""
    edge, lines = "edge-of-parts", []
    for key, value in fields.items():
        lines.append(f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode())
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{file}"\r\n'
    lines.append(f"{head}Content-Type: text/plain\r\n\r\n".encode() + content + b"\r\n")
    body = b"".join(lines) + f"--{edge}--\r\n".encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": f"multipart/form-data; boundary={edge}"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, "", answer.headers
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return error.code, text.partition("<Code>")[2].partition("</Code>")[0], text


@case
def forms():
    name, by_four = make("boto-forms"), client(signature_version="s3v4")
    def signed(key, conditions=(), **fields):
        every = [*conditions, *({key: value} for key, value in fields.items())]
        return by_four.generate_presigned_post(name, key, Fields=fields, Conditions=every, ExpiresIn=60)
    post = signed("in/${filename}", [["content-length-range", 1, 1000]], **{"Content-Type": "text/x", "x-amz-meta-a": "1"})
    status, code, headers = form(post["url"], post["fields"], b"by form", "b.txt")
    assert status == 204, (status, code, headers)
    head = s3.head_object(Bucket=name, Key="in/b.txt")
    assert get(name, "in/b.txt") == b"by form" and head["Metadata"] == {"a": "1"} and head["ContentType"] == "text/x"
    post = signed("one", success_action_status="201")
    assert form(post["url"], post["fields"], b"x")[0] == 201
    post = signed("two", [["content-length-range", 5, 10]])
    assert form(post["url"], post["fields"], b"x" * 11)[1] == "EntityTooLarge"
    assert form(post["url"], post["fields"], b"x")[1] == "EntityTooSmall"
    other = {**post["fields"], "key": "other"}
    assert form(post["url"], other, b"x" * 6)[0] == 403 or form(post["url"], other, b"x" * 6)[1] == "InvalidPolicyDocument"
    assert form(post["url"], {**post["fields"], "x-amz-meta-b": "1"}, b"x" * 6)[1] == "AccessDenied"
    spoiled = {**post["fields"], "x-amz-signature": "0" * 64}
    assert form(post["url"], spoiled, b"x" * 6)[1] == "SignatureDoesNotMatch"
    bare = {"key": "bare"}
    assert form(post["url"], bare, b"x")[0] in (400, 403)
    old = boto3.client(
        "s3", endpoint_url=ENDPOINT, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1",
        config=botocore.config.Config(signature_version="s3", s3={"addressing_style": "path"}),
    ).generate_presigned_post(name, "old")
    assert form(old["url"], old["fields"], b"x")[1] == "InvalidRequest", "version 2"
    over = by_four.generate_presigned_post(name, "over", ExpiresIn=-5)
    assert form(over["url"], over["fields"], b"x")[1] == "AccessDenied"
    if READER:
        reads = client(*READER, signature_version="s3v4").generate_presigned_post(name, "reader")
        assert form(reads["url"], reads["fields"], b"x")[1] == "AccessDenied"
    keys = [line["Key"] for line in s3.list_objects_v2(Bucket=name)["Contents"]]
    assert keys == ["in/b.txt", "one"], keys


@case
def presigned():
    name, by_four = make("boto-presigned"), client(signature_version="s3v4")
    url = by_four.generate_presigned_url("put_object", Params={"Bucket": name, "Key": "k"}, ExpiresIn=60)
    request = urllib.request.Request(url, data=b"by address", method="PUT", headers={"Content-Type": ""})
    assert urllib.request.urlopen(request).status == 200
    url = by_four.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"}, ExpiresIn=60)
    assert urllib.request.urlopen(url).read() == b"by address"
    for bad in (url.replace("/k?", "/l?"), url + "0", url.replace("X-Amz-Expires=60", "X-Amz-Expires=61")):
        try:
            urllib.request.urlopen(bad)
        except urllib.error.HTTPError as error:
            assert error.code in (400, 403), error.code
        else:
            raise AssertionError("a changed address was taken")


@case
def styles():
    below = client(style="virtual")
    assert ".localhost" in below.generate_presigned_url("get_object", Params={"Bucket": "boto-styles", "Key": "k"})
    make("boto-styles")
    put("boto-styles", "k", b"body")
    assert get("boto-styles", "k") == b"body"


@case
def signatures():
    put(make("boto-signatures"), "k")
    place = {"Bucket": "boto-signatures", "Key": "k"}
    refused("SignatureDoesNotMatch", client(secret="guess").get_object, **place)
    refused("InvalidAccessKeyId", client(key="PMSINOBODY").get_object, **place)
    old = boto3.client(
        "s3", endpoint_url=ENDPOINT, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1",
        config=botocore.config.Config(signature_version="s3", s3={"addressing_style": "path"}),
    )
    refused("InvalidRequest", old.get_object, **place)
    elsewhere = boto3.client(
        "s3", endpoint_url=ENDPOINT, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="eu-west-1",
        config=botocore.config.Config(s3={"addressing_style": "path"}),
    )
    assert elsewhere.get_object(**place)["Body"].read() == b"x"  # told the right region, it signs anew
    unsigned = client(signature_version=botocore.UNSIGNED)
    refused("AccessDenied", unsigned.get_object, **place)
    if READER:
        reader = client(*READER)
        assert reader.get_object(**place)["Body"].read() == b"x"
        refused("AccessDenied", reader.put_object, **place, Body=b"y")
        refused("AccessDenied", reader.delete_object, **place)
        refused("AccessDenied", reader.create_bucket, Bucket="boto-reader")


def main():
    failed = []
    for function in CASES:
        try:
            function()
            print(f"ok      {function.__name__}", flush=True)
        except Exception:  # each case is told by itself
            failed.append(function.__name__)
            print(f"FAILED  {function.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(CASES) - len(failed)} of {len(CASES)} cases hold (boto3 {boto3.__version__})")
    sys.exit(bool(failed))


main()
