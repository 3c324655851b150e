"""What scripts/setup.sh asks the world before it changes anything. Standard library only, Python 3.10 or newer.

preflight.py journal FILE                          prints registered, released or none
preflight.py network IMDS SERVER                   ends with a sentence if this is no EC2 instance, or the server is not there;
                                                   proxies and certificates as the environment says, as to the daemon
"""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

IMDS_BOUND_SECONDS = 3
SERVER_BOUND_SECONDS = 10
DEFAULT_IMDS = "http://169.254.169.254"
_TTL = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}


def journal_state(path: str) -> str:
    """Tell what the daemon's journal says of this instance; one that cannot be read says nothing, as to the daemon itself."""
    try:
        journal = json.loads(Path(path).read_text(encoding="utf-8"))["journal"]
    except (OSError, ValueError, LookupError, TypeError):
        return "none"
    if not isinstance(journal, dict):
        return "none"
    return "released" if journal.get("released") else "registered" if journal.get("token") else "none"


def ask(request: urllib.request.Request, bound_seconds: float, *handlers: urllib.request.BaseHandler) -> int | str:
    """Return the status of the answer, or why there is none."""
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=bound_seconds) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return getattr(error.reason, "strerror", None) or str(error.reason)
    except (OSError, ValueError) as error:
        return str(error)


def network_problem(imds: str, server: str) -> str | None:
    """Return a sentence about the first thing that is wrong; None when both answer."""
    imds = imds or DEFAULT_IMDS
    direct = urllib.request.ProxyHandler({})  # a proxy must never stand between an instance and its metadata
    token = urllib.request.Request(f"{imds}/latest/api/token", method="PUT", headers=_TTL)  # noqa: S310 - the person's own setting
    answer = ask(token, IMDS_BOUND_SECONDS, direct)
    if answer == 403:
        return "the instance metadata service is off (403): aws ec2 modify-instance-metadata-options --http-endpoint enabled turns it on"
    if answer != 200:
        return f"this is not an EC2 instance, or its metadata service cannot be reached: {imds}: {answer}"
    page = urllib.request.Request(f"{server}/readyz")  # noqa: S310 - the person's own setting
    answer = ask(page, SERVER_BOUND_SECONDS)
    return None if answer == 200 else f"the server {server} cannot be reached, or is not ready: {answer}"


def main(arguments: list[str]) -> str | None:
    """Carry out what the arguments name; a text ends the process with status 1."""
    match arguments:
        case ["journal", path]:
            print(journal_state(path))
            return None
        case ["network", imds, server]:
            return network_problem(imds.rstrip("/"), server.rstrip("/"))
        case _:
            return str(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
