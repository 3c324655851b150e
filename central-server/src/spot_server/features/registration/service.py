"""Taking an instance in, in one transaction; a refusal that a client must hear of is stored, so refusals are results here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from spot_server.db.runner import Transaction
from spot_server.errors import (
    InstanceNotMatchedYet,
    InstanceNotWanted,
    InstanceOwned,
    ProductError,
    StateConflict,
    TokenInvalid,
    UnexpectedInstance,
)
from spot_server.features.agent_config.service import DaemonConfig, Intervals, make_daemon_config
from spot_server.features.agents.queries import Agent, find_live_agent, load_agent
from spot_server.features.instances.queries import find_instance, load_instance
from spot_server.features.registration import arrivals, queries
from spot_server.features.registration.arrivals import Arrival, NewRegistration
from spot_server.features.registration.rules import (
    Claim,
    ComesAfterAll,
    Decision,
    Enrolment,
    JoinsAsStandby,
    LaunchNonce,
    NewAgent,
    NotWanted,
    RefusalKind,
    Refused,
    ReplicaArrives,
    SameInstance,
    Standing,
    StandsIn,
    TooEarly,
    Unexpected,
    decide_registration,
)
from spot_server.features.replicas.last_hope import is_last_hope
from spot_server.features.sweeper.holds import newer_epoch
from spot_server.features.tokens.service import NONCE_PREFIX, create_token, digest_of, revoke_agent_tokens
from spot_server.features.unexpected.queries import find_claim
from spot_server.words import TokenKind, Verdict


@dataclass(frozen=True, slots=True)
class Registered:
    """An instance that was taken in. The token can be seen only here."""

    token: str
    config: DaemonConfig
    is_new: bool


@dataclass(frozen=True, slots=True)
class Turned:
    """An instance that was not taken in; `error` is what its daemon is told, after the commit."""

    error: ProductError


def register(tx: Transaction, secret: str, request: NewRegistration, intervals: Intervals) -> Registered | Turned:
    """Decide on one registration and carry it out. `secret` is an enrolment token or a launch nonce."""
    credential = _find_credential(tx, secret)
    if credential is None:
        return Turned(TokenInvalid("the token is not known"))
    # A second round only when another registration of the same new agent was faster.
    for _ in range(2):
        agent = _find_agent(tx, credential, request)
        # Read again now that the agent's row is held: the launch may have been recorded meanwhile.
        decision = decide_registration(
            _claim(request), _find_credential(tx, secret), _read_standing(tx, agent, credential, request.instance_id), tx.now
        )
        arrival = _carry_out(tx, decision, credential, agent, request)
        if isinstance(arrival, Turned):
            return arrival
        if arrival is not None:
            return _welcome(tx, arrival, request, intervals)
    raise StateConflict(f"{request.logical_agent_id} is being registered by others; try again")


def accept_or_raise(outcome: Registered | Turned) -> Registered:
    """Return the registration, or raise what its daemon is to be told. For callers outside the transaction."""
    if isinstance(outcome, Turned):
        raise outcome.error
    return outcome


def _claim(request: NewRegistration) -> Claim:
    return Claim(request.logical_agent_id, request.instance_id, request.instance_type, request.az_id, request.owner)


def _find_credential(tx: Transaction, secret: str) -> Enrolment | LaunchNonce | None:
    digest = digest_of(secret)
    return queries.find_nonce(tx, digest) if secret.startswith(NONCE_PREFIX) else queries.find_enrolment(tx, digest)


def _find_agent(tx: Transaction, credential: Enrolment | LaunchNonce, request: NewRegistration) -> Agent | None:
    """Return the agent that is claimed, its row held: the live one of that name; for a launch nonce its own agent, deleted or not."""
    if isinstance(credential, Enrolment):
        return find_live_agent(tx, credential.client_id, request.logical_agent_id, for_update=True)
    agent = load_agent(tx, credential.agent_id, for_update=True)
    return agent if agent.logical_agent_id == request.logical_agent_id else None


def _read_standing(tx: Transaction, agent: Agent | None, credential: Enrolment | LaunchNonce, instance_id: str) -> Standing | None:
    if agent is None:
        return None
    known = find_instance(tx, agent.agent_id, instance_id)
    claim = find_claim(tx, agent.agent_id, instance_id)
    return Standing(
        agent_id=agent.agent_id,
        role=None if known is None else known.role,
        are_others_gone=queries.are_others_gone(tx, agent.agent_id),
        is_deleted=agent.is_deleted,
        is_stray=known is not None and known.is_stray,
        is_approved=claim is not None and claim.verdict is Verdict.APPROVED,
        is_last_hope=isinstance(credential, LaunchNonce) and _is_last_hope(tx, agent, credential, instance_id),
    )


def _is_last_hope(tx: Transaction, agent: Agent, nonce: LaunchNonce, instance_id: str) -> bool:
    """Nobody is, while the database may be older than the world: the instance that serves may be one that it has lost."""
    return is_last_hope(tx, agent, nonce.replica_id, instance_id) and newer_epoch(tx, agent.agent_id) is None


def _carry_out(
    tx: Transaction,
    decision: Decision,
    credential: Enrolment | LaunchNonce,
    agent: Agent | None,
    request: NewRegistration,
) -> Arrival | Turned | None:
    match decision:
        case NewAgent():
            return arrivals.open_agent(tx, credential, request)
        case StandsIn():
            return arrivals.stand_in(tx, credential, _present(agent), request)
        case ReplicaArrives(replica_id=replica_id, is_adopted=is_adopted):
            return arrivals.take_replica_in(tx, _present(agent), replica_id, request, is_adopted=is_adopted)
        case JoinsAsStandby():
            return arrivals.join_as_standby(tx, credential, _present(agent), request)
        case ComesAfterAll(replica_id=replica_id, is_known=is_known):
            return arrivals.take_in_after_all(tx, _present(agent), replica_id, request, is_known=is_known)
        case SameInstance():
            return arrivals.greet_again(tx, credential, _present(agent), request)
        case NotWanted(replica_id=replica_id, is_new=is_new):
            if is_new and replica_id is not None:
                arrivals.turn_stray_away(tx, _present(agent), replica_id, request)
            detail = f"what {request.instance_id} was launched for has ended: it is not let in, and waits to be terminated"
            return Turned(InstanceNotWanted(detail, instance_id=request.instance_id))
        case TooEarly() | Unexpected() | Refused():
            return _turn(tx, decision, agent, request)
        case _:
            assert_never(decision)


def _turn(tx: Transaction, decision: TooEarly | Unexpected | Refused, agent: Agent | None, request: NewRegistration) -> Turned:
    """Refuse an instance that is not ours, or not yet."""
    match decision:
        case TooEarly(retry_after_seconds=seconds):
            return Turned(InstanceNotMatchedYet(retry_after_seconds=seconds))
        case Unexpected():
            arrivals.tell_unexpected(tx, _present(agent), request)
            return Turned(UnexpectedInstance(instance_id=request.instance_id, logical_agent_id=request.logical_agent_id))
        case Refused(kind=kind, reason=reason):
            return Turned(_refusal_error(kind, reason))


def _present(agent: Agent | None) -> Agent:
    if agent is None:
        raise StateConflict("the agent is gone")
    return agent


def _refusal_error(kind: RefusalKind, reason: str) -> ProductError:
    match kind:
        case RefusalKind.CREDENTIAL:
            return TokenInvalid(reason)
        case RefusalKind.OWNED:
            return InstanceOwned(reason)
        case RefusalKind.GONE:
            return UnexpectedInstance(reason)


def _welcome(tx: Transaction, arrival: Arrival, request: NewRegistration, intervals: Intervals) -> Registered:
    agent = find_live_agent(tx, arrival.client_id, request.logical_agent_id)
    if agent is None:
        raise StateConflict("the agent is gone")
    instance = load_instance(tx, agent.agent_id, request.instance_id)
    revoke_agent_tokens(tx, agent.agent_id, instance_id=instance.instance_id, only_unused=True)
    token = create_token(
        tx,
        TokenKind.AGENT,
        created_by="registration",
        label=f"daemon {instance.instance_id}",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=instance.instance_id,
        epoch=agent.epoch,
    )
    return Registered(token, make_daemon_config(tx, agent, instance, intervals), arrival.is_new)
