"""An S3-compatible server over HTTP for the tests: moto's, in a process of its own.

moto checks the conditions of a put (`If-None-Match`, `If-Match`) and then puts, which is not atomic
among its threads, as a store's must be. So requests are handled one after the other, each when all
of it has arrived. What moto does not check is the `If-Match` of completing an upload in parts;
nothing here relies on it.
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import boto3
from botocore.config import Config

KEY, SECRET = "AKIDOFTHETESTS", "secret-of-the-tests"
BUCKET = "corpora"


class OneAtATime:
    """An application that gets whole requests, one after the other. If there is a gate, a file, the
    second part of an upload waits until that exists."""

    def __init__(self, application, gate):
        self.application, self.gate, self.turn = application, gate, threading.Lock()

    def __call__(self, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        while self.gate and "partNumber=2" in environ["QUERY_STRING"] and not self.gate.exists():
            time.sleep(0.01)
        if len(body) < length:
            # The client is gone.
            start_response("400 Bad Request", [])
            return [b""]
        environ["wsgi.input"] = io.BytesIO(body)
        with self.turn:
            return list(self.application(environ, start_response))


def serve(gate):
    """Serves until it is killed, on a port that it prints."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log(self, *_):
            pass

    application = OneAtATime(DomainDispatcherApplication(create_backend_app), gate)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Silent)
    print(server.server_port, flush=True)
    server.serve_forever()


class Store:
    """A server that runs, with an empty bucket."""

    def __init__(self, port):
        self.endpoint = f"http://127.0.0.1:{port}"
        self.environment = environment(self.endpoint)
        self.client = self.clients("s3")
        self.client.create_bucket(Bucket=BUCKET)

    def clients(self, service):
        """A client that is not ours."""
        config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})
        names = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        return boto3.client(service, endpoint_url=self.endpoint, config=config, **names)

    def objects(self, prefix=""):
        """The names and sizes of all objects under a prefix, without it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        found = (entry for page in pages for entry in page.get("Contents", []))
        return {entry["Key"].removeprefix(prefix): entry["Size"] for entry in found}

    def get(self, name):
        return self.client.get_object(Bucket=BUCKET, Key=name)["Body"].read()

    def put(self, name, content):
        self.client.put_object(Bucket=BUCKET, Key=name, Body=content)

    def delete(self, name):
        self.client.delete_object(Bucket=BUCKET, Key=name)


def environment(endpoint):
    """Return the variables that describe the store to a program."""
    told = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    # A proxy has no business between two processes of one machine.
    return {**told, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@contextlib.contextmanager
def running(gate=None, **variables):
    """A server, as long as this lasts."""
    serving = [sys.executable, Path(__file__).resolve(), *(["--gate", gate] if gate else [])]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(serving, env={**os.environ, **variables}, **pipes) as process:
        try:
            store = Store(int(process.stdout.readline()))
            yield store
            store.client.close()
        finally:
            process.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gate", type=Path)
    serve(parser.parse_args().gate)
