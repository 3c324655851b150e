"""One call of the EC2 API on its way through the shim."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.moto_backend import MotoBackend
from spot_simulator.ec2.wire import Answer, Parameters, is_true


@dataclass(frozen=True, slots=True)
class Call:
    """An action with its parameters; ``forward`` lets moto answer it."""

    action: str
    parameters: Parameters
    environ: Mapping[str, Any]
    moto: MotoBackend

    def forward(self, parameters: Parameters | None = None) -> Answer:
        """Let moto answer, with other parameters if given."""
        return self.moto.forward(self.environ, self.parameters if parameters is None else parameters)

    def needed(self, name: str) -> str:
        """Return a parameter; raise ``Ec2Error`` if it is missing."""
        value = self.parameters.get(name)
        if not value:
            raise Ec2Error("MissingParameter", f"The request must contain the parameter {name}")
        return value

    def end_if_dry_run(self) -> None:
        """Raise ``DryRunOperation`` if the caller only asked for its rights."""
        if is_true(self.parameters, "DryRun"):
            raise Ec2Error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")


Handler = Callable[[Call], Answer]
