"""Judging what keeps the workload where it belongs: the start guard, its unit, the hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spot_agent.model import Role
from spot_agent.ports import HookResult
from spot_agent.rules.checks import Line, fail, ok, skip, warn


@dataclass(frozen=True, slots=True)
class Unit:
    """A systemd unit with its drop-ins. `problem` is set when systemd could not tell."""

    name: str
    text: str = ""
    after: tuple[str, ...] = ()
    triggered_by: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Permission:
    """What the journal says of this instance, and whether the start guard is there."""

    role: Role | None
    may_serve: bool
    is_granted: bool
    guard_path: str


def judge_permission(seen: Permission, *, running: bool) -> Line:
    """The journal and the start guard must say the same while a daemon is there to keep them so."""
    role = f"{seen.role.value}, " if seen.role else "no role yet, "
    found = (
        f"{role}{'may serve' if seen.may_serve else 'may not serve'}; {seen.guard_path} is {'there' if seen.is_granted else 'not there'}"
    )
    if seen.may_serve is seen.is_granted:
        return ok("start guard", found)
    if not running:
        return skip("start guard", f"{found}: the daemon will see to it when it runs")
    return fail("start guard", found, "The daemon has not brought them together: journalctl -u spot-agent")


def judge_unit(unit: Unit | None, guard_path: str, daemon_unit: str) -> Line:
    """A workload whose unit does not wait for the guard would serve in every copy of this machine."""
    if unit is None:
        advice = "Nothing here can tell whether the workload waits for the start guard. Set WORKLOAD_UNIT, or see to it yourself."
        return warn("workload unit", "WORKLOAD_UNIT is not set", advice)
    if unit.problem is not None:
        return skip("workload unit", f"{unit.name}: {unit.problem}")
    if guard_path not in guards_of(unit.text):
        advice = "A copy of this machine would serve before it is promoted: setup.sh --workload-unit writes the condition."
        return fail("workload unit", f"{unit.name} does not wait for {guard_path}", advice)
    if daemon_unit not in unit.after:
        advice = f"Add After={daemon_unit}: at a shutdown the daemon must outlive the workload."
        return warn("workload unit", f"{unit.name} waits for {guard_path}, but is not ordered after {daemon_unit}", advice)
    if unit.triggered_by:
        advice = "While the guard is missing, each connection or tick makes a start that systemd skips, and it may give up the trigger."
        return warn("workload unit", f"{unit.name} waits for the guard; {', '.join(unit.triggered_by)} also starts it", advice)
    return ok("workload unit", f"{unit.name} starts only while {guard_path} is there")


def guards_of(unit_text: str) -> tuple[str, ...]:
    """The paths that a unit waits for. An empty assignment forgets those before it, as in systemd."""
    paths: list[str] = []
    for line in unit_text.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "ConditionPathExists":
            paths = [*paths, value.strip()] if value.strip() else []
    return tuple(paths)


def judge_program(name: str, command: Sequence[str], program: str | None) -> Line:
    """Whether what a hook names can be run; a hook is not run for this."""
    if program is None:
        return fail(name, f"{command[0]} is not there, or not executable", f"Install it, or correct {name} in the env file.")
    return ok(name, f"{' '.join(command)} (not run)")


def judge_carry(carry: str, problems: Sequence[str]) -> Line:
    """Whether everything is here that brings the state to another instance, and takes it from one."""
    if problems:
        advice = "Mend it here and in the image, or every move is taken back. docs/carries.md says what this carry needs."
        return fail("carry", f"{carry}: {'; '.join(problems)}", advice)
    return ok("carry", carry)


def judge_missing_hooks(names: Mapping[str, bool]) -> list[Line]:
    """What follows from the hooks that are not set."""
    lines = []
    if not names["START_COMMAND"]:
        advice = "The workload's own service manager must start it when the start guard appears. Set it, or WORKLOAD_UNIT."
        lines.append(warn("START_COMMAND", "not set", advice))
    if not names["STOP_COMMAND"] and not names["SERVING_CHECK_COMMAND"]:
        advice = "Neither it nor SERVING_CHECK_COMMAND is set: no quiesce can be confirmed, so every planned move fails."
        lines.append(fail("STOP_COMMAND", "not set", advice))
    elif not names["STOP_COMMAND"]:
        advice = "A quiesce is confirmed only when the serving check says no by itself. Set it, or WORKLOAD_UNIT."
        lines.append(warn("STOP_COMMAND", "not set", advice))
    if not names["SERVING_CHECK_COMMAND"]:
        advice = "Whether the workload serves is not known, so a start that failed counts as done. Set it, or WORKLOAD_UNIT."
        lines.append(warn("SERVING_CHECK_COMMAND", "not set", advice))
    if not names["STANDBY_CHECK_COMMAND"]:
        lines.append(skip("STANDBY_CHECK_COMMAND", "not set: every replica counts as fit to take over"))
    return lines


def judge_serving(command: Sequence[str], result: HookResult, *, role: Role | None, may_serve: bool) -> Line:
    """The serving check is a question, so it is asked; its answer must fit the journal, once there is a role."""
    shown = " ".join(command)
    if result.timed_out:
        return fail("SERVING_CHECK_COMMAND", f"{shown}: no answer in time", "It must answer within 5 seconds.")
    if role is None:
        return ok("SERVING_CHECK_COMMAND", f"{shown}: {'serving' if result.passed else 'not serving'}; no role says yet whether it may")
    if result.passed is may_serve:
        return ok("SERVING_CHECK_COMMAND", f"{shown}: {'serving' if result.passed else 'not serving'}, as it should be")
    if result.passed:
        advice = "Another instance may be serving too. Stop this workload; the daemon does so at every heartbeat, if it can."
        return fail("SERVING_CHECK_COMMAND", f"{shown}: serving, though this instance may not", advice)
    advice = "The workload is down or starting, or the check looks at the wrong thing."
    return fail("SERVING_CHECK_COMMAND", f"{shown}: not serving (exit {result.exit_code}) {_end(result.output)}".rstrip(), advice)


def judge_standby(command: Sequence[str], result: HookResult, *, served_before: bool | None, serves_after: bool | None) -> Line:
    """A standby check looks; it must leave the workload as it was."""
    shown = " ".join(command)
    if served_before is not serves_after:
        advice = "It must only look: a replica whose check starts its workload serves beside the primary."
        return fail(
            "STANDBY_CHECK_COMMAND", f"{shown} changed whether the workload serves ({served_before} before, {serves_after} after)", advice
        )
    if not result.passed:
        why = "no answer in time" if result.timed_out else f"exit {result.exit_code} {_end(result.output)}".rstrip()
        return fail("STANDBY_CHECK_COMMAND", f"{shown}: {why}", "This replica does not count as fit to take over.")
    return ok("STANDBY_CHECK_COMMAND", f"{shown}: fit to take over, and the workload was left alone")


def _end(output: str) -> str:
    """The last line of a hook's output."""
    lines = output.strip().splitlines()
    return f"({lines[-1][:200]})" if lines else ""
