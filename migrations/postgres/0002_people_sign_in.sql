-- Who signs in, and what for. A person is never deleted: what they did keeps
-- its name; a disabled person cannot sign in.
CREATE TABLE people (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email                 text NOT NULL CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    name                  text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    password              text,        -- argon2id, PHC string; none until the first sign-in by link
    second_factor         bytea,       -- sealed TOTP secret; none until enrolled
    second_factor_pending bytea,       -- sealed, shown for enrolling, not yet proven
    second_factor_step    bigint NOT NULL DEFAULT 0, -- the last time step that was accepted; none is accepted twice
    theme                 text NOT NULL DEFAULT '' CHECK (theme IN ('', 'light', 'dark')),
    time_zone             text NOT NULL DEFAULT '',
    single_keys           boolean NOT NULL DEFAULT true,
    demo                  boolean NOT NULL DEFAULT false, -- made for trying the product alone on one machine
    created_at            timestamptz NOT NULL DEFAULT now(),
    disabled_at           timestamptz
);

CREATE UNIQUE INDEX people_email ON people (email);

CREATE TABLE person_roles (
    person_id  bigint NOT NULL REFERENCES people,
    role       text NOT NULL CHECK (role IN ('labeler', 'reviewer', 'engineer', 'release_manager', 'admin', 'auditor')),
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (person_id, role)
);

-- Who builds, who decides and who checks are three people.
CREATE UNIQUE INDEX person_roles_exclude_each_other ON person_roles (person_id)
    WHERE role IN ('engineer', 'release_manager', 'auditor');

-- A grant of power waits here until a second administrator agrees.
CREATE TABLE role_proposals (
    person_id   bigint NOT NULL REFERENCES people,
    role        text NOT NULL CHECK (role IN ('release_manager', 'admin', 'auditor')),
    proposed_by bigint NOT NULL REFERENCES people,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (person_id, role),
    CONSTRAINT role_proposals_not_for_oneself CHECK (person_id <> proposed_by)
);
