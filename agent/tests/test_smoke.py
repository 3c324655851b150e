from __future__ import annotations
from pathlib import Path
from agent_fakes.world import World
from agent_fakes.memory import command_json

def test_smoke(tmp_path: Path) -> None:
    w = World(tmp_path).registered()
    assert w.workload.serves
    for n in w.workers: w.step(n)
    print(w.lines.text)
    print(w.execute(command_json("quiesce", {"bound_seconds": 10})))
    print(w.execute(command_json("resume", {"bound_seconds": 10})))
    print(w.execute(command_json("create_image", {"instance_id":"i-own","image_name":"img","tags":{},"wait_seconds":60})))
