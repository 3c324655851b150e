"""What says that an instance is this agent's, and whether it may be terminated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spot_agent.ec2_facts import AddressFacts
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import TAG_AGENT_ID, TAG_LOGICAL_AGENT_ID, TAG_MANAGED

MANAGED = "true"
RELEASED = "released"

CODE_NOT_OURS = "not_ours"
CODE_HOLDS_HANDLE = "holds_handle"


def is_ours(tags: Mapping[str, str], agent_id: str) -> bool:
    """Whether it carries the mark of a managed instance, and this agent's id."""
    return tags.get(TAG_MANAGED) == MANAGED and tags.get(TAG_AGENT_ID) == agent_id


def tags_of_agent(agent_id: str, logical_agent_id: str) -> dict[str, str]:
    """What everything that was made for this agent carries, from the call that made it.

    The name alone says little: another client, or another server, may have an agent of the same name in the same account.
    """
    return {TAG_MANAGED: MANAGED, TAG_AGENT_ID: agent_id, TAG_LOGICAL_AGENT_ID: logical_agent_id}


def tags_to_set(tags: Mapping[str, str], agent_id: str, logical_agent_id: str) -> dict[str, str]:
    """What a registered instance lacks of its own tags.

    Nothing where a person has given the mark a value of their own (such as "false"): that instance is to be left alone.
    """
    if tags.get(TAG_MANAGED, MANAGED) not in (MANAGED, RELEASED):
        return {}
    wanted = tags_of_agent(agent_id, logical_agent_id)
    return {key: value for key, value in wanted.items() if tags.get(key) != value}


def refusal_to_terminate(
    instance_id: str, tags: Mapping[str, str], agent_id: str, addresses: Iterable[AddressFacts], other_handles: Iterable[str] = ()
) -> ActFailed | None:
    """Why the instance is not terminated; None when it may be.

    `addresses` must not lead to it; `other_handles` are those that do lead to it, in words.
    """
    if not is_ours(tags, agent_id):
        wanted = f"{TAG_MANAGED}={MANAGED} and {TAG_AGENT_ID}={agent_id}"
        return ActFailed(ErrorClass.REFUSED, CODE_NOT_OURS, f"{instance_id} does not carry the tags {wanted}")
    addressed = [f"{one.allocation_id} ({one.public_ip})" for one in addresses if one.instance_id == instance_id]
    held = sorted([*addressed, *other_handles])
    if held:
        return ActFailed(ErrorClass.REFUSED, CODE_HOLDS_HANDLE, f"{instance_id} holds the traffic handle {', '.join(held)}")
    return None
