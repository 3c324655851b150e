"""The scene in which nothing may move: a daemon dies, and its workload serves on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from spot_simulator.base_image import DAEMON
from spot_simulator.demo.books import Stillness
from spot_simulator.demo.day import MOVE_BOUND_SECONDS, SETTLE_BOUND_SECONDS, Day
from spot_simulator.demo.reading import read_all
from spot_simulator.hosting.init import WORKLOAD
from spot_simulator.probe_report import read_log
from spot_simulator.probe_rules import good_answers

TOLD_KIND = "primary_silent"


def dead_daemon(day: Day, name: str, scene: str) -> None:
    """Kill the daemon alone: once init starts it again, once it stays away until the client is told. Keeps what was seen meanwhile."""
    agent_id, primary_id = day.agents[name], day.primary_id(name)
    day.await_no_switch(agent_id)
    before, moves_before = day.answering(name), len(day.switches(agent_id))
    service, workload = (f"/instances/{primary_id}/services/{one}" for one in (DAEMON, WORKLOAD))
    first_pid, workload_pid = _pid(day, service), _pid(day, workload)
    day.world.region.post(f"/instances/{primary_id}/kill", {"service": DAEMON})
    killed_at = day.world.clock.now()
    _await_service(day, name, service, lambda pid: pid not in {None, first_pid})
    _await_word(day, name, killed_at)
    day.world.region.post(f"{service}/stop")
    _await_service(day, name, service, lambda pid: pid is None)
    stopped_at = day.world.clock.now()
    day.world.wait_for(f"{name}: word of the silence", lambda: _is_told(day, agent_id, stopped_at), bound_seconds=MOVE_BOUND_SECONDS)
    started_at = day.world.clock.now()
    day.world.region.post(f"{service}/start")
    _await_word(day, name, started_at)
    still = Stillness(
        name=name,
        scene=scene,
        silent_seconds=(started_at - stopped_at).total_seconds(),
        primary_before=primary_id,
        primary_after=day.primary_id(name),
        switches_begun=len(day.switches(agent_id)) - moves_before,
        prober_downtime_seconds=day.outage_seconds(name, before),
        prober_answering_ids=_answering_ids(day, name, before),
        workload_pid_before=workload_pid,
        workload_pid_after=_pid(day, workload),
    )
    day.stills.append(still)
    day.say(f"--- {name}: {scene}: silent for {still.silent_seconds:.1f} s, EC2 says running, {still.switches_begun} moves")


def _pid(day: Day, service: str) -> int | None:
    pid: int | None = day.world.region.get(f"{service}/status")["pid"]
    return pid


def _await_service(day: Day, name: str, service: str, is_so: Callable[[int | None], bool]) -> None:
    day.world.wait_for(f"{name}: its daemon", lambda: True if is_so(_pid(day, service)) else None, bound_seconds=SETTLE_BOUND_SECONDS)


def _await_word(day: Day, name: str, since: datetime) -> None:
    agent_id = day.agents[name]
    day.world.wait_for(f"{name}: a word of its daemon", lambda: _is_heard(day, agent_id, since), bound_seconds=SETTLE_BOUND_SECONDS)


def _is_told(day: Day, agent_id: str, since: datetime) -> bool | None:
    told = read_all(day.world.server, "/notifications")
    return True if any(_is_word_of(item, agent_id, since) for item in told) else None


def _is_word_of(item: dict[str, str], agent_id: str, since: datetime) -> bool:
    is_since = datetime.fromisoformat(item["created_at"]) > since
    return (item["kind"], item["agent_id"]) == (TOLD_KIND, agent_id) and is_since and "running" in item["text"]


def _is_heard(day: Day, agent_id: str, since: datetime) -> bool | None:
    primary = day.world.server.get(f"/agents/{agent_id}")["agent"]["primary"]
    return True if datetime.fromisoformat(primary["last_heartbeat_at"]) > since else None


def _answering_ids(day: Day, name: str, before: datetime) -> frozenset[str]:
    probes, _torn = read_log(day.world.prober_log(name))
    return frozenset(answer.instance_id for answer in good_answers(probes) if answer.answered_at >= before and answer.instance_id)
