"""A switch as it is shown: with its steps, or as a plan that was not carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import load_agent
from spot_server.features.switches import queries
from spot_server.features.switches.facts import load_facts
from spot_server.features.switches.opening import Preview
from spot_server.features.switches.promotions import PromotionPlan
from spot_server.features.switches.queries import Step, Switch
from spot_server.features.switches.rollbacks import RollbackPlan
from spot_server.features.switches.schemas import PreviewAnswer, PromotionPreviewAnswer, RollbackPreviewAnswer
from spot_server.features.switches.waiting_rules import explain_waiting


@dataclass(frozen=True, slots=True)
class SwitchDetail:
    """A switch and its steps, read in one transaction."""

    switch: Switch
    steps: list[Step]
    waiting_reason: str | None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any column of the switch
        """Show the switch's own members beside the steps."""
        return getattr(self.switch, name)


def with_steps(tx: Transaction, switch: Switch) -> SwitchDetail:
    """Return the switch with its steps, and what it waits for if it is under way."""
    waiting_reason = None
    if switch.is_active:
        waiting_reason = explain_waiting(load_facts(tx, load_agent(tx, switch.agent_id), switch), tx.policy)
    return SwitchDetail(switch, queries.list_steps(tx, switch.switch_id), waiting_reason)


def preview_response(preview: Preview) -> Response:
    """Answer a dry run: 200, where a switch that begins answers 202."""
    return jsonify(PreviewAnswer().dump(preview))


def rollback_preview_response(plan: RollbackPlan) -> Response:
    """Answer a dry run of going back: 200, where a move that begins answers 202."""
    return jsonify(RollbackPreviewAnswer().dump(plan))


def promotion_preview_response(plan: PromotionPlan) -> Response:
    """Answer a dry run of a promotion: 200, where a move that begins answers 202."""
    return jsonify(PromotionPreviewAnswer().dump(plan))
