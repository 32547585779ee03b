-- Detection requests on their way to workers, and answers on their way back. A message that is done is deleted, so that
-- the table stays small.
CREATE TABLE queues (
    name       TEXT NOT NULL PRIMARY KEY,
    accepted   BIGINT NOT NULL DEFAULT 0, -- messages that were ever put in
    expires_at BIGINT                     -- of a queue of answers: nobody waits any more after it; NULL: it stays
);
CREATE TABLE queue_messages (
    message_id TEXT NOT NULL PRIMARY KEY,
    queue      TEXT NOT NULL,
    body       TEXT NOT NULL,             -- JSON
    visible_at BIGINT NOT NULL,           -- nobody receives it before
    receives   BIGINT NOT NULL DEFAULT 0,
    lease      TEXT                       -- proves that a receive is the latest; NULL: nobody has it
);
CREATE INDEX queue_messages_next ON queue_messages (queue, visible_at, message_id);

-- Messages that were given up.
CREATE TABLE dead_messages (
    message_id TEXT NOT NULL PRIMARY KEY,
    queue      TEXT NOT NULL,
    body       TEXT NOT NULL,
    receives   BIGINT NOT NULL,
    reason     TEXT NOT NULL,
    died_at    BIGINT NOT NULL
);
CREATE INDEX dead_messages_by_queue ON dead_messages (queue, died_at);
