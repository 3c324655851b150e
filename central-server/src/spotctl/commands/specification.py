"""`spotctl specification`: whether a new instance would be like the primary, and taking the primary over as it is now."""

from __future__ import annotations

import click

from spotctl.api import Json
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode
from spotctl.lookups import find_agent
from spotctl.options import agent_option, request_id_option, shared, yes_option
from spotctl.session import Session
from spotctl.texts import drift_table


@click.command()
@agent_option()
@click.option("--adopt", "is_adopted", is_flag=True, help="Launch new instances like the primary as it is now.")
@yes_option
@request_id_option
@shared
def specification(session: Session, *, agent_name: str, is_adopted: bool, is_agreed: bool, request_id: str | None) -> None:
    """Show in what a new instance would not be like the primary; or take the primary's present configuration over."""
    api = session.api()
    agent = find_agent(api, agent_name)
    detail = api.get("agents", agent["agent_id"])
    differences = detail.get("specification_differences")
    name = str(agent["logical_agent_id"])
    if not is_adopted:
        shown = {"launch_specification": detail["settings"]["launch_specification"], "specification_differences": differences}
        session.show(shown, _lines(name, differences))
        return
    if differences is None:
        raise CommandFailed(f"--adopt: what the primary of {name} is like is not known", ExitCode.REFUSED)
    if not differences:
        session.show(detail["settings"], _lines(name, differences))
        return
    question = "\n".join([*_lines(name, differences), "Launch new instances like the primary as it is now?"])
    session.confirm(question, is_agreed=is_agreed)
    body = {"request_id": request_id or session.surroundings.new_request_id()}
    saved = api.post("agents", agent["agent_id"], "adopt-configuration", body=body)
    session.show(saved, [f"new instances of {name} are launched like its primary as it is now"])


def _lines(name: str, differences: list[Json] | None) -> list[str]:
    if differences is None:
        return [f"what the primary of {name} is like is not known"]
    if not differences:
        return [f"a new instance of {name} would be like its primary"]
    return [f"a new instance of {name} would not be like its primary:", *drift_table(differences)]
