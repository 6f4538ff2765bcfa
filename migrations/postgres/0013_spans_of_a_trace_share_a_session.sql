-- Which session the spans of a trace belong to. Spans come out of order and in
-- several requests, from the person's machine and from the cloud, and only some
-- name the session: the first request of a trace decides for those that do not.
CREATE TABLE trace_threads (
    trace_id   text PRIMARY KEY,
    session_id text NOT NULL,
    named      boolean NOT NULL, -- a span named the session; else it is the trace itself
    task_class text NOT NULL,
    began_at   timestamptz NOT NULL
);
CREATE INDEX trace_threads_oldest ON trace_threads (began_at);
