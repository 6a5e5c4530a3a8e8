CREATE TABLE launch (
    id                    TEXT PRIMARY KEY,
    campaign              INTEGER NOT NULL REFERENCES campaign (id),
    browser_name          TEXT NOT NULL,
    browser_version       TEXT NOT NULL,
    started_unix_micros   INTEGER NOT NULL,
    finished_unix_micros  INTEGER,
    ending                TEXT
) STRICT;
INSERT INTO launch (id, campaign, browser_name, browser_version, started_unix_micros, finished_unix_micros, ending)
SELECT id, campaign, browser_name, browser_version, started_unix_micros, finished_unix_micros, ending FROM session
WHERE campaign IS NOT NULL;
DROP TABLE session;
ALTER TABLE launch RENAME TO session;

DROP TABLE tuning;
DROP VIEW recovery;
DROP TABLE event;
