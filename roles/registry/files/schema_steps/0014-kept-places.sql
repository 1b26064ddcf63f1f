-- What a terminated tenant leaves is kept for its retention, on the server it lived on. In a pool it takes no place from those that
-- live: the row stays, so that the server is not retired under it, but without a slot. A dedicated server stays its tenant's.
ALTER TABLE database.allocations
    DROP CONSTRAINT allocations_purpose_check,
    ADD CONSTRAINT allocations_purpose_check CHECK (purpose IN ('home', 'target', 'former', 'kept')),
    ALTER COLUMN slot DROP NOT NULL,
    ADD CONSTRAINT allocations_slot_given CHECK (slot IS NOT NULL OR purpose = 'kept'),
    ADD CONSTRAINT allocations_kept_lasts CHECK (purpose <> 'kept' OR state = 'in_use');

UPDATE database.allocations a SET purpose = 'kept', slot = CASE s.server_type WHEN 'dedicated' THEN a.slot END
FROM tenant.tenants t, database.servers s
WHERE t.id = a.tenant_id AND s.name = a.server_name AND t.status = 'terminated' AND a.purpose = 'home' AND a.state = 'in_use';
