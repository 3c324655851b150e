"""What a game day would meet, do and cost: read in one transaction, shown before anything is touched."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from spot_server.aws import fis_calls, region_calls
from spot_server.aws.playing import Market, PlannedCall, PlayOrder
from spot_server.aws.ports import ControlRole
from spot_server.db.runner import Transaction
from spot_server.errors import GameDayRefused, SwitchInProgress
from spot_server.features.agents.queries import Agent
from spot_server.features.clients.queries import Client
from spot_server.features.clients.service import load_client
from spot_server.features.commands.attempts import load_daemons, notice_ends
from spot_server.features.game_days.response_calls import response_calls
from spot_server.features.game_days.rules import Conditions, find_obstacle
from spot_server.features.instances.queries import Instance, primary_of
from spot_server.features.interruptions.rules import InterruptionFacts, Response, choose_response, is_salvage_needed
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas.launching import choose_image, rank_places, wish_of
from spot_server.features.replicas.placement import Ranking
from spot_server.features.replicas.queries import Replica
from spot_server.features.switches import queries as switch_queries
from spot_server.features.switches.losses import writes_lost_since
from spot_server.features.switches.plans import plan_promotion, plan_rescue
from spot_server.words import Carry, GameDayKind, HandleKind, InterruptionKind, PlayedBy, ReplicaStatus, Role, StepName

SECONDS_PER_HOUR = Decimal(3600)

EVENT_KINDS: dict[GameDayKind, InterruptionKind] = {
    GameDayKind.NOTICE: InterruptionKind.TERMINATE,
    GameDayKind.RECOMMENDATION: InterruptionKind.REBALANCE,
    GameDayKind.LOSS: InterruptionKind.LOSS,
    GameDayKind.CAPACITY_SHORTAGE: InterruptionKind.TERMINATE,
}
"""What the agent sees of a game day. A shortage is a notice while the place of first choice has no capacity."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for."""

    kind: GameDayKind
    accepts_loss: bool = False
    stop_alarm_arn: str | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that a game day would meet now. `primary` is None when the agent has none."""

    agent: Agent
    client: Client
    wish: Wish
    primary: Instance | None
    played_by: PlayedBy | None
    ready: Replica | None
    image_id: str | None
    ranking: Ranking
    loses_writes_since: datetime | None
    conditions: Conditions

    @property
    def shortage(self) -> Market | None:
        """The place of first choice, if it is to have no capacity."""
        if self.wish.kind is not GameDayKind.CAPACITY_SHORTAGE or not self.ranking.suitable:
            return None
        place = self.ranking.suitable[0].place
        return Market(place.instance_type, place.az_id, place.mode)


def set_stage(tx: Transaction, agent: Agent, wish: Wish, *, has_simulated_region: bool) -> Stage:
    """Read what is there now."""
    client = load_client(tx, agent.client_id)
    primary = primary_of(tx, agent.agent_id)
    live = replica_queries.nearest_live_replicas(tx, agent.agent_id)
    ready = next((replica for replica in live if replica.status is ReplicaStatus.READY), None)
    image = choose_image(tx, agent, primary)
    image_id = ready.image_id if ready is not None else None if image is None else image.image_id
    played_by = _player_of(client, has_simulated_region=has_simulated_region)
    loses_since = writes_lost_since(tx, agent, image_id)
    running = switch_queries.active_switch(tx, agent.agent_id)
    heard = {daemon.instance_id for daemon in load_daemons(tx, agent) if daemon.is_reachable}
    conditions = Conditions(
        kind=wish.kind,
        played_by=played_by,
        is_deleted=agent.is_deleted,
        is_enabled=agent.enabled,
        mode=None if primary is None else primary.mode,
        is_primary_heard=primary is not None and primary.instance_id in heard,
        is_account_known=primary is not None and primary.account_id is not None,
        has_control_role=client.aws_role_arn is not None,
        running_switch_id=None if running is None else running.switch_id,
        is_standing_notice=primary is not None and _is_ending(tx, primary),
        has_way_out=ready is not None or image is not None,
        loses_writes_since=loses_since,
        accepts_loss=wish.accepts_loss,
    )
    return Stage(agent, client, wish, primary, played_by, ready, image_id, _rank(tx, agent, primary, wish), loses_since, conditions)


def _is_ending(tx: Transaction, primary: Instance) -> bool:
    end_at = notice_ends(tx, primary.agent_id).get(primary.instance_id)
    return end_at is not None and end_at > tx.now


def _player_of(client: Client, *, has_simulated_region: bool) -> PlayedBy | None:
    if has_simulated_region:
        return PlayedBy.SIMULATED_REGION
    return PlayedBy.FIS if client.aws_role_arn is not None and client.fis_role_arn is not None else None


def _rank(tx: Transaction, agent: Agent, primary: Instance | None, wish: Wish) -> Ranking:
    if primary is None:
        return Ranking((), ())
    is_rescue = wish.kind is not GameDayKind.RECOMMENDATION
    place_wish = wish_of(agent, primary, is_standby=True, is_last_resort=is_rescue, is_urgent=True)
    return rank_places(tx, agent, place_wish, primary.product)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who a game day is played against and by; there is one only where nothing stands in the way."""

    primary: Instance
    played_by: PlayedBy


def require_playable(stage: Stage) -> Cast:
    """Return the cast. Raises GameDayRefused with what stands in the way, and SwitchInProgress when that is a move."""
    obstacle = find_obstacle(stage.conditions)
    if stage.conditions.running_switch_id is not None:
        raise SwitchInProgress(str(obstacle), switch_id=stage.conditions.running_switch_id)
    if obstacle is not None or stage.primary is None or stage.played_by is None:
        lost = None if stage.loses_writes_since is None else _text(stage.loses_writes_since)
        raise GameDayRefused(str(obstacle), agent_id=stage.agent.agent_id, kind=stage.wish.kind, loses_writes_since=lost)
    return Cast(stage.primary, stage.played_by)


def order_of(stage: Stage, cast: Cast, game_day_id: str, began_at: datetime) -> PlayOrder:
    """Return what the player is told."""
    return PlayOrder(
        game_day_id=game_day_id,
        kind=stage.wish.kind,
        region=stage.agent.region,
        instance_id=cast.primary.instance_id,
        began_at=began_at,
        account_id=cast.primary.account_id,
        role=role_of(stage.client),
        fis_role_arn=stage.client.fis_role_arn,
        stop_alarm_arn=stage.wish.stop_alarm_arn,
        shortage=stage.shortage,
    )


def role_of(client: Client) -> ControlRole | None:
    """Return the client's control role, if it gave one."""
    if client.aws_role_arn is None:
        return None
    return ControlRole(client.aws_role_arn, client.aws_external_id, f"spot-optimizer-{client.client_id}")


def plan_document(stage: Stage, cast: Cast, order: PlayOrder) -> dict[str, Any]:
    """Return the plan as it is shown and kept: JSON values only."""
    agent, primary, kind = stage.agent, cast.primary, stage.wish.kind
    response = _response(stage)
    first = stage.ranking.suitable[0] if stage.ranking.suitable else None
    is_hold, launches = response is Response.HOLD, stage.ready is None
    steps = _steps(agent.carry, is_hold=is_hold, launches=launches)
    return {
        "kind": kind.value,
        "played_by": cast.played_by.value,
        "instance_id": primary.instance_id,
        "place": f"{primary.mode}/{primary.instance_type}/{primary.az_id}",
        "response": "failover" if kind is GameDayKind.LOSS else response.value,
        "steps": [str(step) for step in steps],
        "replica_id": None if stage.ready is None else stage.ready.replica_id,
        "image_id": stage.image_id,
        "loses_writes_since": None if stage.loses_writes_since is None else _text(stage.loses_writes_since),
        "places": [
            {"place": offer.place.key, "usd_per_hour": None if offer.usd_per_hour is None else str(offer.usd_per_hour)}
            for offer in stage.ranking.suitable
        ],
        "refused": [{"place": refusal.place.key, "reason": refusal.reason} for refusal in stage.ranking.refused],
        "target": {"account_id": order.account_id, "fis_role_arn": order.fis_role_arn},
        "shortage": None if stage.shortage is None else asdict(stage.shortage),
        "replica_usd_per_hour": None if not launches or first is None or first.usd_per_hour is None else str(first.usd_per_hour),
        "held_seconds": agent.rebalance_hold_seconds if is_hold and launches else 0,
        "most_extra_usd": _extra_usd(
            None if first is None else first.usd_per_hour, agent.rebalance_hold_seconds if is_hold else 0, launches
        ),
        "calls": [asdict(call) for call in calls_of(order, cast.played_by)],
        "ec2_calls": response_calls(
            steps,
            [HandleKind(handle["kind"]) for handle in agent.traffic_handles],
            is_hold=is_hold,
            is_salvaged=not is_hold and kind is not GameDayKind.LOSS and is_salvage_needed(agent.carry, has_ready_side=not launches),
        ),
    }


def calls_of(order: PlayOrder, played_by: PlayedBy) -> tuple[PlannedCall, ...]:
    """Return every call that the game day itself makes, with its parameters."""
    return fis_calls.planned_calls(order) if played_by is PlayedBy.FIS else region_calls.planned_calls(order)


def _response(stage: Stage) -> Response:
    facts = InterruptionFacts(
        kind=EVENT_KINDS[stage.wish.kind],
        role=Role.PRIMARY,
        is_enabled=stage.agent.enabled,
        is_deleted=stage.agent.is_deleted,
        has_live_replica=stage.ready is not None,
        has_active_switch=False,
    )
    return choose_response(facts)


def _extra_usd(usd_per_hour: Decimal | None, held_seconds: int, launches: bool) -> str | None:  # noqa: FBT001 - a fact beside two others
    """Return what a replica costs that is held beside its primary; a rescue's takes the primary's place, and costs nothing beside it."""
    if not launches or held_seconds == 0:
        return "0"
    return None if usd_per_hour is None else str((usd_per_hour * held_seconds / SECONDS_PER_HOUR).quantize(Decimal("0.000001")))


def _steps(carry: Carry, *, is_hold: bool, launches: bool) -> tuple[StepName, ...]:
    if is_hold:
        return (StepName.LAUNCH, StepName.BOOT) if launches else ()
    return plan_rescue(carry) if launches else plan_promotion(carry)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
