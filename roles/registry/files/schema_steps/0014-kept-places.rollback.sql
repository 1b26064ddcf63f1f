-- What is kept takes places again. Where a pool has not enough of them this fails, and changes nothing: drop some of it first.
UPDATE database.allocations a SET slot = free.slot
FROM (SELECT tenant_id, server_name, row_number() OVER (PARTITION BY server_name ORDER BY tenant_id) AS number
      FROM database.allocations WHERE slot IS NULL) kept
JOIN (SELECT s.name, n AS slot, row_number() OVER (PARTITION BY s.name ORDER BY n) AS number
      FROM database.servers s, generate_series(1, s.max_instances) AS n
      WHERE NOT EXISTS (SELECT FROM database.allocations b WHERE b.server_name = s.name AND b.slot = n)) free
    ON free.name = kept.server_name AND free.number = kept.number
WHERE a.tenant_id = kept.tenant_id AND a.purpose = 'kept';
UPDATE database.allocations SET purpose = 'home' WHERE purpose = 'kept';
ALTER TABLE database.allocations
    DROP CONSTRAINT allocations_kept_lasts,
    DROP CONSTRAINT allocations_slot_given,
    ALTER COLUMN slot SET NOT NULL,
    DROP CONSTRAINT allocations_purpose_check,
    ADD CONSTRAINT allocations_purpose_check CHECK (purpose IN ('home', 'target', 'former'));
