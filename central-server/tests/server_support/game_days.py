"""Game days in a story: the jobs process with a player in memory, which makes EC2 do what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from server_support.story import Story
from spot_server.aws.errors import AwsFailed, ErrorClass, class_of_code
from spot_server.aws.playing import Experiment, ExperimentState, PlayOrder
from spot_server.features.game_days import queries, service
from spot_server.features.game_days.jobs import GameDays
from spot_server.features.game_days.planning import Wish
from spot_server.features.game_days.queries import GameDay
from spot_server.features.game_days.service import GameDayRequest
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import GameDayKind, InterruptionKind, PlayedBy

DETECTION_SECONDS = 1.5
BOUND_SECONDS = 600.0


class Died(BaseException):
    """The jobs process is killed."""


@dataclass
class PretendPlayer:
    """Repeats find what the first call did, as with the real ones. `refusals` are raised once each, before anything happens."""

    story: Story
    refusals: list[AwsFailed] = field(default_factory=list)
    is_next_answer_lost: bool = False
    dies_after_the_call: bool = False
    close_refusals: list[AwsFailed] = field(default_factory=list)
    experiment: Experiment = field(default_factory=lambda: Experiment(ExperimentState.RUNNING))
    before_answering: Callable[[], object] = lambda: None
    orders: list[PlayOrder] = field(default_factory=list)
    played: set[str] = field(default_factory=set)
    closed: list[PlayOrder] = field(default_factory=list)

    def play(self, order: PlayOrder) -> dict[str, str]:
        self.orders.append(order)
        if self.refusals:
            raise self.refusals.pop(0)
        if order.game_day_id not in self.played:
            self.played.add(order.game_day_id)
            self._happen(order)
        self.before_answering()
        if self.dies_after_the_call:
            self.dies_after_the_call = False
            raise Died
        if self.is_next_answer_lost:
            self.is_next_answer_lost = False
            raise AwsFailed(ErrorClass.UNREACHABLE, "ReadTimeoutError", "the answer was lost", may_have_acted=True)
        return {"experiment_id": f"exp-{order.game_day_id}", "template_id": "template-1"}

    def _happen(self, order: PlayOrder) -> None:
        self.story.clock.advance(DETECTION_SECONDS)
        match order.kind:
            case GameDayKind.LOSS:
                self.story.region.lose(order.instance_id)
            case GameDayKind.RECOMMENDATION:
                self.story.notice(order.instance_id, InterruptionKind.REBALANCE)
            case GameDayKind.NOTICE | GameDayKind.CAPACITY_SHORTAGE:
                if order.shortage is not None:
                    self.story.region.refuse(f"{order.shortage.mode}/{order.shortage.instance_type}/{order.shortage.az_id}")
                self.story.notice(order.instance_id)

    def look(self, order: PlayOrder) -> Experiment:
        assert order.reference, "nothing can be looked for without what the player said"
        return self.experiment

    def close(self, order: PlayOrder) -> None:
        if self.close_refusals:
            raise self.close_refusals.pop(0)
        self.closed.append(order)


def failure(code: str) -> AwsFailed:
    """What the player's service says with this code."""
    return AwsFailed(class_of_code(code), code, "as the test wants it")


class Exercise:
    """A story with game days: `passes` lets the world, the server and the player's job go on together."""

    def __init__(self, story: Story) -> None:
        self.story, self.player = story, PretendPlayer(story)
        self.job = GameDays({PlayedBy.SIMULATED_REGION: self.player})
        settings = Settings(simulated_region_url="http://127.0.0.1:1", game_day_bound_seconds=BOUND_SECONDS)
        self.context = JobContext(story.database, story.clock, settings, Metrics(), structlog.get_logger())

    def ask(self, kind: GameDayKind = GameDayKind.NOTICE, request_id: str = "game-1", **options: Any) -> GameDay:
        request = GameDayRequest(request_id, Wish(kind, **options), "tester")
        act = partial(service.request_game_day, request=request, has_simulated_region=True)
        return self.story.database.write(lambda tx: act(tx, self.story.fleet.client_id, self.story.agent_id))

    def preview(self, kind: GameDayKind = GameDayKind.NOTICE, **options: Any) -> dict[str, Any]:
        act = partial(service.preview, wish=Wish(kind, **options), has_simulated_region=True)
        return self.story.database.read(lambda tx: act(tx, self.story.fleet.client_id, self.story.agent_id))

    def stop(self, game_day: GameDay) -> GameDay:
        act = partial(service.stop_game_day, game_day_id=game_day.game_day_id, user_id="tester")
        return self.story.database.write(lambda tx: act(tx, self.story.fleet.client_id, self.story.agent_id))

    def run(self) -> None:
        """One run of the job, in a process that remembers nothing of earlier ones."""
        self.job = GameDays({PlayedBy.SIMULATED_REGION: self.player})
        self.job(self.context)

    def passes(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        self.story.passes(seconds, until=lambda: self._step(until))

    def _step(self, until: Callable[[], bool]) -> bool:
        self.run()
        return until()

    def ends(self, game_day: GameDay, seconds: float = 900) -> GameDay:
        """Let time pass until it is over, and return it."""
        self.passes(seconds, until=lambda: not self.reload(game_day).is_active)
        return self.reload(game_day)

    def reload(self, game_day: GameDay) -> GameDay:
        return self.story.database.read(lambda tx: queries.load_game_day(tx, game_day.agent_id, game_day.game_day_id))
