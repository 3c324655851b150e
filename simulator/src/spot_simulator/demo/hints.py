"""What a person may try while the demo stays up: lines for another terminal, to be pasted as they are. README.md explains them."""

from __future__ import annotations


def hints(server_url: str, region_url: str, client_id: str, token: str, agent_id: str, primary_id: str) -> list[str]:
    """Return the lines, each under what it does: `agent_id` and `primary_id` are those of the workload that is moved."""
    api = f"{server_url}/api/client/{client_id}"
    switch = "curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json'"
    day, bill, state = "$API/agents/$AGENT/savings/$(date -u +%F)", f"{region_url}/_region/billing", f"{region_url}/_region/state"
    return [
        f"  API={api} TOKEN={token} AGENT={agent_id}",
        "  # list the workloads; what would a move do; do it; follow what happens",
        '  curl -s -H "Authorization: Bearer $TOKEN" "$API/agents"',
        f'  {switch} -d \'{{"request_id": "look-1", "dry_run": true, "target": {{"mode": "on_demand"}}}}\' "$API/agents/$AGENT/switch"',
        f'  {switch} -d \'{{"request_id": "mine-1", "target": {{"mode": "on_demand"}}}}\' "$API/agents/$AGENT/switch"',
        '  curl -sN -H "Authorization: Bearer $TOKEN" -H "Accept: text/event-stream" "$API/events?after=-1"',
        "  # what today cost so far, down to its prices; and the same from the region's own bill, by a script of its own",
        f'  curl -s -H "Authorization: Bearer $TOKEN" "{day}"',
        f'  SPOT_TOKEN=$TOKEN scripts/recompute_day.py --bill {bill} --state {state} --day "{day}" --edge-seconds 30',
        "  # play AWS: recommend to leave the primary's spot pool (409 while it is on demand)",
        f"  curl -s -X POST {region_url}/_region/instances/{primary_id}/rebalance",
    ]
