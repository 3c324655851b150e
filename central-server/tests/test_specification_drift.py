"""A primary that is changed by hand is shown beside the launch specification and told of, and may be taken over as it is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.fidelity import UNLIKE, FidelityStory
from server_support.http import Http
from server_support.site import HEARTBEAT, REGISTRATION, Site
from server_support.terminal import Terminal
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs, notifications
from spot_server.features.agents.drift_rules import drift_of, taken_over
from spotctl.exits import ExitCode

SPECIFICATION: dict[str, Any] = REGISTRATION["launch_specification"]
AS_LAUNCHED: dict[str, Any] = {
    "instance_type": "m5.large",
    "security_group_ids": ["sg-1"],
    "iam_instance_profile_arn": None,
    "key_name": None,
    "metadata_options": {"HttpTokens": "optional", "HttpPutResponseHopLimit": 1},
    "tags": {"team": "shop"},
    "detailed_monitoring": False,
    "ebs_optimized": True,
    "cpu_credits": None,
    "root_device_name": "/dev/xvda",
    "volumes": None,
}
CHANGED = {**AS_LAUNCHED, "security_group_ids": ["sg-1", "sg-9"], "tags": {"team": "shop", "cost": "7"}}
DIFFERENCES = [
    {"field": "security_group_ids", "old": ["sg-1", "sg-9"], "new": ["sg-1"]},
    {"field": "tags.cost", "old": "7", "new": None},
]

CONFIGURATIONS = st.fixed_dictionaries(
    {
        "security_group_ids": st.lists(st.sampled_from(["sg-1", "sg-2", "sg-3"]), min_size=1, unique=True),
        "iam_instance_profile_arn": st.none() | st.sampled_from(["arn:1", "arn:2"]),
        "key_name": st.none() | st.sampled_from(["ops", "dev"]),
        "metadata_options": st.fixed_dictionaries(
            {"HttpTokens": st.sampled_from(["required", "optional"]), "HttpPutResponseHopLimit": st.integers(1, 3)}
        ),
        "tags": st.dictionaries(st.sampled_from(["team", "cost"]), st.sampled_from(["a", "b"])),
    }
)


@given(CONFIGURATIONS)
def test_what_was_taken_over_has_no_difference_and_loosens_nothing(configuration: dict[str, Any]) -> None:
    taken = taken_over(SPECIFICATION, configuration)

    assert drift_of(taken, configuration) == ()
    assert taken["metadata_options"]["HttpTokens"] == "required"
    assert (taken["vpc_id"], taken["subnets"]) == (SPECIFICATION["vpc_id"], SPECIFICATION["subnets"])


@given(st.permutations(["sg-1", "sg-2", "sg-3"]))
def test_the_order_of_security_groups_is_no_difference(groups: list[str]) -> None:
    assert drift_of({**SPECIFICATION, "security_group_ids": groups}, {**AS_LAUNCHED, "security_group_ids": ["sg-1", "sg-2", "sg-3"]}) == ()


def test_where_one_side_is_not_known_nothing_is_said_and_what_is_not_said_stays() -> None:
    assert drift_of(None, AS_LAUNCHED) is drift_of(SPECIFICATION, None) is None
    assert taken_over(SPECIFICATION, {"key_name": "ops"}) == {**SPECIFICATION, "key_name": "ops"}


@pytest.fixture
def site(database: Database, http: Http) -> Site:
    return Site(database, http)


def says(site: Site, configuration: dict[str, Any], daemon: Http, agent_id: str) -> None:
    heard = daemon.post(f"/api/agents/{agent_id}/heartbeat", {**HEARTBEAT, "configuration": configuration})
    assert heard.status == 200, heard.text


def drifted(site: Site, *configurations: dict[str, Any]) -> str:
    """An agent whose primary is like its specification at first; its page."""
    answer, daemon = site.register(configuration=AS_LAUNCHED)
    for configuration in configurations:
        says(site, configuration, daemon, answer["agent_id"])
    return f"{site.base}/agents/{answer['agent_id']}"


def told(site: Site) -> list[str]:
    return site.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "specification_drifted"))


def test_a_primary_as_it_was_launched_has_no_difference_and_nobody_is_told(site: Site) -> None:
    page = drifted(site, copy.deepcopy(AS_LAUNCHED))

    assert site.client.get(page).json["specification_differences"] == []
    assert told(site) == []


def test_a_primary_that_somebody_changed_is_shown_field_by_field_and_told_of_once(site: Site) -> None:
    page = drifted(site, CHANGED, CHANGED)

    assert site.client.get(page).json["specification_differences"] == DIFFERENCES
    (text,) = told(site)
    assert 'security_group_ids: it has ["sg-1", "sg-9"], a new one would get ["sg-1"]; tags.cost: it has "7"' in text


def test_a_change_that_the_daemon_tells_when_it_registers_again_is_told_of_too(site: Site) -> None:
    site.register(configuration=AS_LAUNCHED)
    site.register(configuration=CHANGED)

    assert len(told(site)) == 1


def test_another_change_is_told_again(site: Site) -> None:
    drifted(site, CHANGED, {**CHANGED, "key_name": "ops"})

    assert len(told(site)) == 2


def test_an_agent_whose_primary_never_said_what_it_is_like_shows_nothing_and_has_nothing_to_take_over(site: Site) -> None:
    answer, _daemon = site.register()
    page = f"{site.base}/agents/{answer['agent_id']}"

    refused = site.client.post(f"{page}/adopt-configuration", {})

    assert site.client.get(page).json["specification_differences"] is None
    assert (refused.status, refused.slug) == (409, "state-conflict")
    assert "its daemon reads that in EC2" in refused.text


def test_taking_the_primary_over_changes_what_is_launched_and_leaves_the_network_once_for_each_request(site: Site) -> None:
    page = drifted(site, CHANGED)
    body = {"request_id": "request-1", "reason": "sg-9 is meant"}

    taken = site.client.post(f"{page}/adopt-configuration", body)
    site.client.post(f"{page}/config", {"launch_specification": SPECIFICATION})
    again = site.client.post(f"{page}/adopt-configuration", body)
    other = site.client.post(f"{page}/adopt-configuration", {**body, "reason": "another"})

    expected = {**SPECIFICATION, "security_group_ids": ["sg-1", "sg-9"], "tags": {"team": "shop", "cost": "7"}}
    assert (taken.status, taken.json["launch_specification"]) == (200, expected)
    assert (again.status, again.json["launch_specification"]) == (200, SPECIFICATION)
    assert (other.status, other.slug) == (409, "request-id-reused")
    reasons = site.fleet.scalars(select(audit_logs.c.reason).where(audit_logs.c.request_id == "request-1"))
    assert reasons == ["sg-9 is meant"]


def test_what_was_taken_over_is_shown_no_more(site: Site) -> None:
    page = drifted(site, CHANGED)

    site.client.post(f"{page}/adopt-configuration", {})

    assert site.client.get(page).json["specification_differences"] == []


def test_another_clients_agent_is_not_there_and_unknown_fields_are_refused(site: Site, database: Database, http: Http) -> None:
    page = drifted(site, CHANGED)
    stranger = Site(database, http)

    elsewhere = stranger.client.post(page.replace(site.base, stranger.base) + "/adopt-configuration", {})
    unknown = site.client.post(f"{page}/adopt-configuration", {"tags": {}})

    assert (elsewhere.status, unknown.status) == (404, 422)
    assert len(site.client.get(page).json["specification_differences"]) == 2


@pytest.fixture
def story(database: Database, clock: FakeClock) -> FidelityStory:
    made = FidelityStory.like(database, clock)
    made.says("i-1", UNLIKE)
    return made


@pytest.fixture
def terminal(story: FidelityStory, app: Flask, tmp_path: Path) -> Terminal:
    return Terminal.of(story, app, tmp_path)


def test_spotctl_shows_what_a_new_instance_would_get_and_takes_the_primary_over(story: FidelityStory, terminal: Terminal) -> None:
    shown = terminal.run("specification", "--agent", "web-1")
    page = terminal.run("agents", "--agent", "web-1")
    adopted = terminal.run("specification", "--agent", "web-1", "--adopt", "--yes")
    after = terminal.run("specification", "--agent", "web-1")

    assert shown.out.splitlines()[2].split() == ["security_group_ids", '["sg-2"]', '["sg-1"]']
    assert "a new instance would not be like the primary" in page.out
    assert (adopted.code, adopted.out) == (ExitCode.DONE, "new instances of web-1 are launched like its primary as it is now\n")
    assert after.out == "a new instance of web-1 would be like its primary\n"


def test_spotctl_takes_nothing_over_that_is_not_known_or_that_nobody_agreed_to(story: FidelityStory, terminal: Terminal) -> None:
    terminal.is_interactive = True
    declined = terminal.run("specification", "--agent", "web-1", "--adopt", typed="n\n")
    story.says("i-1", None)

    unknown = terminal.run("specification", "--agent", "web-1", "--adopt", "--yes")

    assert declined.code == ExitCode.NOT_CONFIRMED
    assert (unknown.code, unknown.error) == (ExitCode.REFUSED, "spotctl: --adopt: what the primary of web-1 is like is not known\n")
