#define _GNU_SOURCE
#include "cpostgres.h"
#include <errno.h>
#include <poll.h>
#include <time.h>

static long now_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/// Whether there is something to read, or room to write where that is wanted, before `deadline`.
static int is_ready(PGconn *connection, short wanted, long deadline) {
  struct pollfd waiting = {.fd = PQsocket(connection), .events = wanted};
  for (;;) {
    long left = deadline - now_milliseconds();
    int ready = poll(&waiting, 1, left < 0 ? 0 : (int)left);
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

PGconn *cpostgres_open(const char *location, int milliseconds) {
  // What the location says itself counts more.
  const char *names[] = {"application_name", "keepalives_idle", "tcp_user_timeout", "dbname", NULL};
  const char *values[] = {"onset-collector", "10", "10000", location, NULL};
  long deadline = now_milliseconds() + milliseconds;
  PGconn *connection = PQconnectStartParams(names, values, 1);
  if (!connection || PQstatus(connection) == CONNECTION_BAD) return connection;
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
    if (!is_ready(connection, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) break;
    state = PQconnectPoll(connection);
  }
  if (state == PGRES_POLLING_OK) PQsetnonblocking(connection, 1);
  return connection;
}

/// The last of the results of what was sent.
static PGresult *await(PGconn *connection, int is_sent, int milliseconds) {
  long deadline = now_milliseconds() + milliseconds;
  int unsent = is_sent ? PQflush(connection) : -1;
  while (unsent == 1) {
    if (!is_ready(connection, POLLIN | POLLOUT, deadline) || !PQconsumeInput(connection)) return NULL;
    unsent = PQflush(connection);
  }
  if (unsent != 0) return NULL;
  PGresult *last = NULL;
  for (;;) {
    while (PQisBusy(connection)) {
      if (is_ready(connection, POLLIN, deadline) && PQconsumeInput(connection)) continue;
      PQclear(last);
      return NULL;
    }
    PGresult *next = PQgetResult(connection);
    if (!next) return last;
    // The first of several commands that fails is the last that is run.
    PQclear(last);
    last = next;
  }
}

PGresult *cpostgres_execute(PGconn *connection, const char *sql, int milliseconds) {
  return await(connection, PQsendQuery(connection, sql), milliseconds);
}

PGresult *cpostgres_prepare(PGconn *connection, const char *name, const char *sql, int milliseconds) {
  return await(connection, PQsendPrepare(connection, name, sql, 0, NULL), milliseconds);
}

PGresult *cpostgres_run(PGconn *connection, const char *name, int count, const char *const *values, int milliseconds) {
  return await(connection, PQsendQueryPrepared(connection, name, count, values, NULL, NULL, 0), milliseconds);
}
