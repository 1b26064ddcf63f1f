-- Whether the run's last word on what is under way at the tenant is: nothing more. Only the end of a verb says that; a verb
-- that merely converges puts nothing under way, and so says nothing.
SELECT detail -> 'operation' = 'null' AS recorded FROM ops.journal
WHERE subject = 'tenant:' || %(tenant_id)s AND cause = 'run:' || %(id)s AND detail ? 'operation'
ORDER BY seq DESC LIMIT 1
