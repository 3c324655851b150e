"""The sweeper's round: ask EC2 where a control role may, compare with the books, act agent by agent."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from spot_server.aws.errors import ActFailed, ErrorClass
from spot_server.aws.ports import AwsGateway
from spot_server.features.sweeper import service, unnamed
from spot_server.features.sweeper.queries import Territory, list_territories
from spot_server.features.sweeper.rules import SweepPolicy
from spot_server.features.sweeper.service import Swept
from spot_server.features.sweeper.sightings import Seen, instances_of_role
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import Job, JobContext
from spot_server.settings import Settings


class Sweeper:
    """The job. It remembers nothing: what was done and told is in the books."""

    def __init__(self, gateway: AwsGateway, policy: SweepPolicy) -> None:
        """`gateway` leads to the clients' accounts."""
        self._gateway = gateway
        self._policy = policy

    def __call__(self, context: JobContext) -> str:
        """One round. No call to AWS is made inside a transaction."""
        territories = context.database.read(list_territories)
        of_roles: dict[str, list[Seen]] = defaultdict(list)
        for territory in territories:
            of_roles[territory.client_id] += self._look(context, territory)
        gathered = context.database.read(lambda tx: service.gather(tx, of_roles))
        # First what nobody owns: what it says of a restored database holds the rest of the round back.
        nobodys = [one for one in gathered.nobodys if context.database.read(partial(unnamed.needs_telling, found=one))]
        told = for_each(nobodys, lambda one: context.database.write(partial(unnamed.tell, found=one)))
        due = [one for one in gathered.work if context.database.read(lambda tx, one=one: service.needs_act(tx, one, self._policy))]  # type: ignore[misc]
        swept = for_each(due, lambda one: context.database.write(lambda tx: service.sweep_agent(tx, one, self._policy)))
        return _sentence([Swept(told=sum(told)), *swept])

    def _look(self, context: JobContext, territory: Territory) -> list[Seen]:
        """What the role sees; nothing when it is refused or AWS is away: the daemons' reports are there all the same."""
        now = context.clock.now()
        try:
            ec2 = self._gateway.ec2(territory.role, territory.region)
            found = ec2.find_managed(territory.client_id)
            return instances_of_role(found, ec2.address_holders(), now)
        except ActFailed as error:
            context.log.warning("sweeper_not_shown", client_id=territory.client_id, region=territory.region, error=str(error))
            if error.error_class is ErrorClass.NOT_AUTHORIZED:
                self._gateway.forget(territory.role, territory.region)
                code = error.code
                context.database.write(lambda tx: service.tell_refused(tx, territory.client_id, territory.region, code))
            return []


def _sentence(swept: list[Swept]) -> str:
    sums = {
        "adopted": sum(one.adopted for one in swept),
        "retired": sum(one.retired for one in swept),
        "told of": sum(one.told for one in swept),
        "put off": sum(one.put_off for one in swept),
    }
    return ", ".join(f"{name} {count}" for name, count in sums.items() if count)


def sweeper_job(settings: Settings, gateway: AwsGateway) -> Job:
    """Return the job with its bounds from the settings."""
    policy = SweepPolicy(
        settle_seconds=settings.sweeper_settle_seconds,
        agent_retirements_per_hour=settings.sweeper_agent_retirements_per_hour,
        client_retirements_per_hour=settings.sweeper_client_retirements_per_hour,
    )
    return Job("sweep_strays", settings.sweeper_period_seconds, Sweeper(gateway, policy))
