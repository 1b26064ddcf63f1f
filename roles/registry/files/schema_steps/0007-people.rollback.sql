DROP TABLE communication.outbox, auth.sessions, auth.users;
