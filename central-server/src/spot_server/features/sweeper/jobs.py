"""The sweeper's round: ask EC2 where a control role may, compare with the books, act agent by agent."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from spot_server.aws.errors import ActFailed, ErrorClass
from spot_server.aws.ports import AwsGateway
from spot_server.features.sweeper import service, unnamed
from spot_server.features.sweeper.queries import Territory, list_territories
from spot_server.features.sweeper.rules import SweepPolicy
from spot_server.features.sweeper.service import Swept, Work
from spot_server.features.sweeper.sightings import Seen, instances_of_role
from spot_server.features.sweeper.unnamed import Unnamed
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
        swept: list[Swept] = []

        def look(territory: Territory) -> None:
            of_roles[territory.client_id] += self._look(context, territory)

        def tell(found: Unnamed) -> None:
            if context.database.read(partial(unnamed.needs_telling, found=found)):
                swept.append(Swept(told=context.database.write(partial(unnamed.tell, found=found))))

        def sweep(work: Work) -> None:
            # Reads first: most rounds find nothing to do, and hold nobody's row.
            if context.database.read(lambda tx: service.needs_act(tx, work, self._policy)):
                swept.append(context.database.write(lambda tx: service.sweep_agent(tx, work, self._policy)))

        def look_everywhere() -> None:
            for_each(territories, look)

        def sweep_everybody() -> None:
            gathered = context.database.read(lambda tx: service.gather(tx, of_roles))
            # First what nobody owns: what it says of a restored database holds the rest of the round back.
            acts = [*(partial(tell, found) for found in gathered.nobodys), *(partial(sweep, work) for work in gathered.work)]
            for_each(acts, lambda act: act())

        # A look that fails ends only itself: what the daemons and the other roles saw is swept all the same.
        for_each((look_everywhere, sweep_everybody), lambda part: part())
        return _sentence(swept)

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
