"""The environment in which the services of an instance run."""

import os
import sys
from pathlib import Path

from spot_simulator.hosting.disks import Disks
from spot_simulator.hosting.mount_programs import install_programs
from spot_simulator.hosting.service_list import ServiceSpec
from spot_simulator.machine import Machine
from spot_simulator.model.delays import Delay, Delays
from spot_simulator.ports import WORKLOAD_PORT

_TAKEN_OVER = ("LANG", "LC_ALL", "PYTHONPATH", "TMPDIR", "TZ")


def service_environment(machine: Machine, spec: ServiceSpec, disks: Disks, delays: Delays, api_url: str) -> dict[str, str]:
    """Build a service's environment and make its directories; of the region's own environment only a few neutral names are in it."""
    environment = {name: os.environ[name] for name in _TAKEN_OVER if name in os.environ}
    python_folder = str(Path(sys.executable).parent)
    environment |= {
        "PATH": f"{python_folder}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(disks.root(machine.instance_id)),
        "PYTHONUNBUFFERED": "1",
        "INSTANCE_ID": machine.instance_id,
        "INSTANCE_IP": machine.private_ip,
        "INSTANCE_ROOT": str(disks.root(machine.instance_id)),
        "INSTANCE_RUN": str(disks.run(machine.instance_id)),
        "INSTANCE_CTL_URL": f"{api_url}/_region/instances/{machine.instance_id}",
        "AWS_ENDPOINT_URL": api_url,
        "AWS_ACCESS_KEY_ID": "simulated",
        "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_DEFAULT_REGION": machine.region,
        "AWS_REGION": machine.region,
        "WORKLOAD_PORT": str(WORKLOAD_PORT),
        "WORKLOAD_START_SECONDS": f"{delays.seconds(Delay.WORKLOAD_START, machine.ordinal):.6f}",
    }
    install_programs(disks.root(machine.instance_id), environment["INSTANCE_CTL_URL"])
    for variable, folder in _directories(machine, spec, disks).items():
        folder.mkdir(parents=True, exist_ok=True)
        environment[variable] = str(folder)
    return environment | dict(spec.env)


def _directories(machine: Machine, spec: ServiceSpec, disks: Disks) -> dict[str, Path]:
    folders = {}
    if spec.runtime_directory:
        folders["RUNTIME_DIRECTORY"] = disks.run(machine.instance_id) / spec.runtime_directory
    if spec.state_directory:
        folders["STATE_DIRECTORY"] = disks.root(machine.instance_id) / "var" / "lib" / spec.state_directory
    return folders
