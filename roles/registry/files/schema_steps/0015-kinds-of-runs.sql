-- A run is of a kind: a verb of a tenant's life, or what comes round by the clock, which is none.
ALTER TABLE ops.runs RENAME COLUMN verb TO kind;
ALTER TABLE ops.run_totals RENAME COLUMN verb TO kind;

CREATE OR REPLACE FUNCTION ops.count_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO ops.run_totals AS known
    VALUES (NEW.kind, NEW.status, 1, coalesce(extract(epoch FROM NEW.finished_at - NEW.started_at), 0))
    ON CONFLICT (kind, status) DO UPDATE SET runs = known.runs + 1, seconds = known.seconds + EXCLUDED.seconds;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION ops.remove_expired(p_what text, p_days integer, p_batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_before timestamptz := clock_timestamp() - make_interval(days => p_days);
    v_count bigint;
BEGIN
    IF p_days < 7 OR p_days IS NULL THEN
        RAISE EXCEPTION 'a life time of % days is too short: at least 7', p_days USING ERRCODE = 'invalid_parameter_value';
    END IF;
    CASE p_what
    WHEN 'events' THEN
        DELETE FROM ops.events WHERE id IN (
            SELECT id FROM ops.events WHERE handled_at < v_before ORDER BY handled_at LIMIT p_batch);
    WHEN 'run_events' THEN
        DELETE FROM ops.run_events e USING (
            SELECT run_id, seq FROM ops.run_events JOIN ops.runs ON id = run_id
            WHERE finished_at < v_before LIMIT p_batch) old
        WHERE (e.run_id, e.seq) = (old.run_id, old.seq);
    WHEN 'platform_runs' THEN
        DELETE FROM ops.runs WHERE id IN (
            SELECT id FROM ops.runs WHERE finished_at < v_before AND tenant_id IS NULL ORDER BY finished_at LIMIT p_batch);
    WHEN 'tenant_runs' THEN  -- what a tenant's last run was for can be tried again by hand
        DELETE FROM ops.runs WHERE id IN (
            SELECT id FROM ops.runs r WHERE finished_at < v_before AND tenant_id IS NOT NULL AND (
                EXISTS (SELECT FROM tenant.tenants t WHERE t.id = r.tenant_id AND t.status = 'terminated')
                OR EXISTS (SELECT FROM ops.runs later WHERE later.tenant_id = r.tenant_id AND later.queued_at > r.queued_at
                           AND later.kind <> 'settle'))
            ORDER BY finished_at LIMIT p_batch);
    END CASE;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;
