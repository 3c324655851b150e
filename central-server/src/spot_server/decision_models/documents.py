"""Inputs of decisions as canonical JSON with a digest, and back: what a stored decision is replayed from.

Markets, and lists of candidates, are documents of their own, named by their digests: agents share them, so that what is stored grows
with pools.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from spot_server.decision_models.inputs import (
    INTERFACE_VERSION,
    AgentSettings,
    AlwaysOn,
    Calendar,
    Candidate,
    DecisionInput,
    Experience,
    Market,
    PoolRisk,
    PriceStep,
    Situation,
)
from spot_server.words import Mode, Role

T = TypeVar("T")
Load = Callable[[Collection[str]], Mapping[str, Mapping[str, Any]]]
"""Returns documents by their digests, as far as they are kept."""

_ALWAYS_ON = {"kind": "always_on"}
"""The server decides about no other objective; the others are played by the backtest, which stores nothing."""


class NotReplayable(Exception):
    """A stored input cannot be read back; says why."""


def canonical(document: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the one text that a document has."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(document: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the SHA-256 of the document's one text, in hex."""
    return digest_of_text(canonical(document))


def digest_of_text(text: str) -> str:
    """Return the SHA-256 of a canonical text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def market_document(market: Market) -> dict[str, Any]:
    """Return a market as JSON."""
    return {
        "mode": market.mode,
        "instance_type": market.instance_type,
        "az_id": market.az_id,
        "usd_per_hour": _plain(market.usd_per_hour),
        "priced_at": _plain(market.priced_at),
        "prices": [[step.at.isoformat(), str(step.usd_per_hour), int(step.is_interpolated)] for step in market.prices],
        "risk": None if market.risk is None else _members(market.risk),
    }


def candidates_document(candidates: Iterable[Candidate], digests: Mapping[str, str]) -> dict[str, Any]:
    """Return candidates as JSON: each by its market's digest, with its refusal. Agents with the same reach share it."""
    return {"candidates": [[digests[candidate.market.key], candidate.refusal] for candidate in candidates]}


def input_document(given: DecisionInput, market: str, candidates: str) -> dict[str, Any]:
    """Return the input of an agent that always serves as JSON; `market`, `candidates`: digests of where it runs and could run."""
    situation = given.situation
    return {
        "interface": INTERFACE_VERSION,
        "decided_at": given.decided_at.isoformat(),
        "agent_id": given.agent_id,
        "situation": {
            "role": situation.role,
            "market": market,
            "uptime_seconds": situation.uptime_seconds,
            "in_place_seconds": situation.in_place_seconds,
            "on_demand_usd_per_hour": _plain(situation.on_demand_usd_per_hour),
            "chance_per_hour": situation.chance_per_hour,
            "chance_per_day": situation.chance_per_day,
        },
        "candidates": candidates,
        "settings": _members(given.settings),
        "experience": _members(given.experience),
        "calendar": _members(given.calendar),
        "objective": _ALWAYS_ON,
    }


def read_input(document: Mapping[str, Any], load: Load) -> DecisionInput:
    """Return the input that was stored; `load` returns documents by their digests. NotReplayable when one is missing or was changed."""
    if document.get("interface") != INTERFACE_VERSION:
        raise NotReplayable(f"it was made for version {document.get('interface')} of the interface, and this is {INTERFACE_VERSION}")
    if document["objective"] != _ALWAYS_ON:
        raise NotReplayable(f"its objective is {document['objective']}, and only {_ALWAYS_ON} is stored")
    situation = document["situation"]
    reach = _load_checked([document["candidates"]], load)[document["candidates"]]["candidates"]
    documents = _load_checked([situation["market"], *(named for named, _ in reach)], load)
    known = {named: _read_market(market) for named, market in documents.items()}
    return DecisionInput(
        decided_at=datetime.fromisoformat(document["decided_at"]),
        agent_id=document["agent_id"],
        situation=Situation(
            role=Role(situation["role"]),
            market=known[situation["market"]],
            uptime_seconds=situation["uptime_seconds"],
            in_place_seconds=situation["in_place_seconds"],
            on_demand_usd_per_hour=_decimal(situation["on_demand_usd_per_hour"]),
            chance_per_hour=situation["chance_per_hour"],
            chance_per_day=situation["chance_per_day"],
        ),
        candidates=tuple(Candidate(known[named], refusal) for named, refusal in reach),
        settings=_read(AgentSettings, document["settings"]),
        experience=_read(Experience, document["experience"]),
        calendar=_read(Calendar, document["calendar"]),
        objective=AlwaysOn(),
    )


def _load_checked(
    digests: Collection[str], load: Callable[[Collection[str]], Mapping[str, Mapping[str, Any]]]
) -> dict[str, Mapping[str, Any]]:
    found = load(digests)
    for named in sorted(set(digests)):
        if named not in found:
            raise NotReplayable(f"the document {named} is no longer kept")
        if digest(found[named]) != named:
            raise NotReplayable(f"the document {named} was changed")
    return dict(found)


def _read_market(document: Mapping[str, Any]) -> Market:
    return Market(
        mode=Mode(document["mode"]),
        instance_type=document["instance_type"],
        az_id=document["az_id"],
        usd_per_hour=_decimal(document["usd_per_hour"]),
        priced_at=_moment(document["priced_at"]),
        prices=tuple(PriceStep(datetime.fromisoformat(at), Decimal(usd), bool(filled)) for at, usd, filled in document["prices"]),
        risk=None if document["risk"] is None else _read(PoolRisk, document["risk"]),
    )


def _members(value: Any) -> dict[str, Any]:  # noqa: ANN401 - a frozen dataclass of plain members
    return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}


def _plain(value: object) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _read(kind: type[T], members: Mapping[str, Any]) -> T:
    """Read a flat dataclass back: moments end in `_at`, money names usd, as everywhere."""
    assert is_dataclass(kind)  # noqa: S101 - for the type checker
    values = {}
    for member in fields(kind):
        value = members[member.name]
        if member.name.endswith("_at"):
            value = _moment(value)
        elif "usd" in member.name:
            value = _decimal(value)
        values[member.name] = value
    return kind(**values)


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
