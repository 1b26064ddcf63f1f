-- What a scrape of the metrics asks of all runs there ever were: kept when a run ends, by whatever statement ends it, and left
-- when the run is removed.
CREATE TABLE ops.run_totals (
    verb text NOT NULL,
    status text NOT NULL,
    runs bigint NOT NULL,
    seconds double precision NOT NULL,          -- they took together
    PRIMARY KEY (verb, status)
);
INSERT INTO ops.run_totals
SELECT verb, status, count(*), coalesce(sum(extract(epoch FROM finished_at - started_at)), 0) FROM ops.runs
WHERE finished_at IS NOT NULL GROUP BY verb, status;

CREATE FUNCTION ops.count_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO ops.run_totals AS known
    VALUES (NEW.verb, NEW.status, 1, coalesce(extract(epoch FROM NEW.finished_at - NEW.started_at), 0))
    ON CONFLICT (verb, status) DO UPDATE SET runs = known.runs + 1, seconds = known.seconds + EXCLUDED.seconds;
    RETURN NULL;
END $$;

CREATE TRIGGER count_run AFTER UPDATE ON ops.runs FOR EACH ROW
WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION ops.count_run();
