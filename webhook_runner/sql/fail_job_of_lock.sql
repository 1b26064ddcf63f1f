SELECT procrastinate_finish_job_v1(id, 'failed', false) FROM procrastinate_jobs WHERE lock = %(lock)s AND status = 'doing'
