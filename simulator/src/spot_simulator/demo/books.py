"""The three books of the demo, and whether they agree: the region's own state, the outside prober's log, the server's answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PROBE_SLACK_SECONDS = 3.0
"""The prober may see an outage longer than the two daemons do by: one request to each side, the prober's period, the forwarder. The step
in which the old side stops comes on top: its daemon says so at the end of the step, and the workload may have stopped at its beginning.
That was 0.6 to 1.3 s in one demo on an idle machine, and 11 s on two cores that did much else."""

CHECK_SLACK_SECONDS = 8.0
"""The server may tell an outage longer than the prober sees by: the daemon's serving check passes some time after the first good
answer, a process of its own every half second. Two demos at once on two slow cores were seen to make 3.8 s of it. What this check is
for is a step counted that is no outage (the image's 15 s, the retirement's 18 s), and those stay well beyond it."""

HICCUP_SECONDS = 3.0
"""For how long a workload that nobody touches may not answer on a machine that has no time for it: a demo beside tests was
seen to make 1.7 s of it. That it was not stopped and started again meanwhile is told by its process."""

PLANNED_TRIGGERS = frozenset({"manual", "automatic"})


@dataclass(frozen=True, slots=True)
class Move:
    """One switch as the server tells it, with what the prober saw around it."""

    name: str
    scene: str
    switch: dict[str, Any]
    prober_downtime_seconds: float
    lost_writes: int | None
    """Acknowledged writes of before the move that the primary lacked after it; None: not looked at."""


@dataclass(frozen=True, slots=True)
class Stillness:
    """A scene that must move nothing: the server was told nothing for a while, and the instance served on."""

    name: str
    scene: str
    silent_seconds: float
    primary_before: str
    primary_after: str
    switches_begun: int
    prober_downtime_seconds: float
    prober_answering_ids: frozenset[str]
    workload_pid_before: int | None
    workload_pid_after: int | None


@dataclass(frozen=True, slots=True)
class AgentBooks:
    """What the three books say about one workload at the end."""

    name: str
    carry: str
    server_primary_id: str | None
    server_epoch: int
    server_promotion_count: int
    holder_instance_id: str | None
    region_instances: tuple[dict[str, Any], ...]
    last_answering_id: str | None
    overlap_count: int


def disagreements(agent: AgentBooks) -> list[str]:
    """Return every way in which the books of one workload contradict each other or the invariants; none is what we want."""
    found = []
    running = [item["instance_id"] for item in agent.region_instances if item["state"] == "running"]
    if running != [agent.server_primary_id]:
        found.append(f"{agent.name}: EC2 runs {running}, the server's primary is {agent.server_primary_id}")
    if agent.holder_instance_id != agent.server_primary_id:
        found.append(f"{agent.name}: the address is at {agent.holder_instance_id}, the primary is {agent.server_primary_id}")
    if agent.last_answering_id != agent.server_primary_id:
        found.append(f"{agent.name}: the prober is answered by {agent.last_answering_id}, the primary is {agent.server_primary_id}")
    if agent.server_epoch != 1 + agent.server_promotion_count:
        found.append(f"{agent.name}: epoch {agent.server_epoch} after {agent.server_promotion_count} promotions")
    if agent.overlap_count:
        found.append(f"{agent.name}: the prober saw two instances serve at once, {agent.overlap_count} times")
    found += serving_overlaps(agent.name, agent.region_instances)
    return found


def serving_overlaps(name: str, instances: Sequence[dict[str, Any]]) -> list[str]:
    """Return every pair of serving intervals of two instances that overlap, by the workload processes' own words."""
    intervals = sorted(
        (_moment(interval["from"]), _moment(interval["to"]), item["instance_id"]) for item in instances for interval in item["serving"]
    )
    found = []
    for index, (_start, end, instance_id) in enumerate(intervals):
        for later_start, _later_end, later_id in intervals[index + 1 :]:
            if later_id != instance_id and later_start < end:
                seconds = (end - later_start).total_seconds()
                found.append(f"{name}: {instance_id} and {later_id} both served, from {later_start} on for {seconds:.3f} s")
    return found


_FAR = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


def _moment(text: str | None) -> datetime:
    return _FAR if text is None else datetime.fromisoformat(text)


def _stopping_seconds(switch: Mapping[str, Any]) -> float:
    step = next((step for step in switch["steps"] if step["name"] == "quiesce" and step["status"] == "done"), None)
    return 0.0 if step is None else (_moment(step["finished_at"]) - _moment(step["intent_at"])).total_seconds()


def move_disagreements(move: Move, carry: str) -> list[str]:
    """Return what is wrong with one move: its downtime by the prober against the server's, and writes that should not be lost."""
    found = []
    server_seconds = move.switch.get("downtime_seconds")
    title = f"{move.name}, {move.scene}"
    if move.switch["status"] == "completed" and server_seconds is not None:
        if move.prober_downtime_seconds > server_seconds + PROBE_SLACK_SECONDS + _stopping_seconds(move.switch):
            found.append(f"{title}: the prober saw {move.prober_downtime_seconds:.2f} s of outage, the server tells {server_seconds:.2f} s")
        if move.prober_downtime_seconds + CHECK_SLACK_SECONDS < server_seconds:
            found.append(
                f"{title}: the prober saw only {move.prober_downtime_seconds:.2f} s of outage, the server tells {server_seconds:.2f} s"
            )
    is_planned = move.switch["trigger"] in PLANNED_TRIGGERS
    keeps_state = carry in CARRIES_WITHOUT_LOSS or move.switch["status"] != "completed"
    if is_planned and keeps_state and move.lost_writes:
        found.append(f"{title}: {move.lost_writes} acknowledged writes are lost")
    missing = [name for name in FIVE_TIMES if move.switch.get(name) is None] if move.switch["status"] == "completed" else []
    if missing:
        found.append(f"{title}: the server does not tell {', '.join(missing)}")
    return found


def decision_disagreements(name: str, decision: Mapping[str, Any], switch: Mapping[str, Any], cheap_place: str) -> list[str]:
    """Return what is wrong with a decision that moved a workload to `cheap_place` (mode/type/AZ id), and with what it tells a person."""
    found = []
    went_to = "/".join(switch[f"to_{part}"] for part in ("mode", "instance_type", "az_id"))
    came_from = "/".join(switch[f"from_{part}"] for part in ("mode", "instance_type", "az_id"))
    if (decision["action"], switch["trigger"]) != ("SWITCH", "automatic"):
        found.append(f"{name}: it was decided to {decision['action']}, and a move of kind {switch['trigger']} was made")
    if not decision["target"] == went_to == cheap_place:
        found.append(f"{name}: {cheap_place} is plainly the cheapest, {decision['target']} was chosen, and it went to {went_to}")
    if cheap_place not in decision["reasoning"] or "less than staying" not in decision["reasoning"]:
        found.append(f"{name}: the reasoning does not say what is better: {decision['reasoning']}")
    if not decision["rejected"] or {cheap_place, came_from} & decision["rejected"].keys() or not all(decision["rejected"].values()):
        found.append(f"{name}: the other places, each with why not, should be told; told were {decision['rejected']}")
    return found


def stillness_disagreements(still: Stillness) -> list[str]:
    """Return everything that moved, by the server's answers and by the prober's log, though nothing should have."""
    title = f"{still.name}, {still.scene}"
    found = []
    if still.switches_begun:
        found.append(f"{title}: {still.switches_begun} moves were begun")
    if still.primary_after != still.primary_before:
        found.append(f"{title}: the primary was {still.primary_before} and is {still.primary_after}")
    if still.workload_pid_before is None or still.workload_pid_after != still.workload_pid_before:
        found.append(f"{title}: the workload's process was {still.workload_pid_before} and is {still.workload_pid_after}")
    if still.prober_downtime_seconds > HICCUP_SECONDS:
        found.append(f"{title}: the prober saw {still.prober_downtime_seconds:.2f} s of outage")
    if still.prober_answering_ids != {still.primary_before}:
        found.append(f"{title}: the prober was answered by {', '.join(sorted(still.prober_answering_ids)) or 'nobody'}")
    return found


CARRIES_WITHOUT_LOSS = frozenset({"image_after_quiesce", "rsync"})
"""Of a planned move, whose old side stops before what it wrote last is taken along."""


FIVE_TIMES = ("initiated_at", "ami_created_at", "instance_launched_at", "instance_ready_at", "old_terminated_at")
