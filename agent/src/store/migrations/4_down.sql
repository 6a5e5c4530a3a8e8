-- An older version has no place for what was rolled up.
DROP TABLE retention;
DROP TABLE rollup;
