-- One row for each try that has not succeeded. The account is a hash: what is
-- typed there may be a password. Rows older than the pause count for nothing.
CREATE TABLE sign_in_failures (
    account_hash bytea NOT NULL CHECK (length(account_hash) = 32),
    address      text NOT NULL,
    failed_at    timestamptz NOT NULL
);

CREATE INDEX sign_in_failures_by_account ON sign_in_failures (account_hash, failed_at);
CREATE INDEX sign_in_failures_by_address ON sign_in_failures (address, failed_at);
