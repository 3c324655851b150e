-- Written by scripts/write_schema.py; do not edit. For reading: `spot-server migrate` makes the database.

CREATE TABLE audit_logs (
	audit_id BIGINT NOT NULL AUTO_INCREMENT,
	client_id VARCHAR(36) NOT NULL,
	agent_id VARCHAR(36),
	instance_id VARCHAR(64),
	at DATETIME(6) NOT NULL,
	user_id VARCHAR(128) NOT NULL,
	action VARCHAR(128) NOT NULL,
	reason TEXT NOT NULL,
	request_id VARCHAR(128),
	pre_state MEDIUMTEXT,
	post_state MEDIUMTEXT,
	CONSTRAINT pk_audit_logs PRIMARY KEY (audit_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Who changed what, when, why, before and after. Append only, until they are old enough.' COLLATE utf8mb4_bin;

CREATE INDEX ix_audit_logs_agent_id_audit_id ON audit_logs (agent_id, audit_id);

CREATE INDEX ix_audit_logs_at ON audit_logs (at);

CREATE INDEX ix_audit_logs_client_id_audit_id ON audit_logs (client_id, audit_id);

CREATE INDEX ix_audit_logs_instance_id ON audit_logs (instance_id);

CREATE TABLE availability_zones (
	region VARCHAR(32) NOT NULL,
	az_id VARCHAR(32) NOT NULL,
	observed_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_availability_zones PRIMARY KEY (region, az_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='The zones of a region as EC2 named them to a control role; none: no role ever looked there.' COLLATE utf8mb4_bin;

CREATE TABLE clients (
	client_id VARCHAR(36) NOT NULL,
	name VARCHAR(128) NOT NULL,
	aws_role_arn VARCHAR(255),
	aws_external_id VARCHAR(128),
	fis_role_arn VARCHAR(255),
	notice_queue_url VARCHAR(255),
	time_zone VARCHAR(64) NOT NULL,
	on_demand_discount_ppm INTEGER NOT NULL,
	created_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_clients PRIMARY KEY (client_id),
	CONSTRAINT uq_clients_name UNIQUE (name)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Tenants. aws_role_arn is the control role that the server may assume with aws_external_id; fis_role_arn is the role that AWS FIS takes on for game days; notice_queue_url the SQS queue of its notices from EventBridge. on_demand_discount_ppm: how much less than the list price it pays on demand, in millionths, as by a savings plan.' COLLATE utf8mb4_bin;

CREATE TABLE consolidation_jobs (
	job_id VARCHAR(36) NOT NULL,
	active_key VARCHAR(32),
	status VARCHAR(32) NOT NULL,
	window_until DATETIME(6) NOT NULL,
	started_at DATETIME(6) NOT NULL,
	finished_at DATETIME(6),
	pools INTEGER NOT NULL,
	rows_in BIGINT NOT NULL,
	rows_merged BIGINT NOT NULL,
	rows_refused BIGINT NOT NULL,
	rows_interpolated BIGINT NOT NULL,
	rows_out BIGINT NOT NULL,
	seconds FLOAT NOT NULL,
	CONSTRAINT pk_consolidation_jobs PRIMARY KEY (job_id),
	CONSTRAINT uq_consolidation_jobs_active_key UNIQUE (active_key)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Consolidations of prices up to window_until, one at a time (active_key). Counts grow with each batch of pools, in its own transaction, so that they are right after a restart; seconds: of work, not of waiting to be started again.' COLLATE utf8mb4_bin;

CREATE INDEX ix_consolidation_jobs_started_at ON consolidation_jobs (started_at);

CREATE TABLE decision_documents (
	document_sha256 VARCHAR(64) NOT NULL,
	document MEDIUMTEXT NOT NULL,
	last_used_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_decision_documents PRIMARY KEY (document_sha256)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What decisions were made from and share: markets (price window, risk) and lists of candidates, by SHA-256.' COLLATE utf8mb4_bin;

CREATE INDEX ix_decision_documents_last_used_at ON decision_documents (last_used_at);

CREATE TABLE event_cursors (
	client_id VARCHAR(36) NOT NULL,
	last_sequence BIGINT NOT NULL,
	CONSTRAINT pk_event_cursors PRIMARY KEY (client_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='One row per client; its lock makes the sequence of events follow the order of commits.' COLLATE utf8mb4_bin;

CREATE TABLE events (
	client_id VARCHAR(36) NOT NULL,
	sequence BIGINT NOT NULL,
	at DATETIME(6) NOT NULL,
	kind VARCHAR(128) NOT NULL,
	agent_id VARCHAR(36),
	instance_id VARCHAR(64),
	data MEDIUMTEXT NOT NULL,
	CONSTRAINT pk_events PRIMARY KEY (client_id, sequence)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What happened, per client, in commit order: a reader that has seen N has seen all before N.' COLLATE utf8mb4_bin;

CREATE INDEX ix_events_agent_id_sequence ON events (agent_id, sequence);

CREATE TABLE instance_types (
	instance_type VARCHAR(64) NOT NULL,
	vcpu INTEGER NOT NULL,
	memory_mib INTEGER NOT NULL,
	architectures MEDIUMTEXT NOT NULL,
	updated_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_instance_types PRIMARY KEY (instance_type)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What EC2 says of the instance types that agents may use.' COLLATE utf8mb4_bin;

CREATE TABLE leases (
	name VARCHAR(128) NOT NULL,
	holder VARCHAR(128) NOT NULL,
	epoch INTEGER NOT NULL,
	expires_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_leases PRIMARY KEY (name)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Leadership of the jobs process, on the database''s own clock.' COLLATE utf8mb4_bin;

CREATE TABLE models (
	model_id VARCHAR(36) NOT NULL,
	plugin VARCHAR(64) NOT NULL,
	model_version VARCHAR(64) NOT NULL,
	parameters MEDIUMTEXT NOT NULL,
	description TEXT NOT NULL,
	created_at DATETIME(6) NOT NULL,
	created_by VARCHAR(128) NOT NULL,
	CONSTRAINT pk_models PRIMARY KEY (model_id),
	CONSTRAINT uq_models_plugin_model_version UNIQUE (plugin, model_version)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Versions of decision models: a plug-in and its parameters. A row never changes, so that decisions replay.' COLLATE utf8mb4_bin;

CREATE TABLE notifications (
	notification_id VARCHAR(36) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	agent_id VARCHAR(36),
	dedupe_key VARCHAR(255),
	severity VARCHAR(32) NOT NULL,
	kind VARCHAR(128) NOT NULL,
	text TEXT NOT NULL,
	created_at DATETIME(6) NOT NULL,
	read_at DATETIME(6),
	CONSTRAINT pk_notifications PRIMARY KEY (notification_id),
	CONSTRAINT uq_notifications_dedupe_key UNIQUE (dedupe_key)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What a client must be told.' COLLATE utf8mb4_bin;

CREATE INDEX ix_notifications_client_id_created_at ON notifications (client_id, created_at);

CREATE INDEX ix_notifications_created_at ON notifications (created_at);

CREATE TABLE on_demand_prices (
	region VARCHAR(32) NOT NULL,
	instance_type VARCHAR(64) NOT NULL,
	product VARCHAR(64) NOT NULL,
	usd_per_hour BIGINT NOT NULL,
	source VARCHAR(32) NOT NULL,
	effective_at DATETIME(6),
	observed_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_on_demand_prices PRIMARY KEY (region, instance_type, product)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='On-demand prices as the Price List API or a catalogue file told them last. effective_at: since when, where that is said.' COLLATE utf8mb4_bin;

CREATE TABLE pool_cooldowns (
	region VARCHAR(32) NOT NULL,
	az_id VARCHAR(32) NOT NULL,
	instance_type VARCHAR(64) NOT NULL,
	shortage_count INTEGER NOT NULL,
	refused_at DATETIME(6) NOT NULL,
	until_at DATETIME(6) NOT NULL,
	error_code VARCHAR(64) NOT NULL,
	CONSTRAINT pk_pool_cooldowns PRIMARY KEY (region, az_id, instance_type)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Spot pools that had no capacity of late: left alone by all agents until until_at, and remembered an hour longer. shortage_count: how often in a row; error_code: EC2''s, of the last refusal.' COLLATE utf8mb4_bin;

CREATE INDEX ix_pool_cooldowns_until_at ON pool_cooldowns (until_at);

CREATE TABLE restore_holds (
	agent_id VARCHAR(36) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	instance_id VARCHAR(64) NOT NULL,
	saved_epoch INTEGER NOT NULL,
	seen_epoch INTEGER NOT NULL,
	noted_at DATETIME(6) NOT NULL,
	confirmed_epoch INTEGER NOT NULL,
	confirmed_at DATETIME(6),
	confirmed_by VARCHAR(128),
	CONSTRAINT pk_restore_holds PRIMARY KEY (agent_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='An epoch in tags above the saved one: the database was restored. While seen_epoch > confirmed_epoch the sweeper only reports. agent_id is the tag''s, and may name an agent that the database does not know; saved_epoch is 0 then.' COLLATE utf8mb4_bin;

CREATE INDEX ix_restore_holds_client_id ON restore_holds (client_id);

CREATE TABLE spot_advisor_bands (
	region VARCHAR(32) NOT NULL,
	instance_type VARCHAR(64) NOT NULL,
	band INTEGER NOT NULL,
	savings_percent INTEGER NOT NULL,
	snapshot_at DATETIME(6) NOT NULL,
	imported_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_spot_advisor_bands PRIMARY KEY (region, instance_type)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Spot Advisor''s band of interruption for Linux: 0 (under 5 %% of instances a month) to 4 (over 20 %%); the newest one.' COLLATE utf8mb4_bin;

CREATE TABLE spot_pools (
	pool_id INTEGER NOT NULL AUTO_INCREMENT,
	region VARCHAR(32) NOT NULL,
	az_id VARCHAR(32) NOT NULL,
	instance_type VARCHAR(64) NOT NULL,
	product VARCHAR(64) NOT NULL,
	first_seen_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_spot_pools PRIMARY KEY (pool_id),
	CONSTRAINT uq_spot_pools_region_az_id_instance_type_product UNIQUE (region, az_id, instance_type, product)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Spot markets, by AZ id: AZ names differ between accounts.' COLLATE utf8mb4_bin;

CREATE TABLE agents (
	agent_id VARCHAR(36) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	logical_agent_id VARCHAR(128) NOT NULL,
	live_key VARCHAR(200),
	region VARCHAR(32) NOT NULL,
	enabled BOOL NOT NULL,
	auto_switch_enabled BOOL NOT NULL,
	manual_replica_enabled BOOL NOT NULL,
	replica_count INTEGER NOT NULL,
	auto_terminate_enabled BOOL NOT NULL,
	terminate_wait_seconds INTEGER NOT NULL,
	rebalance_hold_seconds INTEGER NOT NULL,
	create_snapshot_on_switch BOOL NOT NULL,
	cleanup_snapshots_older_than_days INTEGER NOT NULL,
	cleanup_images_older_than_days INTEGER NOT NULL,
	image_refresh_hours INTEGER NOT NULL,
	carry VARCHAR(32) NOT NULL,
	allowed_instance_types MEDIUMTEXT NOT NULL,
	traffic_handles MEDIUMTEXT NOT NULL,
	data_volumes MEDIUMTEXT NOT NULL,
	launch_specification MEDIUMTEXT,
	base_image_id VARCHAR(64),
	failover_when_silent BOOL NOT NULL,
	early_replica_on_warning BOOL NOT NULL,
	value_per_minute_usd BIGINT NOT NULL,
	moves_per_day INTEGER NOT NULL,
	min_saving_percent INTEGER NOT NULL,
	maintenance_window MEDIUMTEXT,
	safe_to_run_twice BOOL NOT NULL,
	is_offline BOOL NOT NULL,
	epoch INTEGER NOT NULL,
	config_version INTEGER NOT NULL,
	version INTEGER NOT NULL,
	created_at DATETIME(6) NOT NULL,
	deleted_at DATETIME(6),
	CONSTRAINT pk_agents PRIMARY KEY (agent_id),
	CONSTRAINT fk_agents_client_id_clients FOREIGN KEY(client_id) REFERENCES clients (client_id),
	CONSTRAINT uq_agents_live_key UNIQUE (live_key)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='One managed workload. live_key is client/logical id while the agent lives, NULL after deletion. value_per_minute_usd: what a minute without it costs its owner; maintenance_window: when decisions may move it, NULL: always.' COLLATE utf8mb4_bin;

CREATE INDEX ix_agents_client_id ON agents (client_id);

CREATE INDEX ix_agents_logical_agent_id ON agents (logical_agent_id);

CREATE TABLE model_activations (
	activation_id BIGINT NOT NULL AUTO_INCREMENT,
	acting_model_id VARCHAR(36) NOT NULL,
	challenger_model_id VARCHAR(36),
	challenger_percent INTEGER NOT NULL,
	reason TEXT NOT NULL,
	activated_at DATETIME(6) NOT NULL,
	activated_by VARCHAR(128) NOT NULL,
	CONSTRAINT pk_model_activations PRIMARY KEY (activation_id),
	CONSTRAINT fk_model_activations_acting_model_id_models FOREIGN KEY(acting_model_id) REFERENCES models (model_id),
	CONSTRAINT fk_model_activations_challenger_model_id_models FOREIGN KEY(challenger_model_id) REFERENCES models (model_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Which models decide since when; the last row holds. Both are asked for every agent: the challenger acts for challenger_percent of them, chosen by a hash of their ids, and is a shadow for the others.' COLLATE utf8mb4_bin;

CREATE TABLE model_days (
	model_id VARCHAR(36) NOT NULL,
	day DATE NOT NULL,
	is_shadow BOOL NOT NULL,
	decision_count BIGINT NOT NULL,
	switch_count BIGINT NOT NULL,
	replica_count BIGINT NOT NULL,
	failed_count BIGINT NOT NULL,
	slow_count BIGINT NOT NULL,
	off_schema_count BIGINT NOT NULL,
	agreed_count BIGINT NOT NULL,
	compared_count BIGINT NOT NULL,
	latency_us BIGINT NOT NULL,
	priced_count BIGINT NOT NULL,
	price_ppm_of_on_demand BIGINT NOT NULL,
	CONSTRAINT pk_model_days PRIMARY KEY (model_id, day, is_shadow),
	CONSTRAINT fk_model_days_model_id_models FOREIGN KEY(model_id) REFERENCES models (model_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Metrics of models, by UTC day, as sums. compared_count: decisions that another model made too; agreed_count: with the same action and target. price_ppm_of_on_demand: of where the agents ran, in millionths of the price on demand, over priced_count decisions.' COLLATE utf8mb4_bin;

CREATE TABLE pool_risk_analysis (
	pool_id INTEGER NOT NULL,
	computed_at DATETIME(6) NOT NULL,
	score INTEGER NOT NULL,
	chance_hour FLOAT NOT NULL,
	chance_hour_low FLOAT NOT NULL,
	chance_hour_high FLOAT NOT NULL,
	chance_day FLOAT NOT NULL,
	chance_day_low FLOAT NOT NULL,
	chance_day_high FLOAT NOT NULL,
	by_age MEDIUMTEXT NOT NULL,
	boot_seconds FLOAT,
	boot_count INTEGER NOT NULL,
	shortage_count INTEGER NOT NULL,
	cooldown_until DATETIME(6),
	advisor_band INTEGER,
	advisor_snapshot_at DATETIME(6),
	inputs MEDIUMTEXT NOT NULL,
	model_version VARCHAR(64) NOT NULL,
	CONSTRAINT pk_pool_risk_analysis PRIMARY KEY (pool_id, computed_at),
	CONSTRAINT fk_pool_risk_analysis_pool_id_spot_pools FOREIGN KEY(pool_id) REFERENCES spot_pools (pool_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='The chance that an instance which is launched in the pool at computed_at is lost within the next hour and day, each with its 80 %% interval; score: 0 to 100, 20 points are ten times the hazard. by_age: the chances at other ages of an instance. boot_seconds: from launch to ready, median of boot_count launches there, or of its type; NULL: too few. cooldown_until, shortage_count: of its last shortage that is remembered. inputs: of all clients, for admins alone.' COLLATE utf8mb4_bin;

CREATE INDEX ix_pool_risk_analysis_computed_at ON pool_risk_analysis (computed_at);

CREATE TABLE price_progress (
	pool_id INTEGER NOT NULL,
	pulled_until INTEGER,
	consolidated_until INTEGER,
	CONSTRAINT pk_price_progress PRIMARY KEY (pool_id),
	CONSTRAINT fk_price_progress_pool_id_spot_pools FOREIGN KEY(pool_id) REFERENCES spot_pools (pool_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='How far a pool''s prices are pulled from EC2 by the server (NULL: not at all) and consolidated; both ends are left out. Not in spot_pools, whose rows everybody who stores a price locks for the foreign key.' COLLATE utf8mb4_bin;

CREATE TABLE pricing_canonical (
	pool_id INTEGER NOT NULL,
	bucket_at INTEGER NOT NULL,
	usd_per_hour INTEGER NOT NULL,
	source TINYINT NOT NULL,
	is_interpolated BOOL NOT NULL,
	distinct_price_count TINYINT NOT NULL,
	CONSTRAINT pk_pricing_canonical PRIMARY KEY (pool_id, bucket_at),
	CONSTRAINT fk_pricing_canonical_pool_id_spot_pools FOREIGN KEY(pool_id) REFERENCES spot_pools (pool_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='One price per pool and 5-minute bucket, as consolidated; what charts and training read. is_interpolated: nobody saw it, it lies between two that were seen, and has the source of the earlier; distinct_price_count: how many the median was taken of, 0 if so.' COLLATE utf8mb4_bin;

CREATE TABLE spot_price_snapshots (
	pool_id INTEGER NOT NULL,
	bucket_at INTEGER NOT NULL,
	source TINYINT NOT NULL,
	usd_per_hour INTEGER NOT NULL,
	observation_count INTEGER NOT NULL,
	effective_at DATETIME(6) NOT NULL,
	last_observed_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_spot_price_snapshots PRIMARY KEY (pool_id, bucket_at, source, usd_per_hour),
	CONSTRAINT fk_spot_price_snapshots_pool_id_spot_pools FOREIGN KEY(pool_id) REFERENCES spot_pools (pool_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Prices seen, per pool, 5-minute bucket, kind of source and price: rows grow with pools, conflicts survive.' COLLATE utf8mb4_bin;

CREATE TABLE tokens (
	token_id VARCHAR(36) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	token_sha256 VARCHAR(64) NOT NULL,
	label VARCHAR(128) NOT NULL,
	client_id VARCHAR(36),
	agent_id VARCHAR(36),
	instance_id VARCHAR(64),
	epoch INTEGER,
	logical_agent_id_pattern VARCHAR(128),
	uses_left INTEGER,
	first_used_at DATETIME(6),
	expires_at DATETIME(6),
	created_at DATETIME(6) NOT NULL,
	created_by VARCHAR(128) NOT NULL,
	revoked_at DATETIME(6),
	CONSTRAINT pk_tokens PRIMARY KEY (token_id),
	CONSTRAINT uq_tokens_token_sha256 UNIQUE (token_sha256),
	CONSTRAINT fk_tokens_client_id_clients FOREIGN KEY(client_id) REFERENCES clients (client_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Bearer tokens as SHA-256. Agent tokens are bound to one instance and the epoch at which they were made.' COLLATE utf8mb4_bin;

CREATE INDEX ix_tokens_agent_id_instance_id ON tokens (agent_id, instance_id);

CREATE INDEX ix_tokens_revoked_at ON tokens (revoked_at);

CREATE TABLE agent_activity (
	agent_id VARCHAR(36) NOT NULL,
	time_zone VARCHAR(64) NOT NULL,
	hours MEDIUMTEXT NOT NULL,
	days_seen INTEGER,
	usual_hours MEDIUMTEXT,
	hour_at DATETIME(6) NOT NULL,
	instance_id VARCHAR(64) NOT NULL,
	cpu_busy_ratio_sum DOUBLE NOT NULL,
	cpu_busy_count INTEGER NOT NULL,
	CONSTRAINT pk_agent_activity PRIMARY KEY (agent_id),
	CONSTRAINT fk_agent_activity_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='How busy agents are by the hour of the week. hours: 168 pairs [busy 0..1, hours counted], from Monday 00:00 of time_zone. usual_hours: how busy each is to be expected, from days_seen days; both NULL while that are too few. hour_at: the hours before it are counted; the counters are those of instance_id then.' COLLATE utf8mb4_bin;

CREATE TABLE agent_images (
	agent_id VARCHAR(36) NOT NULL,
	image_id VARCHAR(64) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	image_name VARCHAR(128) NOT NULL,
	snapshot_ids MEDIUMTEXT NOT NULL,
	device_names MEDIUMTEXT NOT NULL,
	source_instance_id VARCHAR(64),
	switch_id VARCHAR(36),
	consistency VARCHAR(32) NOT NULL,
	has_booted BOOL NOT NULL,
	has_failed BOOL NOT NULL,
	started_at DATETIME(6) NOT NULL,
	available_at DATETIME(6),
	deregistered_at DATETIME(6),
	CONSTRAINT pk_agent_images PRIMARY KEY (agent_id, image_id),
	CONSTRAINT fk_agent_images_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Images of agents. started_at is the moment whose state the image holds. has_booted: an instance made from it passed its standby check; has_failed: one never did.' COLLATE utf8mb4_bin;

CREATE INDEX ix_agent_images_deregistered_at ON agent_images (deregistered_at);

CREATE TABLE agent_requests (
	agent_id VARCHAR(36) NOT NULL,
	request_id VARCHAR(128) NOT NULL,
	request_sha256 VARCHAR(64) NOT NULL,
	received_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_agent_requests PRIMARY KEY (agent_id, request_id),
	CONSTRAINT fk_agent_requests_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What was asked for under a request_id where no other row says so: the same id with another body is refused.' COLLATE utf8mb4_bin;

CREATE INDEX ix_agent_requests_received_at ON agent_requests (received_at);

CREATE TABLE autonomy_plans (
	plan_id VARCHAR(36) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	agent_id VARCHAR(36) NOT NULL,
	current_of VARCHAR(36),
	epoch INTEGER NOT NULL,
	predecessor_instance_id VARCHAR(64) NOT NULL,
	successor_instance_id VARCHAR(64) NOT NULL,
	successor_replica_id VARCHAR(36) NOT NULL,
	allocation_id VARCHAR(64) NOT NULL,
	issued_at DATETIME(6) NOT NULL,
	withdrawn_at DATETIME(6),
	withdrawn_config_version INTEGER,
	CONSTRAINT pk_autonomy_plans PRIMARY KEY (plan_id),
	CONSTRAINT fk_autonomy_plans_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id),
	CONSTRAINT uq_autonomy_plans_current_of UNIQUE (current_of)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What daemons may do without the server: one named successor may claim one address under one epoch. current_of = agent_id while daemons are told of it, else NULL. A row goes when its successor can act on it no more; until then nobody else is promoted without the same claim.' COLLATE utf8mb4_bin;

CREATE INDEX ix_autonomy_plans_agent_id ON autonomy_plans (agent_id);

CREATE TABLE cleanup_logs (
	agent_id VARCHAR(36) NOT NULL,
	request_id VARCHAR(128) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	instance_id VARCHAR(64) NOT NULL,
	received_at DATETIME(6) NOT NULL,
	deleted MEDIUMTEXT NOT NULL,
	kept MEDIUMTEXT NOT NULL,
	failed MEDIUMTEXT NOT NULL,
	CONSTRAINT pk_cleanup_logs PRIMARY KEY (agent_id, request_id),
	CONSTRAINT fk_cleanup_logs_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What daemons cleaned up by age (images and snapshots), and what the sweeper did, with the reason for each.' COLLATE utf8mb4_bin;

CREATE INDEX ix_cleanup_logs_client_id_received_at ON cleanup_logs (client_id, received_at);

CREATE INDEX ix_cleanup_logs_received_at ON cleanup_logs (received_at);

CREATE TABLE commands (
	command_id VARCHAR(36) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	agent_id VARCHAR(36) NOT NULL,
	instance_id VARCHAR(64) NOT NULL,
	request_id VARCHAR(128) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	actor VARCHAR(32) NOT NULL,
	priority INTEGER NOT NULL,
	epoch INTEGER NOT NULL,
	payload MEDIUMTEXT NOT NULL,
	payload_sha256 VARCHAR(64) NOT NULL,
	status VARCHAR(32) NOT NULL,
	open_instance_id VARCHAR(64),
	switch_id VARCHAR(36),
	step VARCHAR(32),
	replica_id VARCHAR(36),
	issued_at DATETIME(6) NOT NULL,
	deadline_at DATETIME(6),
	first_delivered_at DATETIME(6),
	last_delivered_at DATETIME(6),
	delivery_count INTEGER NOT NULL,
	finished_at DATETIME(6),
	outcome MEDIUMTEXT,
	closed_because VARCHAR(32),
	CONSTRAINT pk_commands PRIMARY KEY (command_id),
	CONSTRAINT uq_commands_agent_id_request_id UNIQUE (agent_id, request_id),
	CONSTRAINT fk_commands_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Instructions to daemons. open_instance_id = instance_id while unanswered, else NULL: the poller reads those.' COLLATE utf8mb4_bin;

CREATE INDEX ix_commands_agent_id_issued_at ON commands (agent_id, issued_at);

CREATE INDEX ix_commands_client_id_actor_status_finished_at ON commands (client_id, actor, status, finished_at);

CREATE INDEX ix_commands_finished_at ON commands (finished_at);

CREATE INDEX ix_commands_open_instance_id ON commands (open_instance_id);

CREATE INDEX ix_commands_switch_id ON commands (switch_id);

CREATE TABLE decisions (
	decision_id VARCHAR(36) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	agent_id VARCHAR(36) NOT NULL,
	model_id VARCHAR(36) NOT NULL,
	latest_key VARCHAR(80),
	is_shadow BOOL NOT NULL,
	action VARCHAR(32) NOT NULL,
	target_mode VARCHAR(32),
	target_instance_type VARCHAR(64),
	target_az_id VARCHAR(32),
	confidence DOUBLE NOT NULL,
	reasoning TEXT NOT NULL,
	rejected MEDIUMTEXT NOT NULL,
	answer VARCHAR(32) NOT NULL,
	failure TEXT,
	latency_ms FLOAT NOT NULL,
	first_tick_at DATETIME(6) NOT NULL,
	last_tick_at DATETIME(6) NOT NULL,
	tick_count INTEGER NOT NULL,
	input_sha256 VARCHAR(64) NOT NULL,
	input TEXT NOT NULL,
	held_back_because TEXT,
	acted_at DATETIME(6),
	switch_id VARCHAR(36),
	replica_id VARCHAR(36),
	CONSTRAINT pk_decisions PRIMARY KEY (decision_id),
	CONSTRAINT fk_decisions_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id),
	CONSTRAINT fk_decisions_model_id_models FOREIGN KEY(model_id) REFERENCES models (model_id),
	CONSTRAINT uq_decisions_latest_key UNIQUE (latest_key)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What models decided. One that says the same as the one before it raises tick_count and last_tick_at; confidence, reasoning and input are those of the last tick. latest_key = agent/model on the newest row of both, else NULL. input: canonical JSON, whose SHA-256 is input_sha256. held_back_because: why it was not acted on.' COLLATE utf8mb4_bin;

CREATE INDEX ix_decisions_agent_id_first_tick_at ON decisions (agent_id, first_tick_at);

CREATE INDEX ix_decisions_last_tick_at ON decisions (last_tick_at);

CREATE INDEX ix_decisions_model_id_acted_at ON decisions (model_id, acted_at);

CREATE TABLE game_days (
	game_day_id VARCHAR(36) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	agent_id VARCHAR(36) NOT NULL,
	active_key VARCHAR(36),
	request_id VARCHAR(128) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	options MEDIUMTEXT NOT NULL,
	played_by VARCHAR(32) NOT NULL,
	status VARCHAR(32) NOT NULL,
	outcome VARCHAR(32),
	failure TEXT,
	initiated_by VARCHAR(128) NOT NULL,
	stopped_by VARCHAR(128),
	instance_id VARCHAR(64) NOT NULL,
	region VARCHAR(32) NOT NULL,
	plan MEDIUMTEXT NOT NULL,
	reference MEDIUMTEXT NOT NULL,
	attempts INTEGER NOT NULL,
	retry_at DATETIME(6),
	requested_at DATETIME(6) NOT NULL,
	begun_at DATETIME(6),
	played_at DATETIME(6),
	finished_at DATETIME(6),
	interruption_event_id VARCHAR(36),
	switch_id VARCHAR(36),
	replica_id VARCHAR(36),
	detection_ms BIGINT,
	ready_ms BIGINT,
	promotion_ms BIGINT,
	serving_ms BIGINT,
	downtime_ms BIGINT,
	downtime_basis VARCHAR(32),
	loss_window_seconds BIGINT,
	probe MEDIUMTEXT,
	version INTEGER NOT NULL,
	CONSTRAINT pk_game_days PRIMARY KEY (game_day_id),
	CONSTRAINT uq_game_days_agent_id_request_id UNIQUE (agent_id, request_id),
	CONSTRAINT fk_game_days_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id),
	CONSTRAINT uq_game_days_active_key UNIQUE (active_key)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Interruptions played on purpose. active_key = agent_id while one is not over, else NULL: one at a time. begun_at is written before the player is called; reference is what the player said; plan is what was shown.' COLLATE utf8mb4_bin;

CREATE INDEX ix_game_days_agent_id_requested_at ON game_days (agent_id, requested_at);

CREATE INDEX ix_game_days_requested_at ON game_days (requested_at);

CREATE TABLE instances (
	agent_id VARCHAR(36) NOT NULL,
	instance_id VARCHAR(64) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	`role` VARCHAR(32) NOT NULL,
	primary_of VARCHAR(36),
	mode VARCHAR(32) NOT NULL,
	mode_evidence MEDIUMTEXT NOT NULL,
	region VARCHAR(32) NOT NULL,
	az_id VARCHAR(32) NOT NULL,
	az_name VARCHAR(32) NOT NULL,
	instance_type VARCHAR(64) NOT NULL,
	product VARCHAR(64) NOT NULL,
	architecture VARCHAR(32) NOT NULL,
	image_id VARCHAR(64),
	account_id VARCHAR(32),
	private_ip VARCHAR(64),
	hostname VARCHAR(255),
	launched_by_server BOOL NOT NULL,
	replica_id VARCHAR(36),
	daemon_version VARCHAR(64) NOT NULL,
	registered_at DATETIME(6) NOT NULL,
	launched_at DATETIME(6),
	booted_at DATETIME(6),
	last_heartbeat_at DATETIME(6) NOT NULL,
	serving BOOL,
	quiesced BOOL,
	configuration MEDIUMTEXT,
	daemon_epoch INTEGER,
	acknowledged_config_version INTEGER,
	effective_settings MEDIUMTEXT NOT NULL,
	reported_resources MEDIUMTEXT,
	scheduled_events MEDIUMTEXT,
	attached_volumes MEDIUMTEXT,
	metadata_failures INTEGER NOT NULL,
	unknown_fields INTEGER NOT NULL,
	clock_skew_seconds FLOAT,
	last_price_report_id VARCHAR(128),
	cpu_busy_ratio_sum DOUBLE NOT NULL,
	cpu_busy_count INTEGER NOT NULL,
	role_changed_at DATETIME(6) NOT NULL,
	last_primary_at DATETIME(6),
	stray_reason TEXT,
	is_retained BOOL NOT NULL,
	end_asked_at DATETIME(6),
	end_asked_by VARCHAR(128),
	released_at DATETIME(6),
	terminated_at DATETIME(6),
	version INTEGER NOT NULL,
	CONSTRAINT pk_instances PRIMARY KEY (agent_id, instance_id),
	CONSTRAINT fk_instances_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id),
	CONSTRAINT uq_instances_primary_of UNIQUE (primary_of)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='EC2 instances of agents. primary_of = agent_id while PRIMARY, else NULL: one PRIMARY per agent. configuration: what EC2 says of it that a move must bring along, as its daemon last read it; NULL: it never did. launched_at: when EC2 launched it, by the answer to our launch or by its metadata; NULL: nobody said. quiesced: its daemon waits to be told before it lets the workload serve; NULL: it never said. stray_reason: it came when nobody wanted it any more, and was never let in. last_primary_at: when it last became PRIMARY. scheduled_events: maintenance as its daemon''s metadata lists it; NULL: it never said. end_asked_at: when a person asked for the end of one that nothing else ends. attached_volumes: as its daemon sees them in EC2, or as a move left them; NULL: not known. acknowledged_config_version: its daemon goes by this configuration, and acts on no plan of an older one; NULL: it never said. last_price_report_id: of the report of prices that was stored last; sent again it counts no second time. cpu_busy_ratio_sum: of the cpu_busy_count heartbeats that said how busy it was (0..1 each); both only grow.' COLLATE utf8mb4_bin;

CREATE INDEX ix_instances_client_id_instance_id ON instances (client_id, instance_id);

CREATE INDEX ix_instances_end_asked_at ON instances (end_asked_at);

CREATE INDEX ix_instances_role_last_heartbeat_at ON instances (`role`, last_heartbeat_at);

CREATE INDEX ix_instances_role_quiesced ON instances (`role`, quiesced);

CREATE INDEX ix_instances_terminated_at ON instances (terminated_at);

CREATE TABLE replica_instances (
	replica_id VARCHAR(36) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	agent_id VARCHAR(36) NOT NULL,
	request_id VARCHAR(128) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	status VARCHAR(32) NOT NULL,
	status_reason TEXT NOT NULL,
	switch_id VARCHAR(36),
	interruption_event_id VARCHAR(36),
	hold_until DATETIME(6),
	instance_id VARCHAR(64),
	instance_type VARCHAR(64) NOT NULL,
	az_id VARCHAR(32) NOT NULL,
	mode VARCHAR(32) NOT NULL,
	image_id VARCHAR(64),
	wish MEDIUMTEXT NOT NULL,
	attempt INTEGER NOT NULL,
	rejected_places MEDIUMTEXT NOT NULL,
	launch_command_id VARCHAR(36),
	client_token VARCHAR(64),
	nonce_sha256 VARCHAR(64),
	nonce_used_at DATETIME(6),
	created_at DATETIME(6) NOT NULL,
	launched_at DATETIME(6),
	registered_at DATETIME(6),
	sync_started_at DATETIME(6),
	sync_completed_at DATETIME(6),
	ready_at DATETIME(6),
	ended_at DATETIME(6),
	differences MEDIUMTEXT,
	version INTEGER NOT NULL,
	CONSTRAINT pk_replica_instances PRIMARY KEY (replica_id),
	CONSTRAINT uq_replica_instances_agent_id_request_id UNIQUE (agent_id, request_id),
	CONSTRAINT fk_replica_instances_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id),
	CONSTRAINT uq_replica_instances_nonce_sha256 UNIQUE (nonce_sha256)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Standby instances of agents, from intent to end. client_token is written before the launch is asked for. differences: where a ready one is not like the primary; NULL: not compared.' COLLATE utf8mb4_bin;

CREATE INDEX ix_replica_instances_agent_id_status ON replica_instances (agent_id, status);

CREATE INDEX ix_replica_instances_client_id_ready_at ON replica_instances (client_id, ready_at);

CREATE INDEX ix_replica_instances_created_at ON replica_instances (created_at);

CREATE INDEX ix_replica_instances_status_ended_at ON replica_instances (status, ended_at);

CREATE TABLE savings_snapshots (
	agent_id VARCHAR(36) NOT NULL,
	day DATE NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	time_zone VARCHAR(64) NOT NULL,
	since_at DATETIME(6) NOT NULL,
	until_at DATETIME(6) NOT NULL,
	comparison_instance_type VARCHAR(64) NOT NULL,
	on_demand_discount_ppm INTEGER NOT NULL,
	primary_spot_usd BIGINT NOT NULL,
	primary_on_demand_usd BIGINT NOT NULL,
	replica_usd BIGINT NOT NULL,
	overlap_usd BIGINT NOT NULL,
	image_usd BIGINT NOT NULL,
	address_usd BIGINT NOT NULL,
	comparison_usd BIGINT,
	unpriced_seconds INTEGER NOT NULL,
	unsized_image_count INTEGER NOT NULL,
	switch_count INTEGER NOT NULL,
	interruption_count INTEGER NOT NULL,
	downtime_ms BIGINT NOT NULL,
	`lines` MEDIUMTEXT NOT NULL,
	computed_at DATETIME(6) NOT NULL,
	is_final BOOL NOT NULL,
	CONSTRAINT pk_savings_snapshots PRIMARY KEY (agent_id, day),
	CONSTRAINT fk_savings_snapshots_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What each agent cost on each day of its client''s time zone, and what one instance on demand would have cost in the same hours (comparison_usd; NULL: its price is not known). since_at to until_at is the time that the day covers. unpriced_seconds: of instances whose price nobody saw, in no amount. lines: each hour''s amounts with their prices. is_final: no late price changes it.' COLLATE utf8mb4_bin;

CREATE INDEX ix_savings_snapshots_client_id_day ON savings_snapshots (client_id, day);

CREATE INDEX ix_savings_snapshots_is_final_computed_at ON savings_snapshots (is_final, computed_at);

CREATE TABLE spot_interruption_events (
	event_id VARCHAR(36) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	agent_id VARCHAR(36) NOT NULL,
	notice_id VARCHAR(128) NOT NULL,
	instance_id VARCHAR(64) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	instance_role VARCHAR(32) NOT NULL,
	region VARCHAR(32) NOT NULL,
	az_id VARCHAR(32) NOT NULL,
	instance_type VARCHAR(64) NOT NULL,
	instance_age_seconds INTEGER,
	action_at DATETIME(6),
	detected_at DATETIME(6) NOT NULL,
	received_at DATETIME(6) NOT NULL,
	report_count INTEGER NOT NULL,
	response VARCHAR(32) NOT NULL,
	switch_id VARCHAR(36),
	replica_id VARCHAR(36),
	game_day_id VARCHAR(36),
	code VARCHAR(64),
	called_off_at DATETIME(6),
	CONSTRAINT pk_spot_interruption_events PRIMARY KEY (event_id),
	CONSTRAINT uq_spot_interruption_events_agent_id_notice_id UNIQUE (agent_id, notice_id),
	CONSTRAINT fk_spot_interruption_events_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Notices, recommendations, scheduled events and losses. notice_id makes repeats one event. game_day_id: it was played, and says nothing about the pool. code, called_off_at: of scheduled maintenance, what EC2 will do, and when it was seen to be called off or done.' COLLATE utf8mb4_bin;

CREATE INDEX ix_spot_interruption_events_client_id_received_at ON spot_interruption_events (client_id, received_at);

CREATE INDEX ix_spot_interruption_events_instance_type_az_id ON spot_interruption_events (instance_type, az_id, received_at);

CREATE INDEX ix_spot_interruption_events_received_at ON spot_interruption_events (received_at);

CREATE TABLE switches (
	switch_id VARCHAR(36) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	agent_id VARCHAR(36) NOT NULL,
	active_key VARCHAR(36),
	request_id VARCHAR(128) NOT NULL,
	`trigger` VARCHAR(32) NOT NULL,
	status VARCHAR(32) NOT NULL,
	initiated_by VARCHAR(128) NOT NULL,
	carry VARCHAR(32) NOT NULL,
	traffic_handles MEDIUMTEXT NOT NULL,
	data_volumes MEDIUMTEXT NOT NULL,
	from_instance_id VARCHAR(64) NOT NULL,
	from_instance_type VARCHAR(64) NOT NULL,
	from_az_id VARCHAR(32) NOT NULL,
	from_mode VARCHAR(32) NOT NULL,
	to_instance_id VARCHAR(64),
	to_instance_type VARCHAR(64),
	to_az_id VARCHAR(32),
	to_mode VARCHAR(32),
	replica_id VARCHAR(36),
	image_id VARCHAR(64),
	interruption_event_id VARCHAR(36),
	deadline_at DATETIME(6),
	loses_writes_since DATETIME(6),
	loss_window_seconds BIGINT,
	epoch_before INTEGER NOT NULL,
	epoch_after INTEGER,
	failed_step VARCHAR(32),
	failure TEXT,
	initiated_at DATETIME(6) NOT NULL,
	ami_created_at DATETIME(6),
	instance_launched_at DATETIME(6),
	instance_ready_at DATETIME(6),
	quiesced_at DATETIME(6),
	serving_at DATETIME(6),
	retire_at DATETIME(6),
	old_terminated_at DATETIME(6),
	completed_at DATETIME(6),
	downtime_ms BIGINT,
	downtime_basis VARCHAR(32),
	resume_at DATETIME(6),
	differences MEDIUMTEXT,
	accepts_differences BOOL NOT NULL,
	timing MEDIUMTEXT NOT NULL,
	version INTEGER NOT NULL,
	CONSTRAINT pk_switches PRIMARY KEY (switch_id),
	CONSTRAINT uq_switches_agent_id_request_id UNIQUE (agent_id, request_id),
	CONSTRAINT fk_switches_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id),
	CONSTRAINT uq_switches_active_key UNIQUE (active_key)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Moves, as recorded sagas. active_key = agent_id while one runs, else NULL: one move per agent at a time. loses_writes_since: the moment whose state the image holds, or after which a new side served from which the move was taken back, NULL if nothing is lost; loss_window_seconds: from then to the decision. resume_at: when a rescue that gave up is looked at again. differences: where the new instance is not like the old one; NULL: not compared.' COLLATE utf8mb4_bin;

CREATE INDEX ix_switches_client_id_initiated_at ON switches (client_id, initiated_at);

CREATE INDEX ix_switches_initiated_at ON switches (initiated_at);

CREATE INDEX ix_switches_resume_at ON switches (resume_at);

CREATE INDEX ix_switches_status ON switches (status);

CREATE TABLE unexpected_instances (
	agent_id VARCHAR(36) NOT NULL,
	instance_id VARCHAR(64) NOT NULL,
	client_id VARCHAR(36) NOT NULL,
	instance_type VARCHAR(64) NOT NULL,
	az_id VARCHAR(32) NOT NULL,
	image_id VARCHAR(64),
	private_ip VARCHAR(64),
	hostname VARCHAR(255),
	first_seen_at DATETIME(6) NOT NULL,
	last_seen_at DATETIME(6) NOT NULL,
	verdict VARCHAR(32),
	decided_at DATETIME(6),
	decided_by VARCHAR(128),
	CONSTRAINT pk_unexpected_instances PRIMARY KEY (agent_id, instance_id),
	CONSTRAINT fk_unexpected_instances_agent_id_agents FOREIGN KEY(agent_id) REFERENCES agents (agent_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Instances that claim to be an agent which lives on another one, by their own word, and what a person decided about each.' COLLATE utf8mb4_bin;

CREATE INDEX ix_unexpected_instances_client_id_first_seen_at ON unexpected_instances (client_id, first_seen_at);

CREATE TABLE interruption_sightings (
	event_id VARCHAR(36) NOT NULL,
	channel VARCHAR(32) NOT NULL,
	agent_id VARCHAR(36) NOT NULL,
	notice_id VARCHAR(128) NOT NULL,
	announced_at DATETIME(6),
	first_seen_at DATETIME(6) NOT NULL,
	CONSTRAINT pk_interruption_sightings PRIMARY KEY (event_id, channel),
	CONSTRAINT uq_interruption_sightings_agent_id_notice_id_channel UNIQUE (agent_id, notice_id, channel),
	CONSTRAINT fk_interruption_sightings_event_id_spot_interruption_events FOREIGN KEY(event_id) REFERENCES spot_interruption_events (event_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='When each channel first told of an interruption, and under which name: the first one made the event, the others confirm it. announced_at: when EC2 announced it, where the channel says so.' COLLATE utf8mb4_bin;

CREATE TABLE switch_steps (
	switch_id VARCHAR(36) NOT NULL,
	position INTEGER NOT NULL,
	name VARCHAR(32) NOT NULL,
	part INTEGER NOT NULL,
	status VARCHAR(32) NOT NULL,
	attempt INTEGER NOT NULL,
	actor VARCHAR(32),
	actor_instance_id VARCHAR(64),
	command_id VARCHAR(36),
	intent_at DATETIME(6),
	deadline_at DATETIME(6),
	finished_at DATETIME(6),
	outcome MEDIUMTEXT,
	undo_attempt INTEGER NOT NULL,
	undo_command_id VARCHAR(36),
	undo_finished_at DATETIME(6),
	undo_outcome MEDIUMTEXT,
	CONSTRAINT pk_switch_steps PRIMARY KEY (switch_id, position),
	CONSTRAINT uq_switch_steps_switch_id_name_part UNIQUE (switch_id, name, part),
	CONSTRAINT fk_switch_steps_switch_id_switches FOREIGN KEY(switch_id) REFERENCES switches (switch_id)
)ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Each step of a switch: intent, actor, command, outcome, deadline, undo. part: which traffic handle of the switch, from 0.' COLLATE utf8mb4_bin;

CREATE INDEX ix_switch_steps_name_status ON switch_steps (name, status);

-- Each living agent: its primary, its moves, and for which part of the last 30 days of its life no move and no loss held it down.
CREATE VIEW v_agent_health_summary AS
SELECT a.client_id, a.agent_id, a.logical_agent_id, a.enabled, a.is_offline,
  p.instance_id AS primary_instance_id, p.mode AS primary_mode, p.serving AS is_serving, p.last_heartbeat_at,
  CASE WHEN a.created_at > UTC_TIMESTAMP(6) - INTERVAL 30 DAY THEN TIMESTAMPDIFF(MICROSECOND, a.created_at, UTC_TIMESTAMP(6)) / 1000000.0 ELSE 2592000.0 END AS lived_seconds,
  COALESCE((SELECT SUM(s.downtime_ms) FROM switches s WHERE s.agent_id = a.agent_id AND s.completed_at >= UTC_TIMESTAMP(6) - INTERVAL 30 DAY), 0) AS downtime_ms,
  100.0 * (1.0 - COALESCE((SELECT SUM(s.downtime_ms) FROM switches s WHERE s.agent_id = a.agent_id AND s.completed_at >= UTC_TIMESTAMP(6) - INTERVAL 30 DAY), 0) / 1000.0 / (CASE WHEN a.created_at > UTC_TIMESTAMP(6) - INTERVAL 30 DAY THEN TIMESTAMPDIFF(MICROSECOND, a.created_at, UTC_TIMESTAMP(6)) / 1000000.0 ELSE 2592000.0 END + 0.001)) AS uptime_percent,
  (SELECT COUNT(*) FROM switches s WHERE s.agent_id = a.agent_id AND s.status = 'completed' AND s.completed_at >= UTC_TIMESTAMP(6) - INTERVAL 30 DAY)
    AS switch_count,
  (SELECT COUNT(*) FROM spot_interruption_events e WHERE e.agent_id = a.agent_id AND e.game_day_id IS NULL
    AND e.kind IN ('terminate', 'stop', 'hibernate', 'loss', 'silence') AND e.received_at >= UTC_TIMESTAMP(6) - INTERVAL 30 DAY) AS interruption_count,
  (SELECT COUNT(*) FROM replica_instances r WHERE r.agent_id = a.agent_id AND r.status = 'ready') AS ready_replica_count
FROM agents a LEFT JOIN instances p ON p.primary_of = a.agent_id
WHERE a.deleted_at IS NULL;

-- Each step of the moves that ended in the last 24 hours, with the move's downtime and what the step took.
CREATE VIEW v_switch_performance_24h AS
SELECT s.client_id, s.agent_id, s.switch_id, s.`trigger`, s.status, s.initiated_at, s.completed_at, s.downtime_ms,
  t.position, t.name AS step, t.part, t.status AS step_status, TIMESTAMPDIFF(MICROSECOND, t.intent_at, t.finished_at) / 1000000.0 AS step_seconds
FROM switches s JOIN switch_steps t ON t.switch_id = s.switch_id
WHERE s.completed_at >= UTC_TIMESTAMP(6) - INTERVAL 24 HOUR;

-- How many interruptions of which kind came on which day (UTC), how many led to a move or a replica, and how many were played.
CREATE VIEW v_emergency_events_daily AS
SELECT e.client_id, DATE(e.received_at) AS day, e.kind, COUNT(*) AS event_count, COUNT(DISTINCT e.agent_id) AS agent_count,
  SUM(CASE WHEN e.switch_id IS NOT NULL THEN 1 ELSE 0 END) AS switch_count,
  SUM(CASE WHEN e.replica_id IS NOT NULL THEN 1 ELSE 0 END) AS replica_count,
  SUM(CASE WHEN e.game_day_id IS NOT NULL THEN 1 ELSE 0 END) AS played_count
FROM spot_interruption_events e
GROUP BY e.client_id, DATE(e.received_at), e.kind;
