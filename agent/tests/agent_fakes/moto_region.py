"""moto's EC2 behind a shim that adds what the daemon's tests need: faults, client tokens, images with tagged snapshots."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from io import BytesIO
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlencode

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

_ERROR = (
    "<Response><Errors><Error><Code>{code}</Code><Message>as the test wants it</Message></Error></Errors>"
    "<RequestID>r-1</RequestID></Response>"
)


class MotoRegion:
    """Listens while entered. `faults[action]` holds error codes, one for each coming call."""

    def __init__(self) -> None:
        self._moto: Wsgi = DomainDispatcherApplication(create_backend_app)
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.denied: set[str] = set()
        self.actions: list[str] = []
        self._launched: dict[str, tuple[str, list[bytes]]] = {}
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> MotoRegion:  # noqa: PYI034 - Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if "/ec2/aws4_request" not in environ.get("HTTP_AUTHORIZATION", ""):
            return self._pass_on(environ, raw, start_response)
        form = dict(parse_qsl(raw.decode()))
        action = form.get("Action", "")
        self.actions.append(action)
        code = "UnauthorizedOperation" if action in self.denied else None
        if self.faults[action]:
            code = self.faults[action].pop(0)
        if code is None and form.get("DryRun") == "true" and action.startswith("Describe"):
            code = "DryRunOperation"  # moto would describe everything, which takes it seconds
        if code is not None:
            start_response("403 Forbidden" if code == "UnauthorizedOperation" else "400 Bad Request", [])
            return [_ERROR.format(code=code).encode()]
        if action == "RunInstances" and form.get("ClientToken") in self._launched:
            status, chunks = self._launched[form["ClientToken"]]
            start_response(status, [("Content-Type", "text/xml")])
            return chunks
        return self._forward(environ, form, start_response)

    def _pass_on(self, environ: dict[str, Any], raw: bytes, start_response: Any) -> Iterable[bytes]:
        """Another service than EC2: moto's answer as it is."""
        chunks, status, headers = run_wsgi_app(self._moto, {**environ, "wsgi.input": BytesIO(raw)})
        start_response(status, list(headers))
        return list(chunks)

    def _forward(self, environ: dict[str, Any], form: dict[str, str], start_response: Any) -> Iterable[bytes]:
        snapshot_tags = self._take_snapshot_tags(form) if form["Action"] == "CreateImage" else {}
        status, headers, chunks = self._call(environ, form)
        text = b"".join(chunks).decode()
        if snapshot_tags:
            for snapshot_id in self._snapshots_of(environ, re.search(r"<imageId>([^<]+)", text)):
                self._call(environ, {"Action": "CreateTags", "ResourceId.1": snapshot_id, **snapshot_tags})
        if form["Action"] == "RunInstances" and "ClientToken" in form:
            self._launched[form["ClientToken"]] = (status, [text.encode()])
        start_response(status, headers)
        return [text.encode()]

    def _take_snapshot_tags(self, form: dict[str, str]) -> dict[str, str]:
        """Moto knows no snapshot tags in CreateImage: they are taken out, and set afterwards."""
        taken = {}
        for key in [key for key in form if key.startswith("TagSpecification.2.")]:
            value = form.pop(key)
            if ".Tag." in key:
                taken[key.removeprefix("TagSpecification.2.")] = value
        return taken

    def _snapshots_of(self, environ: dict[str, Any], image: re.Match[str] | None) -> list[str]:
        assert image is not None
        _, _, chunks = self._call(environ, {"Action": "DescribeImages", "ImageId.1": image.group(1)})
        return re.findall(r"<snapshotId>([^<]+)", b"".join(chunks).decode())

    def _call(self, environ: dict[str, Any], form: dict[str, str]) -> tuple[str, list[tuple[str, str]], list[bytes]]:
        raw = urlencode({"Version": "2016-11-15", **form}).encode()
        inner = {**environ, "wsgi.input": BytesIO(raw), "CONTENT_LENGTH": str(len(raw))}
        chunks, status, headers = run_wsgi_app(self._moto, inner)
        kept = [(name, value) for name, value in headers.items() if name.lower() != "content-length"]
        return status, kept, list(chunks)
