"""Waiting for the end of an old instance."""

from spot_simulator.demo.world import World

RETIRE_BOUND_SECONDS = 150.0


def await_retirement(world: World) -> None:
    """Return when EC2 has one instance left, and the server knows that."""

    def is_over() -> bool | None:
        alive = [item for item in world.region.get("/state")["instances"] if item["state"] != "terminated"]
        switches = world.server.get("/switch-history")["items"]
        return (len(alive) == 1 and all(item["old_terminated_at"] for item in switches)) or None

    world.wait_for("the old instance to be gone", is_over, bound_seconds=RETIRE_BOUND_SECONDS)
