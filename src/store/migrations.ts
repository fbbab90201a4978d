// The tables, as the list of changes that made them. One is appended; none is ever edited.

export const MIGRATIONS: readonly string[] = [
  /* 1: incidents, holds, records */ `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  -- The audit log. about: the seq of the record that opened the incident or hold which this one tells of.
  CREATE TABLE records (seq INTEGER PRIMARY KEY, about INTEGER, line TEXT NOT NULL) STRICT;
  CREATE INDEX records_about ON records (about, seq) WHERE about IS NOT NULL;

  -- seq: of its incident.reported record. version: of its last record. problem: what later reports join it by.
  -- details: JSON of what no query asks for.
  CREATE TABLE incidents (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, hash TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL, last_seen_at TEXT NOT NULL, occurrences INTEGER NOT NULL,
    class TEXT NOT NULL, severity TEXT NOT NULL, rank INTEGER NOT NULL, state TEXT NOT NULL,
    source TEXT NOT NULL, reported_by TEXT NOT NULL, description TEXT NOT NULL, problem TEXT, follows TEXT,
    containment_status TEXT NOT NULL, contained_at TEXT, resolved_at TEXT, resolution TEXT, details TEXT NOT NULL
  ) STRICT;
  CREATE INDEX incidents_worst ON incidents (state, rank, seq);
  CREATE INDEX incidents_problem ON incidents (problem, seq) WHERE problem IS NOT NULL;
  CREATE TABLE evidence (incident INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;

  -- What was ordered for an incident. With a hold, the hold's status is the action's until its ownership ends.
  CREATE TABLE incident_actions (
    incident INTEGER NOT NULL, n INTEGER NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, hold INTEGER,
    status TEXT NOT NULL, error TEXT, completed_at TEXT, ended INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (incident, n)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX hold_owners ON incident_actions (hold) WHERE hold IS NOT NULL AND ended = 0;

  CREATE TABLE holds (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, action TEXT NOT NULL, target_type TEXT NOT NULL, target_id TEXT NOT NULL,
    status TEXT NOT NULL, live INTEGER NOT NULL, rule TEXT NOT NULL, source TEXT NOT NULL, created_at TEXT NOT NULL, released_at TEXT
  ) STRICT;
  CREATE UNIQUE INDEX holds_live ON holds (action, target_type, target_id) WHERE live = 1;
  CREATE INDEX holds_limit ON holds (rule, source) WHERE live = 1;

  -- Counters, kept by triggers so that no writer can forget them.
  CREATE TABLE tallies (class TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (class, severity, state)) STRICT, WITHOUT ROWID;
  CREATE TRIGGER incidents_tally_new AFTER INSERT ON incidents BEGIN
    INSERT INTO tallies VALUES (new.class, new.severity, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
  END;
  CREATE TRIGGER incidents_tally_moved AFTER UPDATE OF severity, state ON incidents
    WHEN old.severity <> new.severity OR old.state <> new.state BEGIN
    UPDATE tallies SET n = n - 1 WHERE class = old.class AND severity = old.severity AND state = old.state;
    INSERT INTO tallies VALUES (new.class, new.severity, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
  END;

  -- The last reports of a class and source that its escalation rule needs, as a JSON array of milliseconds.
  CREATE TABLE sightings (class TEXT NOT NULL, source TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (class, source)) STRICT, WITHOUT ROWID;

  -- Requests that were done once, so that they are not done twice.
  CREATE TABLE requests (
    n INTEGER PRIMARY KEY, token TEXT NOT NULL, key_sha256 TEXT NOT NULL, body_sha256 TEXT NOT NULL,
    incident TEXT, seq INTEGER NOT NULL, hash TEXT NOT NULL, at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX requests_key ON requests (token, key_sha256);
  CREATE INDEX requests_oldest ON requests (token, n);
  CREATE TABLE request_counts (token TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TRIGGER requests_count_up AFTER INSERT ON requests BEGIN
    INSERT INTO request_counts VALUES (new.token, 1) ON CONFLICT DO UPDATE SET n = n + 1;
  END;
  CREATE TRIGGER requests_count_down AFTER DELETE ON requests BEGIN
    UPDATE request_counts SET n = n - 1 WHERE token = old.token;
  END;

  -- Each policy text that was ever in force.
  CREATE TABLE policies (sha256 TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  /* 2: when ownership of a hold began */ `
  -- The seq of the record that ordered the action: what became of its hold before is not the incident's.
  ALTER TABLE incident_actions ADD COLUMN began INTEGER NOT NULL DEFAULT 0;
  `,
  /* 3: the Merkle tree over the records */ `
  -- Complete subtrees of every fourth level. Level 0: leaves of records that were pruned; the others end their record's line.
  CREATE TABLE tree (level INTEGER NOT NULL, n INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, n)) STRICT, WITHOUT ROWID;
  -- What the recorder found out about its own integrity, until an operator resolves it.
  CREATE INDEX incidents_own ON incidents (severity, seq) WHERE source = 'incident-recorder' AND class = 'integrity_violation' AND state <> 'resolved';
  `,
  /* 4: incidents that were pruned */ `
  CREATE TRIGGER incidents_tally_gone AFTER DELETE ON incidents BEGIN
    UPDATE tallies SET n = n - 1 WHERE class = old.class AND severity = old.severity AND state = old.state;
  END;
  `,
  /* 5: commands, approvals, and how far a hold has come */ `
  -- live: wanted. released_at: when it had ended wholly. version: seq of the last record about it.
  -- free_at: the monotonic milliseconds of this run of the service before which it does not end by itself.
  ALTER TABLE holds ADD COLUMN params TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE holds ADD COLUMN incident_id TEXT NOT NULL DEFAULT '';
  ALTER TABLE holds ADD COLUMN actuator TEXT;
  ALTER TABLE holds ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE holds ADD COLUMN error TEXT;
  ALTER TABLE holds ADD COLUMN completed_at TEXT;
  ALTER TABLE holds ADD COLUMN expires_at TEXT;
  ALTER TABLE holds ADD COLUMN ending TEXT;
  ALTER TABLE holds ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE holds ADD COLUMN free_at REAL;
  UPDATE holds SET version = coalesce((SELECT max(r.seq) FROM records r WHERE r.about = holds.seq AND r.line ->> '$.type' <> 'hold.kept'), seq);
  UPDATE holds SET ending = 'released' WHERE live = 0;
  UPDATE holds SET incident_id = coalesce((SELECT r.line ->> '$.data.incident_id' FROM records r WHERE r.seq = holds.seq), '');
  CREATE INDEX holds_end ON holds (free_at) WHERE live = 1 AND expires_at IS NOT NULL;
  CREATE INDEX holds_unmet ON holds (seq) WHERE live = 1 AND status IN ('requested', 'accepted', 'drifted');
  CREATE INDEX holds_failing ON holds (seq) WHERE live = 1 AND status IN ('failed', 'drifted');
  CREATE INDEX holds_standing ON holds (seq) WHERE released_at IS NULL;
  CREATE INDEX holds_past ON holds (action, target_type, target_id, seq);
  CREATE INDEX holds_actuator ON holds (actuator, seq) WHERE released_at IS NULL;

  -- Frozen when the incident's ownership ends; of a hold that goes on, what it was then.
  ALTER TABLE incident_actions ADD COLUMN actuator TEXT;
  ALTER TABLE incident_actions ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
  UPDATE incident_actions SET status = 'released' WHERE hold IS NOT NULL AND ended <> 0;

  CREATE TABLE commands (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, op TEXT NOT NULL, hold INTEGER NOT NULL, incident_id TEXT NOT NULL,
    actuator TEXT NOT NULL, reason TEXT NOT NULL, status TEXT NOT NULL, overdue INTEGER NOT NULL DEFAULT 0, open INTEGER NOT NULL,
    created_at TEXT NOT NULL, not_before TEXT NOT NULL, deadline_at TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, error TEXT, evidence TEXT, late TEXT, completed_at TEXT,
    -- held: not before its time. free_at, late_at: by the monotonic clock of this run, when that is, and when it is overdue.
    held INTEGER NOT NULL, free_at REAL, late_at REAL
  ) STRICT;
  CREATE INDEX commands_open ON commands (actuator, seq) WHERE open = 1 AND held = 0;
  CREATE INDEX commands_held ON commands (free_at) WHERE open = 1 AND held = 1;
  CREATE INDEX commands_unsent ON commands (hold, seq) WHERE open = 1;
  CREATE INDEX commands_overdue ON commands (seq) WHERE open = 1 AND overdue = 1;
  CREATE INDEX commands_hold ON commands (hold, seq);
  CREATE INDEX commands_late ON commands (late_at) WHERE status IN ('pending', 'accepted');

  CREATE TABLE approvals (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, incident INTEGER NOT NULL, incident_id TEXT NOT NULL, status TEXT NOT NULL,
    reason TEXT NOT NULL, requested_by TEXT NOT NULL, proposals TEXT NOT NULL, digest TEXT NOT NULL, created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL, escalated INTEGER NOT NULL DEFAULT 0, decided_at TEXT, decided_by TEXT, note TEXT
  ) STRICT;
  CREATE INDEX approvals_pending ON approvals (expires_at) WHERE status = 'pending';
  CREATE INDEX approvals_incident ON approvals (incident);

  -- Incidents of which a hold has moved, and which have not been looked at since. Not told by any record: it is empty, or made again.
  CREATE TABLE unsettled (incident INTEGER PRIMARY KEY) STRICT;
  `,
];
