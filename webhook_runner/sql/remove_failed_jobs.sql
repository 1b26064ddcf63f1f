-- Jobs that ended without success so long ago; successful ones are removed by the worker.
WITH old AS (
    SELECT job.id FROM procrastinate_jobs job
    WHERE job.status NOT IN ('todo', 'doing') AND (
        SELECT max(event.at) FROM procrastinate_events event WHERE event.job_id = job.id
    ) < clock_timestamp() - make_interval(days => %(days)s)
    LIMIT %(batch)s
), removed AS (DELETE FROM procrastinate_jobs job USING old WHERE job.id = old.id RETURNING job.id)
SELECT count(*) AS count FROM removed
