"""The command ``spot-simulator``."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from ipaddress import IPv4Interface
from pathlib import Path

import requests

from spot_simulator.hosting.hosts import Bridge
from spot_simulator.model.catalogue import catalogue_csv
from spot_simulator.region import RegionSettings
from spot_simulator.region_server import HOST, open_server, serve_region

_ELSEWHERE = {"probe": "spot_simulator.prober", "probe-report": "spot_simulator.probe_report"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in _ELSEWHERE:
        return int(importlib.import_module(_ELSEWHERE[arguments[0]]).main(arguments[1:]))
    parsed = _parser().parse_args(arguments)
    return int(parsed.run(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spot-simulator", description="A simulated AWS region with real workloads.")
    commands = parser.add_subparsers(required=True, metavar="command")
    region = commands.add_parser("region", help="run a region until it is told to stop")
    region.add_argument("--state-dir", type=Path, required=True, help="an empty folder, or one to be made")
    region.add_argument("--port", type=int, default=0, help="of the API; 0 takes a free one")
    region.add_argument("--time-scale", type=_positive, default=0.05, help="multiplies every delay (default %(default)s)")
    region.add_argument("--seed", type=int, default=1)
    region.add_argument("--region", default="us-east-1", help="a region's name (default %(default)s)")
    region.add_argument("--prices", type=Path, help="recorded spot prices, CSV or CSV.gz")
    bridge_help = "give every instance a host of its own, plugged into this bridge; the API listens on ADDRESS, this machine's on it"
    region.add_argument("--bridge", type=_bridge, metavar="NAME=ADDRESS/20", help=bridge_help + " (needs root)")
    region.set_defaults(run=_run_region)
    catalogue = commands.add_parser("catalogue", help="write the on-demand prices of the region (made up) as CSV")
    catalogue.add_argument("--region", default="us-east-1")
    catalogue.set_defaults(run=_write_catalogue)
    base_image = commands.add_parser("base-image", help="make the first image of a running region, and print its id")
    base_image.add_argument("--url", required=True, help="the region's API")
    base_image.add_argument("--name", default="base")
    base_image.add_argument("--env-file", type=Path, required=True, help="the daemon's settings on the image")
    base_image.set_defaults(run=_make_base_image)
    for name in _ELSEWHERE:
        commands.add_parser(name, help=f"see spot-simulator {name} --help", add_help=False)
    return parser


def _run_region(arguments: argparse.Namespace) -> int:
    state_dir: Path = arguments.state_dir.resolve()
    state_dir.mkdir(parents=True, exist_ok=True)
    if any(state_dir.iterdir()):
        sys.stderr.write(f"spot-simulator: {state_dir} is not empty; a region starts in an empty folder\n")
        return 2
    bridge: Bridge | None = arguments.bridge
    host = str(bridge.interface.ip) if bridge else HOST
    try:
        server, router = open_server(host, arguments.port)
    except (OSError, SystemExit) as error:
        sys.stderr.write(f"spot-simulator: cannot listen on {host}:{arguments.port}: {error}\n")
        return 1
    url = f"http://{host}:{server.server_port}"
    settings = RegionSettings(state_dir, url, arguments.region, arguments.time_scale, arguments.seed, arguments.prices, bridge)
    try:
        serve_region(server, router, settings)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"spot-simulator: {error}\n")
        return 1
    return 0


def _write_catalogue(arguments: argparse.Namespace) -> int:
    sys.stdout.write(catalogue_csv(arguments.region))
    return 0


def _make_base_image(arguments: argparse.Namespace) -> int:
    body = {"name": arguments.name, "env_file": arguments.env_file.read_text()}
    answer = requests.post(f"{arguments.url}/_region/base-image", json=body, timeout=30)
    if not answer.ok:
        sys.stderr.write(f"spot-simulator: {answer.text}\n")
        return 1
    sys.stdout.write(answer.json()["image_id"] + "\n")
    return 0


def _bridge(text: str) -> Bridge:
    name, _, address = text.partition("=")
    try:
        interface = IPv4Interface(address)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be NAME=ADDRESS/20, such as spot0=198.18.0.1/20, not {text}") from error
    if not name or interface.network.prefixlen != 20:  # what the zones' subnets are cut from
        raise argparse.ArgumentTypeError(f"must be NAME=ADDRESS/20, such as spot0=198.18.0.1/20, not {text}")
    return Bridge(name, interface)


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
