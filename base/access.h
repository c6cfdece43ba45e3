/* access.h: what programs may reach: `headgate serve --allow-path`, `--allow-host`, `--deny-private-hosts`.
 *
 * Whoever opens a file or a connection because a program says so asks here, twice: when the program is compiled, with
 * what is written in it (a refusal then has a place), and where it is done, with what it has come to (symbolic links
 * are followed, names are looked up). Only the second answer protects; the first one helps people.
 *
 * The manager makes the limits and hands them to its children; a child puts them in force before it starts a thread,
 * and they never change. Without limits everything is allowed and nothing here costs more than a comparison.
 *
 * Rules
 * 1. With at least one allowed path, a file must be one of them or lie below one, after all symbolic links.
 * 2. With at least one allowed host, a host must match one by its name as it was asked for, or by its address.
 * 3. deny_private refuses addresses that are not public, whatever name they hide behind, except those that an allowed
 *    host names by number (`10.1.2.3`, `10.1.0.0/16`).
 * 4. With any limit, the data directory is out of reach, and so are the options of client libraries that run commands,
 *    load code or talk to third parties by themselves.
 * 5. A unix socket is a path. If only hosts are limited, it is refused.
 *
 * Any thread unless it says otherwise. Refusals are HG_EPERM with a whole sentence and are not retryable.
 */
#ifndef HG_BASE_ACCESS_H
#define HG_BASE_ACCESS_H

#include "base/json.h"
#include <sys/socket.h>
#include <sys/types.h>

typedef struct hg_access hg_access_t;

/* --- making limits: the daemon's start, one thread --- */
hg_access_t *hg_access_new(void);
void hg_access_free(hg_access_t *a); /* NULL: nothing */
/* A file or folder, which must exist: it is meant as it is now, without its symbolic links. */
int hg_access_add_path(hg_access_t *a, const char *path, hg_err_t *err);
/* NAME, *.DOMAIN, ADDRESS or NETWORK/BITS, each with an optional :PORT, or * for all. */
int hg_access_add_host(hg_access_t *a, const char *pattern, hg_err_t *err);
void hg_access_deny_private(hg_access_t *a);
/* Folder that stays out of reach even if it lies below an allowed one. */
int hg_access_deny_path(hg_access_t *a, const char *path, hg_err_t *err);
bool hg_access_limits(const hg_access_t *a); /* a may be NULL */
/* As one value for a child; null without limits. */
void hg_access_write(const hg_access_t *a, hg_jw_t *w);
/* Puts what hg_access_write wrote in force, once, before other threads exist. v NULL or null: no limits. */
int hg_access_enter(const hg_json_t *v, hg_err_t *err);
/* Tests: as if hg_access_enter had not been called. */
void hg_access_leave(void);

/* --- asking --- */
bool hg_access_limited(void);       /* are there any limits? */
bool hg_access_paths_limited(void); /* may not every file be opened? */
bool hg_access_hosts_limited(void); /* may not every host be asked? */

/* May this file be read or written? It looks at the disk (symbolic links) but opens nothing. What does not exist yet is
 * judged by the folder it would be in. For files that a client library opens by itself this is all that can be done. */
int hg_access_path(const char *path, hg_err_t *err);
/* open(2), O_CLOEXEC added; where there are limits, no symbolic link that is changed meanwhile can lead outside. -1 and
 * errno as open(2); EACCES: outside (it was allowed when it was looked up). */
int hg_access_open(const char *path, int flags, mode_t mode);

/* May one ask `host` (name or number, without port)? 0 also where only its address can tell. port 0: any. */
int hg_access_host(hg_str_t host, unsigned port, hg_err_t *err);
/* The same for "host", "host:port", "[v6]:port", as brokers are written. */
int hg_access_server(hg_str_t server, hg_err_t *err);
/* May one connect there? host: the name that was asked for and that stands for this address by what a name server says
 * now; NULL if a program gave the address, or nobody knows. */
int hg_access_addr(const struct sockaddr *sa, const char *host, hg_err_t *err);
int hg_access_socket(const char *unix_path, hg_err_t *err);

/* Looks a name up (getaddrinfo: it blocks) and keeps the addresses that may be connected to, with the port filled in.
 * How many, > 0; HG_EPERM if none may, HG_ENET (retryable) if the name has none. */
int hg_access_resolve(const char *host, unsigned port, struct sockaddr_storage *ret, unsigned max, hg_err_t *err);

#endif
