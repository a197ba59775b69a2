-- The further settings of a pool.
alter table pools
    add column opens_at         timestamptz,
    add column closes_at        timestamptz,
    -- Set by an admin; around opens_at the pool is in rush anyway.
    add column rush_until       timestamptz,
    -- From the moment a person is connected; null means without limit.
    add column duration         interval check (duration > interval '0'),
    add column warning          interval check (warning > interval '0'),
    add column move_when_lost   boolean not null default false,
    add column email_domains    text[] check (cardinality(email_domains) > 0),
    add column most_per_address integer check (most_per_address > 0),
    add constraint closes_after_opening check (closes_at > opens_at),
    add constraint warning_before_the_end check (warning < duration);

create function pool_is_open(open boolean, opens_at timestamptz, closes_at timestamptz) returns boolean language sql stable as $$
    select open and coalesce(opens_at <= clock(), true) and coalesce(clock() < closes_at, true)
$$;

create function pool_is_in_rush(opens_at timestamptz, rush_until timestamptz) returns boolean language sql stable as $$
    select coalesce(clock() < rush_until, false)
        or coalesce(clock() between opens_at - interval '1 minute' and opens_at + interval '5 minutes', false)
$$;

-- The settings as events record them: whether there is a code, never which.
create function pool_settings(pool pools) returns jsonb language sql stable as $$
    select jsonb_build_object(
        'open', pool.open, 'needsAccessCode', pool.access_code is not null, 'opensAt', pool.opens_at, 'closesAt', pool.closes_at,
        'rushUntil', pool.rush_until, 'duration', pool.duration, 'warning', pool.warning, 'moveWhenLost', pool.move_when_lost,
        'emailDomains', pool.email_domains, 'mostPerAddress', pool.most_per_address)
$$;

-- Who may ask for a VM of a pool; a pool without any row here admits everybody.
create table roster (
    pool      text collate "C" not null references pools,
    email_key text collate "C" not null check (email_key <> ''),
    email     text not null,
    primary key (pool, email_key)
);

alter table vms
    -- A deleted VM keeps its row: its old token gets a clear answer, the feed tells every replica, and its history
    -- remains.
    add column deleted_at     timestamptz,
    -- How long the last cleaning took, for the estimated wait of people in the queue.
    add column cleaning_since timestamptz,
    add column cleaned_in     interval,
    add constraint deleted_is_retired check (deleted_at is null or (hold = 'retired' and assignment_id is null and lost_at is null)),
    add constraint cleaning_has_begun check (cleaning = (cleaning_since is not null)) not valid;

-- The migration changes no revision; it only fills the new column for VMs that are being cleaned.
alter table vms disable trigger vms_changed;
update vms set cleaning_since = clock() where cleaning;
alter table vms enable trigger vms_changed;
alter table vms validate constraint cleaning_has_begun;

create or replace function vms_changed() returns trigger language plpgsql as $$
begin
    new.revision := old.revision + 1;
    new.changed_xid := pg_current_xact_id();
    new.generation := old.generation;
    if new.assignment_id is distinct from old.assignment_id
        or vm_state(new.assignment_id, new.cleaning, new.hold) <> vm_state(old.assignment_id, old.cleaning, old.hold)
    then
        new.generation := old.generation + 1;
    end if;
    if new.cleaning and not old.cleaning then
        new.cleaning_since := clock();
    elsif old.cleaning and not new.cleaning then
        new.cleaned_in := clock() - old.cleaning_since;
        new.cleaning_since := null;
    end if;
    return new;
end
$$;

-- The facts as events record them.
create function vm_facts(pool text, hold text, machine_id text, deleted boolean) returns jsonb language sql immutable as $$
    select jsonb_build_object('pool', pool, 'hold', hold, 'machineId', machine_id, 'deleted', deleted)
$$;

-- Lists are paged by their key; these indexes serve the filters that leave few rows.
create index vms_state on vms (state, hostname);
create index vms_status on vms (status, hostname) where status <> 'running';
create index vms_hold on vms (hold, hostname) where hold is not null;
create index vms_gpu on vms (gpu, hostname) where gpu = 'unhealthy';
create index vms_free on vms (hostname) where is_free;
create index vms_assignment on vms (assignment_id) where assignment_id is not null;
create index vms_unassigned on vms (hostname) where assignment_id is null;

alter table assignments
    -- The address of the request, while it counts against most_per_address.
    add column client_address inet,
    drop constraint columns_of_state,
    add constraint columns_of_state check (case state
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
            -- What gives access to the desktop, and the person's address, are kept no longer than they are needed.
            and num_nonnulls(code, pin, connect_url, client_address) = 0
    end);

create index assignments_state on assignments (state, id);
create index assignments_pool on assignments (pool, id);
create index assignments_person on assignments (email_key, id);
create index assignments_hostname on assignments (hostname, id) where hostname is not null;
create index assignments_expiry on assignments (expires_at) where state <> 'ended' and expires_at is not null;
create index assignments_address on assignments (client_address) where state <> 'ended' and client_address is not null;
create index assignments_ended on assignments (ended_at) where state = 'ended';

create or replace function assignments_changed() returns trigger language plpgsql as $$
begin
    new.revision := old.revision + 1;
    if new.state = 'ended' then
        new.code := null;
        new.pin := null;
        new.connect_url := null;
        new.client_address := null;
    end if;
    return new;
end
$$;

create index events_hostname on events (hostname, id) where hostname is not null;
create index events_assignment on events (assignment_id, id) where assignment_id is not null;
create index events_pool on events (pool, id);
create index events_action on events (action, id);
create index events_actor on events (actor, id);
create index events_at on events (at);

-- Only retention and the deletion of a rehearsal remove events; they set this variable in their transaction.
create or replace function events_are_append_only() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('allocator.retention', true) = 'on' then
        return null;
    end if;
    raise exception 'events are append-only';
end
$$;

-- Requests with an Idempotency-Key: their caller, their content, and the first response.
create table idempotency_keys (
    caller       text not null,
    key          text not null check (length(key) between 1 and 255),
    request_hash bytea not null check (octet_length(request_hash) = 32),
    started_at   timestamptz not null default clock(),
    status       integer,
    location     text,
    body         text,
    primary key (caller, key),
    check (num_nulls(status, location, body) in (0, 3))
);

create index idempotency_keys_started_at on idempotency_keys (started_at);
