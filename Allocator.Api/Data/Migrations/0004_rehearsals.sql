-- A pool of a rehearsal: deleting it also deletes its VMs, people and events.
alter table pools add column rehearsal boolean not null default false;

create or replace function pool_settings(pool pools) returns jsonb language sql stable as $$
    select jsonb_build_object(
        'open', pool.open, 'needsAccessCode', pool.access_code is not null, 'opensAt', pool.opens_at, 'closesAt', pool.closes_at,
        'rushUntil', pool.rush_until, 'duration', pool.duration, 'warning', pool.warning, 'moveWhenLost', pool.move_when_lost,
        'emailDomains', pool.email_domains, 'mostPerAddress', pool.most_per_address, 'rehearsal', pool.rehearsal)
$$;
