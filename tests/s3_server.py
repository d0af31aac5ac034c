"""An S3 server on this machine, with one bucket, for as long as a test needs it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

BUCKET = "team"


@contextmanager
def s3_server(environment: pytest.MonkeyPatch) -> Iterator[str]:
    """Start a server with an empty bucket `team`, and let all clients find it; yield its address."""
    for module in ("moto.server", "s3fs"):
        pytest.importorskip(module, reason="the packages of s3 and moto[s3] are not installed")
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        environment.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        environment.setenv("AWS_ENDPOINT_URL", address)
        s3fs.S3FileSystem.clear_instance_cache()  # they would ask the server before
        # All servers of a process have the same buckets.
        requests.post(f"{address}/moto-api/reset", timeout=60).raise_for_status()
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield address
    finally:
        server.stop()
