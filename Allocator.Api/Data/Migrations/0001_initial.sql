-- The time that every rule uses; a function, so that tests can replace it.
create function clock() returns timestamptz language sql stable as 'select now()';

create table pools (
    name        text collate "C" primary key check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    open        boolean not null default true,
    access_code text check (access_code <> ''),
    created_at  timestamptz not null default clock()
);

insert into pools (name) values ('default');

-- The state of a VM, derived from the facts that decide it.
create function vm_state(assignment_id uuid, cleaning boolean, hold text) returns text language sql immutable as $$
    select case
        when assignment_id is not null then 'assigned'
        when cleaning then 'cleaning'
        when hold is not null then 'held'
        else 'free'
    end
$$;

create table vms (
    hostname      text collate "C" primary key check (length(hostname) <= 253 and hostname ~ '^[a-z0-9.-]+$'),
    pool          text collate "C" not null references pools,
    machine_id    text not null,
    token_hash    bytea not null check (octet_length(token_hash) = 32),
    metadata      jsonb not null default '{}',

    status        text not null default 'initializing' check (status in ('initializing', 'running', 'error', 'rebooting')),
    status_detail text,
    hold          text check (hold in ('held', 'draining', 'retired')),
    lost_at       timestamptz,
    gpu           text check (gpu in ('healthy', 'unhealthy', 'absent')),
    in_use        boolean,
    boot_id       text,
    startup       jsonb,

    -- The live assignment; its row names this VM in turn, which a foreign key below checks.
    assignment_id uuid,
    -- From the end of an assignment until the VM has reported that nothing of the person is left.
    cleaning      boolean not null default false check (not (cleaning and assignment_id is not null)),

    state         text not null generated always as (vm_state(assignment_id, cleaning, hold)) stored,
    is_free       boolean not null generated always as (
        vm_state(assignment_id, cleaning, hold) = 'free'
        and status = 'running'
        and gpu is distinct from 'unhealthy'
        and lost_at is null
    ) stored,

    -- Grows with every change that the VM must be told of; see vms_changed().
    generation    bigint not null default 1,
    -- Grows with every change, and so decides which of two snapshots of the row is newer.
    revision      bigint not null default 1,
    -- The transaction of the last change, by which the feed selects rows.
    changed_xid   xid8 not null default pg_current_xact_id(),
    enrolled_at   timestamptz not null default clock()
);

create index vms_changed_xid on vms (changed_xid);
create index vms_pool on vms (pool, hostname);
create index vms_lost on vms (hostname) where lost_at is not null;

-- A trigger maintains these columns, so that no statement can forget them, not even a manual one.
create function vms_changed() returns trigger language plpgsql as $$
begin
    new.revision := old.revision + 1;
    new.changed_xid := pg_current_xact_id();
    new.generation := old.generation;
    if new.assignment_id is distinct from old.assignment_id
        or vm_state(new.assignment_id, new.cleaning, new.hold) <> vm_state(old.assignment_id, old.cleaning, old.hold)
    then
        new.generation := old.generation + 1;
    end if;
    return new;
end
$$;

create trigger vms_changed before update on vms for each row execute function vms_changed();

create table assignments (
    id            uuid primary key,
    pool          text collate "C" not null references pools,
    email         text not null,
    -- The normalized address, which identifies the person however they type it.
    email_key     text collate "C" not null check (email_key <> ''),
    code          text check (code ~ '^[A-Za-z0-9_/-]+$'),
    pin           text check (pin ~ '^[0-9]{6}$'),

    state         text not null default 'waiting' check (state in ('waiting', 'assigned', 'connected', 'ended')),
    hostname      text collate "C" references vms,
    live_hostname text collate "C" generated always as (case when state in ('assigned', 'connected') then hostname end) stored,
    -- The generation of the VM that delivers the assignment.
    generation    bigint,
    attempts      integer not null default 0 check (attempts >= 0),
    connect_url   text,

    requested_at  timestamptz not null default clock(),
    assigned_at   timestamptz,
    received_at   timestamptz,
    connected_at  timestamptz,
    expires_at    timestamptz,
    ended_at      timestamptz,
    end_reason    text check (end_reason in ('released', 'expired', 'cancelled', 'failed')),
    revision      bigint not null default 1,

    check ((code is null) = (pin is null)),
    constraint columns_of_state check (case state
        when 'waiting' then
            num_nonnulls(hostname, generation, connect_url, assigned_at, received_at, connected_at, ended_at, end_reason) = 0
        when 'assigned' then
            num_nulls(hostname, generation, assigned_at) = 0
            and num_nonnulls(connect_url, connected_at, ended_at, end_reason) = 0
        when 'connected' then
            num_nulls(hostname, generation, assigned_at, received_at, connected_at) = 0
            and num_nonnulls(ended_at, end_reason) = 0
        when 'ended' then
            num_nulls(ended_at, end_reason) = 0
            -- What gives access to the desktop is kept no longer than it is needed.
            and num_nonnulls(code, pin, connect_url) = 0
    end),
    unique (id, live_hostname)
);

create unique index one_live_assignment_per_vm on assignments (live_hostname) where live_hostname is not null;
create unique index one_live_assignment_per_person on assignments (pool, email_key) where state <> 'ended';
create index assignments_queue on assignments (pool, requested_at, id) where state = 'waiting';
create index assignments_undelivered on assignments (assigned_at) where state = 'assigned';
create index assignments_requested on assignments (pool, requested_at);

-- A VM can only point to a live assignment that names this very VM.
alter table vms add constraint assignment_lives_here
    foreign key (assignment_id, hostname) references assignments (id, live_hostname);

create function assignments_changed() returns trigger language plpgsql as $$
begin
    new.revision := old.revision + 1;
    return new;
end
$$;

create trigger assignments_changed before update on assignments for each row execute function assignments_changed();

-- The only table that polls write, in bulk: it is narrow, and each page has room for updates in place.
create table liveness (
    hostname  text collate "C" primary key,
    polled_at timestamptz not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- One row: when a replica last looked for lost VMs, and when most of the fleet last seemed lost.
create table sweeper (
    only_row boolean primary key default true check (only_row),
    swept_at timestamptz not null default '-infinity',
    dark_at  timestamptz not null default '-infinity'
);

insert into sweeper default values;

create table events (
    id            bigint generated always as identity primary key,
    at            timestamptz not null default clock(),
    -- 'person', 'vm:<hostname>', 'admin:<name>' or 'allocator'.
    actor         text not null,
    action        text not null,
    pool          text collate "C",
    hostname      text collate "C",
    assignment_id uuid,
    detail        jsonb not null default '{}'
);

create function events_are_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'events are append-only';
end
$$;

create trigger events_are_append_only before update or delete or truncate on events
    for each statement execute function events_are_append_only();
