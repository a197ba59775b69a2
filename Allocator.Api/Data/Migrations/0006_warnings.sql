-- Problems that the VM reports although people can use it: a text for each name.
alter table vms
    add column warnings jsonb not null default '{}' check (jsonb_typeof(warnings) = 'object');
