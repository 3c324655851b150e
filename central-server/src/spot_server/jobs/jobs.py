"""The list of all jobs. A feature's jobs are in its own `jobs.py`; they are named here, nowhere else."""

from __future__ import annotations

from spot_server.aws.ports import AwsGateway
from spot_server.clock import Sleeper
from spot_server.features.activity.jobs import FOLD_PERIOD_SECONDS, fold_activity
from spot_server.features.agents.jobs import release_deleted_agents
from spot_server.features.autonomy.jobs import keep_plans
from spot_server.features.commands.jobs import close_orphaned_commands
from spot_server.features.consolidations.jobs import LOOK_PERIOD_SECONDS, consolidate_prices
from spot_server.features.cooldowns.jobs import clear_cooldowns
from spot_server.features.decisions.jobs import DecisionRound
from spot_server.features.heartbeats.jobs import OfflineSweep
from spot_server.features.images.jobs import refresh_images
from spot_server.features.interruptions.jobs import answer_recommendations
from spot_server.features.kept.jobs import end_kept_instances
from spot_server.features.maintenance.jobs import answer_maintenance
from spot_server.features.notice_watch.jobs import notice_watch_job
from spot_server.features.pool_warnings.jobs import warn_neighbours
from spot_server.features.pricing.jobs import SWEEP_PERIOD_SECONDS, PriceSweep
from spot_server.features.recoveries.jobs import end_standstills, resume_rescues
from spot_server.features.replicas.jobs import compare_standbys, coordinate_replicas, sweep_replicas
from spot_server.features.retention.jobs import RetentionSweep
from spot_server.features.risk.jobs import RiskAnalysis
from spot_server.features.risk.model import load_model
from spot_server.features.silences.jobs import SilenceWatch
from spot_server.features.spending.jobs import watch_overlaps
from spot_server.features.sweeper.jobs import sweeper_job
from spot_server.features.switches.jobs import sweep_switches
from spot_server.features.tokens.jobs import sweep_tokens
from spot_server.jobs.registry import Job
from spot_server.settings import Settings


def all_jobs(settings: Settings, control_role: Job, gateway: AwsGateway, sleeper: Sleeper, *others: Job) -> tuple[Job, ...]:
    """Return every job with its period.

    `control_role` acts in the clients' accounts, the sweeper and the watch for notices look there through `gateway`; `sleeper` lets time
    pass in the others.
    `others` reach for what a simulation does not have: game days, which play what people ask for, the clients' notice queues, markets, and
    on-demand prices, by which the savings account is kept.
    """
    return (
        control_role,
        *others,
        Job("sweep_switches", settings.switch_sweep_period_seconds, sweep_switches),
        Job("sweep_replicas", settings.switch_sweep_period_seconds, sweep_replicas),
        Job("end_kept_instances", settings.coordinator_period_seconds, end_kept_instances),
        Job("coordinate_replicas", settings.coordinator_period_seconds, coordinate_replicas),
        Job("compare_standbys", settings.sweeper_period_seconds, compare_standbys),
        Job("keep_plans", settings.coordinator_period_seconds, keep_plans),
        Job("end_standstills", settings.coordinator_period_seconds, end_standstills),
        Job("resume_rescues", settings.coordinator_period_seconds, resume_rescues),
        Job("answer_recommendations", settings.coordinator_period_seconds, answer_recommendations),
        Job("release_deleted_agents", settings.coordinator_period_seconds, release_deleted_agents),
        Job("close_orphaned_commands", settings.coordinator_period_seconds, close_orphaned_commands),
        Job("warn_neighbours", settings.coordinator_period_seconds, warn_neighbours),
        Job("answer_maintenance", settings.sweeper_period_seconds, answer_maintenance),
        Job("clear_cooldowns", settings.sweeper_period_seconds, clear_cooldowns),
        Job("refresh_images", settings.image_refresh_period_seconds, refresh_images),
        Job("mark_offline", settings.offline_sweep_period_seconds, OfflineSweep()),
        notice_watch_job(settings, gateway),
        sweeper_job(settings, gateway),
        Job("watch_overlaps", settings.sweeper_period_seconds, watch_overlaps),
        Job("fold_activity", FOLD_PERIOD_SECONDS, fold_activity),
        Job("decide", settings.decision_period_seconds, DecisionRound()),
        Job("watch_silence", settings.silence_sweep_period_seconds, SilenceWatch()),
        Job("consolidate_prices", LOOK_PERIOD_SECONDS, consolidate_prices),
        Job("sweep_prices", SWEEP_PERIOD_SECONDS, PriceSweep(sleeper)),
        Job("analyse_risk", settings.risk_period_seconds, RiskAnalysis(load_model())),
        Job("sweep_history", settings.retention_sweep_period_seconds, RetentionSweep(sleeper)),
        Job("sweep_tokens", settings.retention_sweep_period_seconds, sweep_tokens),
    )
