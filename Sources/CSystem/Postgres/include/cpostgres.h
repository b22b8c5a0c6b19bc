// libpq, with what a program needs that must not wait for ever: calls that end after so many milliseconds.
#pragma once
#include <postgresql/libpq-fe.h>

/// A connection to what `location` says, or what became of the attempt; NULL where there is no memory.
PGconn *cpostgres_open(const char *location, int milliseconds);
/// What became of a command, or of the last of several; NULL where no answer came in time, and the connection is of no
/// more use.
PGresult *cpostgres_execute(PGconn *connection, const char *sql, int milliseconds);
/// The same of a statement that is prepared under a name.
PGresult *cpostgres_prepare(PGconn *connection, const char *name, const char *sql, int milliseconds);
PGresult *cpostgres_run(PGconn *connection, const char *name, int count, const char *const *values, int milliseconds);
