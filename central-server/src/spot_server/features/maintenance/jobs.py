"""Comparing what EC2 has scheduled with what was done about it."""

from __future__ import annotations

from functools import partial

from spot_server.features.maintenance import service
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def answer_maintenance(context: JobContext) -> str:
    """Take in what daemons list, note what was called off, and answer what is open: each in its own transaction."""
    database = context.database
    news = database.read(service.find_news)
    for_each(news, lambda one: database.write(lambda tx: service.take_in(tx, *one)))
    called_off = database.read(service.find_called_off)
    for_each(called_off, lambda one: database.write(partial(service.call_off, agent_id=one.agent_id, notice_id=one.notice_id)))
    done = for_each(database.read(service.open_of_primaries), lambda one: database.write(partial(service.answer, event=one)))
    return "; ".join(sentence for sentence in done if sentence is not None)
