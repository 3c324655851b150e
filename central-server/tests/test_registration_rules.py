"""What holds for every registration, whatever is claimed and whatever is stored."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.registration.rules import (
    ENDED_REPLICA_STATUSES,
    Claim,
    ComesAfterAll,
    Decision,
    Enrolment,
    Launcher,
    LaunchNonce,
    NewAgent,
    NotWanted,
    Refused,
    ReplicaArrives,
    SameInstance,
    Standing,
    StandsIn,
    TooEarly,
    Unexpected,
    can_launcher_report,
    decide_registration,
    does_pattern_match,
)
from spot_server.words import CommandStatus, ReplicaStatus, Role

moments = st.none() | st.integers(-100, 100).map(lambda seconds: START + timedelta(seconds=seconds))
instance_ids = st.sampled_from(["i-1", "i-2"])
agent_ids = st.sampled_from(["agent-1", "agent-2"])
logical_ids = st.sampled_from(["web-1", "web-2", "db-1"])
types = st.sampled_from(["m5.large", "c5.large"])
zones = st.sampled_from(["use1-az1", "use1-az2"])

claims = st.builds(
    Claim,
    logical_agent_id=logical_ids,
    instance_id=instance_ids,
    instance_type=types,
    az_id=zones,
    owner=st.sampled_from([None, None, "asg/web"]),
)
enrolments = st.builds(
    Enrolment,
    token_id=st.just("token-1"),
    client_id=st.just("client-1"),
    pattern=st.sampled_from(["*", "web-*", "web-1", ""]),
    uses_left=st.none() | st.integers(0, 2),
    expires_at=moments,
    revoked_at=moments,
)
launchers = st.builds(
    Launcher,
    actor_role=st.none() | st.sampled_from(Role),
    command_status=st.none() | st.sampled_from(CommandStatus),
    command_deadline_at=moments,
    notice_action_at=moments,
)
nonces = st.builds(
    LaunchNonce,
    replica_id=st.just("replica-1"),
    client_id=st.just("client-1"),
    agent_id=agent_ids,
    replica_status=st.sampled_from(ReplicaStatus),
    instance_type=types,
    az_id=zones,
    recorded_instance_id=st.none() | instance_ids,
    used_at=moments,
    launcher=launchers,
)
standings = st.none() | st.builds(
    Standing,
    agent_id=agent_ids,
    role=st.none() | st.sampled_from(Role),
    are_others_gone=st.booleans(),
    is_deleted=st.booleans(),
    is_last_hope=st.booleans(),
)
strays = st.builds(
    Standing,
    agent_id=agent_ids,
    role=st.sampled_from([Role.ZOMBIE, Role.TERMINATED]),
    are_others_gone=st.just(False),
    is_deleted=st.booleans(),
    is_stray=st.just(True),
    is_last_hope=st.booleans(),
)


def makes_primary(decision: Decision) -> bool:
    return isinstance(decision, NewAgent | StandsIn)


@given(claims, enrolments, standings)
def test_a_second_primary_is_never_made_while_another_instance_may_run(claim: Claim, token: Enrolment, standing: Standing | None) -> None:
    decision = decide_registration(claim, token, standing, START)

    if makes_primary(decision):
        assert standing is None or (standing.are_others_gone and standing.role is None)


@given(claims, nonces, standings)
def test_a_launch_nonce_never_makes_a_primary(claim: Claim, nonce: LaunchNonce, standing: Standing | None) -> None:
    decision = decide_registration(claim, nonce, standing, START)

    assert not makes_primary(decision)
    assert not isinstance(decision, Unexpected)


@given(claims, enrolments, standings)
def test_a_token_that_is_over_or_not_for_this_agent_opens_nothing(claim: Claim, token: Enrolment, standing: Standing | None) -> None:
    is_over = token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= START)

    decision = decide_registration(claim, token, standing, START)

    if is_over or not does_pattern_match(token.pattern, claim.logical_agent_id):
        assert isinstance(decision, Refused)


@given(claims, enrolments, standings)
def test_only_a_token_with_a_use_left_takes_an_unknown_instance_in(claim: Claim, token: Enrolment, standing: Standing | None) -> None:
    decision = decide_registration(claim, token, standing, START)

    if makes_primary(decision):
        assert token.uses_left is None or token.uses_left > 0
        assert claim.owner is None


@given(claims, nonces, standings)
def test_a_replica_is_the_instance_that_was_launched_for_that_agent_and_its_nonce_is_fresh(
    claim: Claim, nonce: LaunchNonce, standing: Standing | None
) -> None:
    decision = decide_registration(claim, nonce, standing, START)

    if isinstance(decision, ReplicaArrives):
        assert standing is not None
        assert standing.agent_id == nonce.agent_id
        assert nonce.used_at is None
        assert decision.is_adopted == (nonce.recorded_instance_id is None)
        vouched = (claim.instance_type, claim.az_id) == (nonce.instance_type, nonce.az_id)
        assert nonce.recorded_instance_id == claim.instance_id or (vouched and not can_launcher_report(nonce.launcher, START))


@given(claims, nonces, standings)
def test_waiting_is_asked_for_only_while_the_launch_may_still_be_recorded(
    claim: Claim, nonce: LaunchNonce, standing: Standing | None
) -> None:
    decision = decide_registration(claim, nonce, standing, START)

    if isinstance(decision, TooEarly):
        assert nonce.recorded_instance_id is None
        assert can_launcher_report(nonce.launcher, START)


@given(claims, enrolments | nonces, standings)
def test_only_an_instance_that_the_agent_has_and_that_lives_is_greeted_again(
    claim: Claim, credential: Enrolment | LaunchNonce, standing: Standing | None
) -> None:
    decision = decide_registration(claim, credential, standing, START)

    if isinstance(decision, SameInstance):
        assert standing is not None
        assert standing.role not in {None, Role.TERMINATED}


@given(claims, nonces, standings)
def test_a_launch_nonce_lets_nobody_in_whose_replica_has_ended_or_whose_agent_is_deleted(
    claim: Claim, nonce: LaunchNonce, standing: Standing | None
) -> None:
    decision = decide_registration(claim, nonce, standing, START)

    if standing is not None and (standing.is_deleted or nonce.replica_status in ENDED_REPLICA_STATUSES):
        assert isinstance(decision, NotWanted | ComesAfterAll | Refused | SameInstance)
        assert not isinstance(decision, ComesAfterAll) or (standing.is_last_hope and not standing.is_deleted)
        # An instance that was let in before is still greeted: it must hear that it is a ZOMBIE.
        assert not isinstance(decision, SameInstance) or (standing.role is not None and not standing.is_deleted)


@given(claims, nonces, standings)
def test_an_instance_is_recorded_as_a_stray_only_by_a_fresh_nonce_of_its_own_launch(
    claim: Claim, nonce: LaunchNonce, standing: Standing | None
) -> None:
    decision = decide_registration(claim, nonce, standing, START)

    if isinstance(decision, NotWanted):
        assert standing is not None
        assert (standing.agent_id, standing.role, nonce.used_at) == (nonce.agent_id, None, None)
        vouched = (claim.instance_type, claim.az_id) == (nonce.instance_type, nonce.az_id)
        assert nonce.recorded_instance_id == claim.instance_id or (nonce.recorded_instance_id is None and vouched)


@given(claims, enrolments | nonces, strays)
def test_a_stray_is_let_in_by_nothing_but_its_nonce_when_its_agent_has_nothing_else(
    claim: Claim, credential: Enrolment | LaunchNonce, standing: Standing
) -> None:
    decision = decide_registration(claim, credential, standing, START)

    assert isinstance(decision, NotWanted | ComesAfterAll | Refused)
    assert not isinstance(decision, NotWanted) or not decision.is_new
    if isinstance(decision, ComesAfterAll):
        assert isinstance(credential, LaunchNonce)
        assert (standing.role, standing.is_last_hope, standing.is_deleted, decision.is_known) == (Role.ZOMBIE, True, False, True)
        assert claim.owner is None


@given(claims, nonces, standings)
def test_who_comes_late_and_is_let_in_is_vouched_for_as_a_stray_is(claim: Claim, nonce: LaunchNonce, standing: Standing | None) -> None:
    decision = decide_registration(claim, nonce, standing, START)

    if isinstance(decision, ComesAfterAll):
        assert (nonce.used_at, decision.is_known, claim.owner) == (None, False, None)
        assert nonce.recorded_instance_id == claim.instance_id or not can_launcher_report(nonce.launcher, START)
        vouched = (claim.instance_type, claim.az_id) == (nonce.instance_type, nonce.az_id)
        assert nonce.recorded_instance_id == claim.instance_id or (nonce.recorded_instance_id is None and vouched)


@given(claims, standings)
def test_no_credential_opens_nothing(claim: Claim, standing: Standing | None) -> None:
    assert isinstance(decide_registration(claim, None, standing, START), Refused)
