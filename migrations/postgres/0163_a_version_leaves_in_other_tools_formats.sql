-- A frozen version is also written as other tools read it, and as the records
-- whose bytes its content hash is of.
ALTER TABLE exports
    DROP CONSTRAINT exports_format_check,
    ADD CONSTRAINT exports_format_check CHECK (format IN ('jsonl', 'csv', 'parquet', 'label-studio', 'argilla', 'records'));
