-- Who labels. A person has one row however many labels they give; the author
-- of imported labels has one too, so that "never the same labeler twice" and
-- agreement mean the same for both. Exports show the pseudonym.
CREATE TABLE labelers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id   bigint UNIQUE,
    import_name text UNIQUE CHECK (import_name <> ''),
    pseudonym   text NOT NULL UNIQUE DEFAULT 'labeler-' || left(replace(gen_random_uuid()::text, '-', ''), 10),
    created_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(person_id, import_name) = 1)
);

-- The instructions a label was given under. A change is a new version.
CREATE TABLE guides (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_class text NOT NULL,
    version    int NOT NULL CHECK (version > 0),
    title      text NOT NULL,
    rule       text NOT NULL, -- the one rule that stands above the choices
    body       text NOT NULL,
    change     text NOT NULL DEFAULT '', -- what differs from the version before
    author     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (task_class, version)
);
REVOKE UPDATE, DELETE ON guides FROM assay_app;

CREATE TABLE queues (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug              text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9_-]{0,79}$'),
    title             text NOT NULL,
    task_class        text NOT NULL,
    -- standard queues measure; labels of the other kinds never reach a rate.
    kind              text NOT NULL DEFAULT 'standard' CHECK (kind IN ('standard', 'discovery', 'practice')),
    labels_wanted     smallint NOT NULL DEFAULT 1 CHECK (labels_wanted BETWEEN 1 AND 9),
    overlap_share     double precision NOT NULL DEFAULT 0.10 CHECK (overlap_share BETWEEN 0 AND 1),
    measurement_share double precision NOT NULL DEFAULT 0.25 CHECK (measurement_share BETWEEN 0 AND 1),
    lease             interval NOT NULL DEFAULT '15 minutes' CHECK (lease > '0'),
    verdict_hidden    boolean NOT NULL DEFAULT false,
    blind             boolean NOT NULL DEFAULT true,
    spans_needed      boolean NOT NULL DEFAULT false,
    reasons           text[] NOT NULL CHECK (cardinality(reasons) BETWEEN 1 AND 6),
    created_at        timestamptz NOT NULL DEFAULT now(),
    archived_at       timestamptz
);
CREATE UNIQUE INDEX queues_one_standard_per_task_class ON queues (task_class)
    WHERE kind = 'standard' AND archived_at IS NULL;

-- What fills a queue. Versions stay: every decision names the one it was made under.
CREATE TABLE queue_rules (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id    bigint NOT NULL REFERENCES queues,
    version     int NOT NULL CHECK (version > 0),
    -- How many responses of one class and day may be in the queue; NULL is all, 0 is none.
    cap_safety   int CHECK (cap_safety >= 0),
    cap_negative int CHECK (cap_negative >= 0),
    cap_implicit int CHECK (cap_implicit >= 0),
    cap_random   int CHECK (cap_random >= 0),
    note        text NOT NULL DEFAULT '',
    author      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (queue_id, version)
);
REVOKE UPDATE, DELETE ON queue_rules FROM assay_app;
