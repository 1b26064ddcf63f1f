-- Takes procrastinate's objects away, whatever their number in its version.
DO $$
DECLARE
    v_object record;
BEGIN
    FOR v_object IN
        SELECT c.oid::regclass AS name FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'procrastinate\_%' AND c.relkind = 'r'
    LOOP
        EXECUTE format('DROP TABLE %s CASCADE', v_object.name);
    END LOOP;
    FOR v_object IN
        SELECT p.oid::regprocedure AS name FROM pg_proc AS p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'procrastinate\_%'
    LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', v_object.name);
    END LOOP;
    FOR v_object IN
        SELECT t.oid::regtype AS name FROM pg_type AS t
        WHERE t.typnamespace = 'public'::regnamespace AND t.typname LIKE 'procrastinate\_%' AND t.typtype IN ('c', 'e')
    LOOP
        EXECUTE format('DROP TYPE IF EXISTS %s CASCADE', v_object.name);
    END LOOP;
END $$;
