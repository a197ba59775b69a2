-- The W3C trace context of the person's request, if it is traced, so that later steps of VMs appear in the same trace.
alter table assignments add column trace_parent text check (trace_parent ~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$');
