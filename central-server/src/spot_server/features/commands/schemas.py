"""Commands on the wire; docs/agent-protocol.md explains them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marshmallow import fields, post_load, validate

from spot_server.features.commands.service import CommandOutcome
from spot_server.http.fields import BoundedText, UtcMoment, moment_text
from spot_server.http.schemas import AnswerSchema, TolerantSchema

LONGEST_WAIT_SECONDS = 60
OUTCOMES = ("succeeded", "failed")
LONGEST_ERROR_CHARACTERS = 20_000


class PendingQuery(TolerantSchema):
    """How long the daemon is willing to wait."""

    wait = fields.Float(
        load_default=0.0,
        validate=validate.Range(min=0, max=LONGEST_WAIT_SECONDS, error=f"expected seconds from 0 to {LONGEST_WAIT_SECONDS}"),
        error_messages={"invalid": f"expected seconds from 0 to {LONGEST_WAIT_SECONDS}"},
        metadata={"description": "Seconds to wait for a command; 0 answers at once."},
    )


class CommandAnswer(AnswerSchema):
    """An instruction to a daemon."""

    command_id = fields.String(required=True)
    request_id = fields.String(required=True)
    kind = fields.String(required=True)
    priority = fields.Integer(required=True)
    epoch = fields.Integer(required=True)
    payload = fields.Dict(keys=fields.String(), required=True)
    issued_at = UtcMoment(required=True)
    deadline_at = UtcMoment(required=True, allow_none=True)


class PendingAnswer(AnswerSchema):
    """What to do now, most urgent first."""

    commands = fields.List(fields.Nested(CommandAnswer), required=True)
    wait_seconds = fields.Integer(required=True, metadata={"description": "How long to wait next time; 0: poll plainly."})


class CommandErrorSchema(TolerantSchema):
    """Why a command failed. `class` is one of the list in docs/agent-protocol.md."""

    class_ = BoundedText(data_key="class", attribute="class", least=1, most=64, required=True)
    code = BoundedText(load_default=None, allow_none=True)
    message = BoundedText(load_default=None, allow_none=True, most=LONGEST_ERROR_CHARACTERS)


class OutcomeSchema(TolerantSchema):
    """A daemon's answer to a command."""

    request_id = BoundedText(least=1, required=True)
    outcome = fields.String(
        required=True, validate=validate.OneOf(OUTCOMES, error="expected succeeded or failed"), metadata={"enum": list(OUTCOMES)}
    )
    error = fields.Nested(CommandErrorSchema, load_default=None, allow_none=True)
    result = fields.Dict(keys=fields.String(), load_default=dict)
    started_at = UtcMoment(load_default=None, allow_none=True)
    finished_at = UtcMoment(load_default=None, allow_none=True)

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: object) -> CommandOutcome:
        """Build the value that the service takes."""
        return CommandOutcome(**{**data, "started_at": _text(data["started_at"]), "finished_at": _text(data["finished_at"])})


class RecordedAnswer(AnswerSchema):
    """The command as it stands now."""

    recorded = fields.Boolean(required=True)
    status = fields.String(required=True)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment_text(moment)
