-- Why a VM is not free: the only place that says what makes a VM available. A VM without a reason is free; a statement
-- that tolerates some reasons compares with them: unavailable_reasons <@ '{held}'.
create function vm_unavailable_reasons(assignment_id uuid, cleaning boolean, hold text, status text, gpu text, lost_at timestamptz)
returns text[] language sql immutable as $$
    select array_remove(array[
        case when assignment_id is not null then 'assigned' end,
        case when cleaning then 'cleaning' end,
        -- 'held', 'draining' or 'retired', which every deleted VM is.
        hold,
        -- 'initializing', 'error' or 'rebooting'.
        nullif(status, 'running'),
        case when gpu = 'unhealthy' then 'gpu_unhealthy' end,
        case when lost_at is not null then 'lost' end
    ], null)
$$;

-- Replicas of the former version know is_free by its name and its meaning, and both stay. The table is rewritten once.
alter table vms
    drop column is_free,
    add column unavailable_reasons text[] not null generated always as (
        vm_unavailable_reasons(assignment_id, cleaning, hold, status, gpu, lost_at)
    ) stored,
    add column is_free boolean not null generated always as (
        cardinality(vm_unavailable_reasons(assignment_id, cleaning, hold, status, gpu, lost_at)) = 0
    ) stored;

create index vms_free on vms (hostname) where is_free;
