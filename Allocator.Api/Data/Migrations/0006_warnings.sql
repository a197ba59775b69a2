-- What a VM says is not as it should be though people can use it all the same, in its words, by name.
alter table vms
    add column warnings jsonb not null default '{}' check (jsonb_typeof(warnings) = 'object');
