-- Back to the queue, unless an equal job waits there already.
WITH waiting AS (
    SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = %(queueing_lock)s AND status = 'todo') AS there
)
SELECT CASE WHEN there THEN 'an equal one waits' ELSE 'queued again' END AS status,
    CASE WHEN there THEN procrastinate_finish_job_v1(%(id)s, 'failed', false)
         ELSE procrastinate_retry_job_v2(%(id)s, now(), NULL, NULL, NULL) END
FROM waiting
