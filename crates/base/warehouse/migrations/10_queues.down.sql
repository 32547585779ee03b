DROP TABLE dead_messages;
DROP TABLE queue_messages;
DROP TABLE queues;
