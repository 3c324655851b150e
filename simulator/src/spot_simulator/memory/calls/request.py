"""One call of the EC2 API, its parameters already checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.memory.filters import by_name
from spot_simulator.memory.shapes import Shape

Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """An action with its parameters, as boto3 takes them."""

    action: str
    parameters: Parameters

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as boto3 takes them
        """Return a parameter."""
        return self.parameters.get(name, default)

    def needed(self, name: str) -> Any:  # noqa: ANN401 - as boto3 takes them
        """Return a parameter; raise ``Ec2Error`` if it is missing."""
        value = self.parameters.get(name)
        if not value:
            raise Ec2Error("MissingParameter", f"The request must contain the parameter {name}")
        return value

    def filters(self) -> dict[str, list[str]]:
        """Return {filter name: values}."""
        filters = self.parameters.get("Filters")
        return by_name(filters) if filters else {}

    def tags(self, resource_type: str) -> dict[str, str]:
        """Return the tags that it asks for on one type of resource."""
        return {
            tag["Key"]: tag["Value"]
            for specification in self.parameters.get("TagSpecifications", ())
            if specification["ResourceType"] == resource_type
            for tag in specification["Tags"]
        }

    def end_if_dry_run(self) -> None:
        """Raise ``DryRunOperation`` if the caller only asked for its rights."""
        if self.parameters.get("DryRun"):
            raise Ec2Error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")


Handler = Callable[[Request], Shape]
