-- Version 2: the name that the telegram of a number in quarantine gave its meter, when that is what was wrong. A
-- restart in the middle of an exchange goes on counting with it.
ALTER TABLE held ADD COLUMN identity TEXT;
