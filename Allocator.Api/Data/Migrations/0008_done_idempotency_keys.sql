-- An extension marks its key in its own transaction, before its answer is recorded: repeating it must not extend twice.
alter table idempotency_keys add column is_done boolean not null default false;
