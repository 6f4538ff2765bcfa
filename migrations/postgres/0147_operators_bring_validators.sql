-- A validator of the operator's own: a script that the sandbox runs over whole
-- responses. A change of anything that can change a verdict is another version;
-- a version is never written again.
CREATE TABLE own_validators (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{1,39}$'),
    version      text NOT NULL CHECK (version ~ '^[0-9a-f]{12}$'), -- of everything below that decides
    language     text NOT NULL CHECK (language IN ('python', 'javascript')),
    script       text NOT NULL CHECK (octet_length(script) <= 65536),
    says         text NOT NULL, -- what it checks, for its card
    reads        text[] NOT NULL, -- of prompt, response, context, artifact: what the script is given
    task_classes text[] NOT NULL DEFAULT '{}', -- empty is all
    artifacts    text[] NOT NULL DEFAULT '{}', -- kinds a response must carry; empty is any or none
    wall_ms      int NOT NULL CHECK (wall_ms BETWEEN 200 AND 30000),
    canaries     jsonb NOT NULL, -- name, want, prompt, response, context, artifact
    state        text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'active', 'retired')),
    added_by     text NOT NULL,
    added_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried        jsonb, -- the latest trial of its canaries
    tried_at     timestamptz,
    activated_by text,
    activated_at timestamptz,
    retired_by   text,
    retired_at   timestamptz,
    UNIQUE (name, version),
    CHECK (reads <@ '{prompt,response,context,artifact}' AND cardinality(reads) > 0)
);
CREATE UNIQUE INDEX own_validators_one_active ON own_validators (name) WHERE state = 'active';

-- What decides a verdict stays as it was written.
REVOKE UPDATE, DELETE ON own_validators FROM assay_app;
GRANT UPDATE (state, tried, tried_at, activated_by, activated_at, retired_by, retired_at) ON own_validators TO assay_app;
