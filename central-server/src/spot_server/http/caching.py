"""Letting callers keep an answer for a while, and ask whether it is still true."""

from __future__ import annotations

import hashlib

from flask import Response, after_this_request, request


def allow_caching(max_age_seconds: int, *, tag: str | None = None) -> None:
    """Have the present request's answer, if it is a 200, carry an ETag, and be kept by the caller alone for `max_age_seconds`.

    Who sends the ETag back in If-None-Match is answered 304 without a body. `tag` is any text that changes with what the answer tells,
    where the body changes with every second; None: the body itself.
    """

    def finish(response: Response) -> Response:
        if response.status_code != 200:
            return response
        if tag is None:
            response.add_etag()
        else:
            response.set_etag(hashlib.sha256(tag.encode()).hexdigest()[:32], weak=True)
        response.headers["Cache-Control"] = f"private, max-age={max_age_seconds}"
        response.vary.add("Authorization")
        response.make_conditional(request)
        return response

    after_this_request(finish)
