SELECT queue_name AS queue, count(*) AS value FROM procrastinate_jobs WHERE status = 'todo' GROUP BY queue_name
