"""One round: what was seen, compared with the books. First everything is read; then each agent has its turn that needs one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.autonomy.queries import open_plans
from spot_server.features.instances.queries import primary_of
from spot_server.features.notifications.service import notify
from spot_server.features.sweeper import acts, evidence, queries
from spot_server.features.sweeper.holds import RestoreHold, list_holds, note_restore
from spot_server.features.sweeper.rules import (
    ENDING_STATES,
    SIGHTING_GOOD_FOR_SECONDS,
    Adopt,
    Doubt,
    Quarantine,
    Retire,
    SweepPolicy,
    Verdict,
    epoch_ahead,
    judge_instance,
    judge_volume,
    room_left,
    while_restored,
)
from spot_server.features.sweeper.sightings import (
    Seen,
    VolumeSighting,
    instances_of_report,
    merged,
    volumes_of_report,
)
from spot_server.features.sweeper.unnamed import Unnamed, unnamed
from spot_server.words import Severity

LIMIT_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Work:
    """What was seen that names one agent."""

    client_id: str
    agent_id: str
    instances: list[Seen] = field(default_factory=list)
    volumes: list[VolumeSighting] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict that something follows from."""

    seen: Seen
    verdict: Adopt | Retire | Quarantine


@dataclass(frozen=True, slots=True)
class Swept:
    """What was done for one agent."""

    adopted: int = 0
    retired: int = 0
    told: int = 0
    put_off: int = 0


@dataclass(frozen=True, slots=True)
class Gathered:
    """What needs a closer look: agent by agent, and what names no agent of its client."""

    work: list[Work]
    nobodys: list[Unnamed]


def gather(tx: Transaction, of_roles: dict[str, list[Seen]]) -> Gathered:
    """Return what daemons reported of late and what control roles found (by client), as far as it needs a closer look."""
    nobodys: list[Unnamed] = []
    by_agent: dict[str, Work] = {}
    seen_of_client: dict[str, list[Seen]] = defaultdict(list, {client_id: list(seen) for client_id, seen in of_roles.items()})
    for report in queries.list_reports(tx, heard_within_seconds=SIGHTING_GOOD_FOR_SECONDS):
        seen_of_client[report.client_id] += instances_of_report(report)
        unattached = [volume for volume in volumes_of_report(report) if volume.state == "available"]
        if unattached:
            work = by_agent.setdefault(report.agent_id, Work(report.client_id, report.agent_id))
            work.volumes.extend(unattached)
    in_place = queries.roles_of_instances(tx, list(seen_of_client))
    for client_id, seen in seen_of_client.items():
        nobodys += _sort_by_agent(tx, client_id, [one for one in seen if one.sighting.client_id == client_id], in_place, by_agent)
    return Gathered(list(by_agent.values()), nobodys)


def _sort_by_agent(
    tx: Transaction, client_id: str, seen: Sequence[Seen], in_place: set[tuple[str, str]], by_agent: dict[str, Work]
) -> list[Unnamed]:
    """Add what names an agent to its work, and return what names none of the client.

    One that is in place, or ending, is of interest only when its tags know a newer epoch of an agent of the client.
    """
    found = queries.load_agents(tx, {one.sighting.agent_id for one in seen if one.sighting.agent_id is not None})
    agents = {agent_id: agent for agent_id, agent in found.items() if agent.client_id == client_id}
    for one in merged(one for one in seen if _is_believed(one, agents)):
        agent = agents[str(one.sighting.agent_id)]
        is_settled = (client_id, one.sighting.instance_id) in in_place or one.sighting.state in ENDING_STATES
        if not is_settled or (one.sighting.epoch or 0) > agent.epoch:
            by_agent.setdefault(agent.agent_id, Work(client_id, agent.agent_id)).instances.append(one)
    nobodys = merged(one for one in seen if one.sighting.agent_id not in agents and (one.is_client_known or one.sighting.agent_id is None))
    return unnamed(client_id, [one for one in nobodys if (client_id, one.sighting.instance_id) not in in_place], found)


def _is_believed(one: Seen, agents: Mapping[str, Agent]) -> bool:
    """A daemon knows agents of its own name; before anything is compared, so that a stranger's newer word hides nothing."""
    agent = agents.get(one.sighting.agent_id or "")
    return agent is not None and one.logical_agent_id in {None, agent.logical_agent_id}


def needs_act(tx: Transaction, work: Work, policy: SweepPolicy) -> bool:
    """Tell whether anything follows from what was seen that is not recorded yet. Reads only."""
    agent = load_agent(tx, work.agent_id)
    holds = list_holds(tx, agent.client_id)
    if _restored_epochs(tx, agent, work, holds):
        return True
    doubts = [(volume.volume_id, Doubt.UNATTACHED) for volume in _left_over(tx, agent, work.volumes)]
    for finding in _findings(tx, agent, work.instances, policy, holds):
        if not isinstance(finding.verdict, Quarantine):
            return True
        doubts.append((finding.seen.sighting.instance_id, finding.verdict.doubt))
    return any(not acts.is_told(tx, agent, resource_id, doubt) for resource_id, doubt in doubts)


def sweep_agent(tx: Transaction, work: Work, policy: SweepPolicy) -> Swept:
    """Judge again, now that the agent's row is held, and do what follows."""
    agent = load_agent(tx, work.agent_id, for_update=True)
    for one, epoch in _restored_epochs(tx, agent, work, list_holds(tx, agent.client_id)):
        note_restore(tx, agent, one.sighting.instance_id, epoch)
    adopted = retired = told = put_off = 0
    for finding in _findings(tx, agent, work.instances, policy, list_holds(tx, agent.client_id)):
        match finding.verdict:
            case Adopt(replica_id):
                acts.adopt(tx, agent, finding.seen, replica_id)
                adopted += 1
            case Retire(reason):
                if _room(tx, agent, policy) == 0:
                    put_off += 1
                    acts.tell_limit(tx, agent, policy)
                    continue
                acts.retire(tx, agent, finding.seen, reason)
                retired += 1
            case Quarantine() as verdict:
                told += acts.quarantine(tx, agent, "instance", finding.seen.sighting.instance_id, finding.seen.reporter_id, verdict)
    told += _tell_of_volumes(tx, agent, work.volumes)
    return Swept(adopted, retired, told, put_off)


def _restored_epochs(tx: Transaction, agent: Agent, work: Work, holds: Sequence[RestoreHold]) -> list[tuple[Seen, int]]:
    """Return what says that the database is older than the world, and is not noted yet."""
    hold = next((one for one in holds if one.agent_id == agent.agent_id), None)
    known_epoch = 0 if hold is None else hold.seen_epoch
    if epoch_ahead(agent.epoch, known_epoch, (one.sighting.epoch for one in work.instances)) is None:
        return []
    # A successor carries its plan's epoch from its claim on: before it has told of that, the database is no older than the plan.
    claims = {(plan.successor_instance_id, plan.epoch) for plan in open_plans(tx, agent.agent_id)}
    unexplained = [one for one in work.instances if (one.sighting.instance_id, one.sighting.epoch) not in claims]
    ahead = epoch_ahead(agent.epoch, known_epoch, (one.sighting.epoch for one in unexplained))
    return [] if ahead is None else [(one, ahead) for one in unexplained if one.sighting.epoch == ahead][:1]


def _findings(tx: Transaction, agent: Agent, seen: Iterable[Seen], policy: SweepPolicy, holds: Iterable[RestoreHold]) -> list[Finding]:
    is_held = any(hold.is_holding for hold in holds)
    findings = []
    for one in seen:
        verdict: Verdict = judge_instance(one.sighting, evidence.load_books(tx, agent, one.sighting), policy=policy, now=tx.now)
        verdict = while_restored(verdict) if is_held else verdict
        if isinstance(verdict, Adopt | Retire | Quarantine):
            findings.append(Finding(one, verdict))
    return findings


def _room(tx: Transaction, agent: Agent, policy: SweepPolicy) -> int:
    """Return how many may still be retired now. Counted anew each time: what was just retired counts."""
    retired = queries.count_retired(tx, agent.client_id, tx.now - LIMIT_WINDOW)
    of_agent = room_left(retired[agent.agent_id], policy.agent_retirements_per_hour)
    return min(of_agent, room_left(retired.total(), policy.client_retirements_per_hour))


def _left_over(tx: Transaction, agent: Agent, volumes: Iterable[VolumeSighting]) -> list[VolumeSighting]:
    """Return those that no move had in hand when they were seen, and that the PRIMARY does not have by its own word.

    A move takes a volume off one instance before it gives it to the other, and deletes the copies that it takes back.
    """
    primary = primary_of(tx, agent.agent_id)
    held = {one.get("volume_id") for one in (primary.attached_volumes or [])} if primary is not None else set()
    loose = [volume for volume in volumes if volume.volume_id not in held]
    return [volume for volume in loose if not queries.has_moved_since(tx, agent.agent_id, volume.seen_at)]


def _tell_of_volumes(tx: Transaction, agent: Agent, volumes: Iterable[VolumeSighting]) -> int:
    told = 0
    for volume in _left_over(tx, agent, volumes):
        verdict = judge_volume(volume.state, volume.seen_at, tx.now)
        if isinstance(verdict, Quarantine):
            told += acts.quarantine(tx, agent, "volume", volume.volume_id, "", verdict)
    return told


def tell_refused(tx: Transaction, client_id: str, region: str, error: str) -> None:
    """Tell the client, once a day, that its control role may not list what runs."""
    notify(
        tx,
        client_id=client_id,
        agent_id=None,
        severity=Severity.WARNING,
        kind="control_role_refused",
        text=f"The control role could not list instances and addresses in {region} ({error}): only daemons say what is left behind there.",
        dedupe_key=f"control_role_refused/{client_id}/sweep/{region}/{tx.now.date()}",
    )
