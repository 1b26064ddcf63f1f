-- The lock last: it is taken only where all else says that the worker is dead.
SELECT CASE WHEN %(here)s OR (
        coalesce(run.seen_at, run.started_at) < clock_timestamp() - make_interval(secs => %(silence)s)
        AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => %(silence)s))
    THEN pg_try_advisory_xact_lock(hashtextextended('run:' || run.id, 0)) ELSE false END AS dead
FROM ops.runs run WHERE run.id = %(id)s AND run.status = 'running'
