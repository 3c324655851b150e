"""A process: tasks that live and die together. What it keeps in memory is gone with it; disks and databases are not its own."""

from collections.abc import Callable

from greenlet import getcurrent, greenlet

from spot_simulator.virtual.scheduler import ProcessKilled, Scheduler

Work = Callable[[], None]


def _nothing() -> None:
    """Nobody notices."""


class Process:
    """`on_end` is called once, when it was killed, or when its first task, as a main thread would, came to its end."""

    def __init__(self, scheduler: Scheduler, name: str, on_end: Work = _nothing) -> None:
        """Nothing runs before `spawn`."""
        self.name = name
        self.scheduler = scheduler
        self.is_alive = True
        self._on_end = on_end
        self._tasks: list[greenlet] = []

    def spawn(self, work: Work, *, is_main: bool = False, on_killed: Work = _nothing) -> None:
        """Begin `work` as a task of this process, at the present time but not before this caller waits.

        `on_killed`: what the world notices when the process is killed meanwhile, such as a connection that is reset.
        """
        task = greenlet(lambda: self._run(work, is_main=is_main, on_killed=on_killed), parent=self.scheduler.hub)
        self._tasks.append(task)
        self.scheduler.after(0.0, lambda: self._begin(task))

    def kill(self) -> None:
        """End it as SIGKILL does: no task does anything more. From within one of its own tasks this does not return."""
        if not self.is_alive:
            return
        self._end()
        me = getcurrent()
        for task in self._tasks:
            if task is not me and task and not task.dead:
                _throw_into(task)
        is_own = me in self._tasks
        self._tasks.clear()
        if is_own:
            raise ProcessKilled

    def check(self) -> None:
        """Raise ProcessKilled if it was killed: every port asks before it acts, so that `finally` blocks of the dead reach nothing."""
        if not self.is_alive:
            raise ProcessKilled

    def sleep(self, seconds: float) -> None:
        """Let time pass for the task that calls."""
        self.check()
        self.scheduler.sleep(seconds)
        self.check()

    def _begin(self, task: greenlet) -> None:
        if self.is_alive:
            self.scheduler.resume(task)

    def _run(self, work: Work, *, is_main: bool, on_killed: Work) -> None:
        try:
            work()
        except ProcessKilled:
            on_killed()
            return
        finally:
            me = getcurrent()
            self._tasks = [task for task in self._tasks if task is not me]
        if is_main and self.is_alive:
            self.kill()

    def _end(self) -> None:
        self.is_alive = False
        self._on_end()


def _throw_into(task: greenlet) -> None:
    """Unwind a task where it waits. Its parent is for that moment the killer, so that control comes back here."""
    task.parent = getcurrent()
    task.throw(ProcessKilled)
