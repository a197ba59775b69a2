-- A pool in which a workshop is only played: when it is deleted, all that was in it goes with it, and its events too.
alter table pools add column rehearsal boolean not null default false;

create or replace function pool_settings(pool pools) returns jsonb language sql stable as $$
    select jsonb_build_object(
        'open', pool.open, 'needsAccessCode', pool.access_code is not null, 'opensAt', pool.opens_at, 'closesAt', pool.closes_at,
        'rushUntil', pool.rush_until, 'duration', pool.duration, 'warning', pool.warning, 'moveWhenLost', pool.move_when_lost,
        'emailDomains', pool.email_domains, 'mostPerAddress', pool.most_per_address, 'rehearsal', pool.rehearsal)
$$;
