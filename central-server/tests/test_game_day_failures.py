"""Game days when something goes wrong: deaths, refusals, lost answers, and an agent that changes meanwhile."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.game_days import Died, Exercise, failure
from server_support.story import Story
from spot_server.aws.playing import Experiment, ExperimentState
from spot_server.db.runner import Database
from spot_server.db.tables import notifications
from spot_server.errors import GameDayInProgress, StateConflict
from spot_server.features.game_days.queries import GameDay
from spot_server.words import GameDayKind, GameDayStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, terminate_wait_seconds=60)


@pytest.fixture
def exercise(story: Story) -> Exercise:
    return Exercise(story)


def test_death_between_the_intent_and_the_call_ends_in_one_game_day(story: Story, exercise: Exercise) -> None:
    game_day = exercise.ask()
    exercise.player.dies_after_the_call = True
    with pytest.raises(Died):
        exercise.run()
    after_death = exercise.reload(game_day)

    done = exercise.ends(game_day)

    assert (after_death.status, after_death.played_at) == (GameDayStatus.INJECTING, None)
    assert [order.game_day_id for order in exercise.player.orders] == [game_day.game_day_id] * 2
    assert exercise.player.orders[0].began_at == exercise.player.orders[1].began_at
    assert done.status is GameDayStatus.COMPLETED
    assert len(story.switches()) == 1


def test_a_lost_answer_is_asked_for_again_after_a_pause(exercise: Exercise) -> None:
    game_day = exercise.ask()
    exercise.player.is_next_answer_lost = True

    exercise.run()
    exercise.run()
    calls_at_once = len(exercise.player.orders)
    done = exercise.ends(game_day)

    assert (calls_at_once, len(exercise.player.orders)) == (1, 2)
    assert done.status is GameDayStatus.COMPLETED


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "ServiceQuotaExceededException"])
def test_a_refusal_of_the_player_ends_it_with_the_reason_and_frees_the_agent(exercise: Exercise, code: str) -> None:
    exercise.player.refusals = [failure(code)]

    game_day = exercise.ends(exercise.ask())

    assert (game_day.status, game_day.played_at) == (GameDayStatus.FAILED, None)
    assert game_day.failure == f"the player refused: {code}: as the test wants it"
    assert exercise.ask(request_id="game-2").status is GameDayStatus.REQUESTED


def test_trouble_that_does_not_pass_ends_it_at_last(exercise: Exercise) -> None:
    exercise.player.refusals = [failure("ThrottlingException")] * 9

    game_day = exercise.ends(exercise.ask())

    assert game_day.status is GameDayStatus.FAILED
    assert len(exercise.player.orders) == 5


def test_an_agent_that_was_deleted_before_the_call_is_left_alone(story: Story, exercise: Exercise) -> None:
    game_day = exercise.ask()
    story.fleet.delete(story.agent)

    exercise.run()
    exercise.run()

    ended = exercise.reload(game_day)
    assert (ended.status, ended.failure) == (GameDayStatus.FAILED, "not played: the agent is deleted")
    assert exercise.player.orders == exercise.player.closed == []


def test_an_agent_that_is_deleted_meanwhile_stops_it_and_everything_is_put_back(story: Story, exercise: Exercise) -> None:
    game_day = exercise.ask(GameDayKind.CAPACITY_SHORTAGE)
    # The event is on its way: no move runs yet, during which nobody could delete the agent.
    exercise.player.played.add(game_day.game_day_id)
    exercise.run()
    story.fleet.delete(story.agent)

    exercise.run()
    exercise.run()

    ended = exercise.reload(game_day)
    assert (ended.status, ended.failure) == (GameDayStatus.STOPPED, "the agent was deleted meanwhile")
    assert [order.shortage for order in exercise.player.closed] == [exercise.player.orders[0].shortage]


def test_another_primary_than_was_shown_is_not_played_against(story: Story, exercise: Exercise) -> None:
    game_day = exercise.ask()
    story.switch()
    story.settles(300)

    ended = exercise.ends(game_day)

    assert (ended.status, ended.failure) == (GameDayStatus.FAILED, "not played: the primary is i-2 now, and not i-1")
    assert exercise.player.orders == []


def test_a_wish_that_nobody_could_carry_out_for_long_is_not_played_any_more(story: Story, exercise: Exercise) -> None:
    game_day = exercise.ask()
    story.passes(302)

    ended = exercise.ends(game_day)

    assert (ended.status, ended.failure) == (GameDayStatus.FAILED, "not played: nobody could carry it out for 300 s; ask again")
    assert exercise.player.orders == []


def test_of_several_wishes_at_the_same_moment_one_is_taken(exercise: Exercise) -> None:
    results = at_once([partial(exercise.ask, request_id=f"game-{number}") for number in range(3)])

    taken = [result for result in results if isinstance(result, GameDay)]
    assert len(taken) == 1
    assert [type(result) for result in results if result not in taken] == [GameDayInProgress] * 2


def test_a_person_stops_it_before_anything_was_touched(exercise: Exercise) -> None:
    game_day = exercise.ask()

    stopped = exercise.stop(game_day)
    again = exercise.stop(game_day)
    exercise.run()

    ended = exercise.reload(game_day)
    assert stopped == again
    assert (ended.status, ended.failure, ended.stopped_by) == (GameDayStatus.STOPPED, "stopped by tester", "tester")
    assert exercise.player.orders == exercise.player.closed == []


def test_a_stop_during_the_call_still_puts_back_what_the_call_made(exercise: Exercise) -> None:
    game_day = exercise.ask()
    exercise.player.before_answering = lambda: exercise.stop(game_day)

    exercise.run()
    exercise.run()

    assert exercise.reload(game_day).status is GameDayStatus.STOPPED
    assert [order.reference["experiment_id"] for order in exercise.player.closed] == [f"exp-{game_day.game_day_id}"]


def test_what_is_over_cannot_be_stopped(exercise: Exercise) -> None:
    game_day = exercise.ends(exercise.ask())

    with pytest.raises(StateConflict, match="is over: completed"):
        exercise.stop(game_day)


@pytest.mark.parametrize(("state", "status"), [(ExperimentState.STOPPED, "stopped"), (ExperimentState.FAILED, "failed")])
def test_an_experiment_that_gave_up_before_anything_was_heard_ends_it(exercise: Exercise, state: ExperimentState, status: str) -> None:
    exercise.player.played.add((game_day := exercise.ask()).game_day_id)
    exercise.player.experiment = Experiment(state, "alarm web-errors")

    ended = exercise.ends(game_day)

    assert (ended.status, ended.failure) == (status, "the player gave up: alarm web-errors")


def test_what_cannot_be_put_back_is_tried_again_and_told_at_last(story: Story, exercise: Exercise) -> None:
    exercise.player.close_refusals = [failure("ThrottlingException"), failure("AccessDeniedException")]

    game_day = exercise.ends(exercise.ask())

    assert game_day.status is GameDayStatus.COMPLETED
    assert game_day.failure is not None
    assert game_day.failure.startswith("not everything was put back, see docs/gameday.md: AccessDeniedException")
    assert "game_day_failed" in story.fleet.scalars(select(notifications.c.kind))
