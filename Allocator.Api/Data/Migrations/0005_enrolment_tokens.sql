-- Enrolment tokens that admins create, each for a number of machines and a time, in addition to those in the settings.
create table enrolment_tokens (
    id           uuid primary key,
    token_hash   bytea not null unique check (octet_length(token_hash) = 32),
    -- A bound token is valid for this pool or this host name only.
    pool         text collate "C" references pools,
    hostname     text collate "C" check (length(hostname) <= 253 and hostname ~ '^[a-z0-9.-]+$'),
    uses         integer not null check (uses > 0),
    -- '<hostname> <machine id>' of each machine that enrolled with it. They are in this row, not in a table: racing machines
    -- wait for the row and see who was first, and a machine whose response was lost is recognized when it asks again.
    used_by      text[] not null default '{}' check (cardinality(used_by) <= uses),
    last_used_by text collate "C",
    last_used_at timestamptz,
    created_by   text not null,
    created_at   timestamptz not null default clock(),
    expires_at   timestamptz not null check (expires_at > created_at),
    check ((last_used_at is null) = (cardinality(used_by) = 0) and (last_used_at is null) = (last_used_by is null))
);

create index enrolment_tokens_expires_at on enrolment_tokens (expires_at);

-- The facts as events record them.
create function enrolment_token_facts(token enrolment_tokens) returns jsonb language sql immutable as $$
    select jsonb_build_object(
        'id', token.id, 'pool', token.pool, 'hostname', token.hostname, 'uses', token.uses,
        'usesLeft', token.uses - cardinality(token.used_by), 'expiresAt', token.expires_at)
$$;
