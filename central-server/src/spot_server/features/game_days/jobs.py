"""Carrying game days out: the calls to their players happen here, between transactions and in none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.aws.fis import FisGateway, FisPlayer
from spot_server.aws.playing import Experiment, GameDayPlayer, PlayOrder
from spot_server.aws.simulated_region import SimulatedRegion
from spot_server.features.game_days import carrying_out, queries
from spot_server.features.game_days.queries import GameDay
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import Job, JobContext
from spot_server.settings import Settings
from spot_server.words import GameDayStatus, PlayedBy


class GameDays:
    """The job. It remembers nothing between its runs: what was intended and what came of it is in the rows."""

    def __init__(self, players: Mapping[PlayedBy, GameDayPlayer]) -> None:
        """`players` has those that this server is configured for."""
        self._players = players

    def __call__(self, context: JobContext) -> str:
        """Take every game day one step further."""
        waiting = context.database.read(queries.open_game_days)
        steps = for_each(waiting, lambda game_day: self._advance(context, game_day))
        return f"took {len(steps)} game days further" if steps else ""

    def _advance(self, context: JobContext, game_day: GameDay) -> None:
        match game_day.status:
            case GameDayStatus.REQUESTED | GameDayStatus.INJECTING:
                self._play(context, game_day)
            case GameDayStatus.PLAYING:
                experiment = self._look(context, game_day)
                bound_seconds = context.settings.game_day_bound_seconds
                watch = partial(carrying_out.watch, game_day_id=game_day.game_day_id, experiment=experiment, bound_seconds=bound_seconds)
                context.database.write(watch)
            case GameDayStatus.CLOSING:
                self._close(context, game_day)
            case GameDayStatus.COMPLETED | GameDayStatus.FAILED | GameDayStatus.STOPPED:
                pass

    def _play(self, context: JobContext, game_day: GameDay) -> None:
        begin = partial(
            carrying_out.begin, game_day_id=game_day.game_day_id, has_simulated_region=PlayedBy.SIMULATED_REGION in self._players
        )
        order = context.database.write(begin)
        if order is None:
            return
        try:
            reference = self._player(game_day).play(order)
        except AwsFailed as failed:
            trouble = partial(carrying_out.note_trouble, game_day_id=game_day.game_day_id, failed=failed)
            context.database.write(trouble)
            context.log.warning("game_day_not_played", game_day_id=game_day.game_day_id, error=str(failed))
            return
        context.database.write(partial(carrying_out.note_played, game_day_id=game_day.game_day_id, reference=reference))
        context.log.info("game_day_played", game_day_id=game_day.game_day_id, kind=game_day.kind, played_by=game_day.played_by)

    def _look(self, context: JobContext, game_day: GameDay) -> Experiment | None:
        order = context.database.read(lambda tx: carrying_out.order_from(tx, game_day))
        try:
            return self._player(game_day).look(order)
        except AwsFailed as failed:
            context.log.warning("game_day_player_not_heard", game_day_id=game_day.game_day_id, error=str(failed))
            return None

    def _close(self, context: JobContext, game_day: GameDay) -> None:
        order = context.database.write(partial(carrying_out.begin_closing, game_day_id=game_day.game_day_id))
        if order is None:
            return
        failure = self._put_back(game_day, order)
        context.database.write(partial(carrying_out.note_closed, game_day_id=game_day.game_day_id, failed=failure))

    def _put_back(self, game_day: GameDay, order: PlayOrder) -> AwsFailed | None:
        try:
            self._player(game_day).close(order)
        except AwsFailed as failed:
            return failed
        return None

    def _player(self, game_day: GameDay) -> GameDayPlayer:
        player = self._players.get(game_day.played_by)
        if player is None:
            raise AwsFailed(ErrorClass.REFUSED, "no_player", f"this server is not configured for {game_day.played_by} any more")
        return player


def game_day_job(settings: Settings, gateway: FisGateway) -> Job:
    """Return the job with the players that the settings name; FIS is one wherever a client gave its roles."""
    players: dict[PlayedBy, GameDayPlayer] = {PlayedBy.FIS: FisPlayer(gateway)}
    if settings.simulated_region_url:
        players[PlayedBy.SIMULATED_REGION] = SimulatedRegion(settings.simulated_region_url)
    return Job("play_game_days", settings.game_day_period_seconds, GameDays(players))
