/* postgres_input_int.h: the PostgreSQL input's configuration and state, shared by postgres_input.c (life, connections),
 * postgres_input_plan.c (what is asked of the server) and postgres_input_pos.c (positions). */
#ifndef HG_CONNECTORS_TRANSPORT_POSTGRES_INPUT_INT_H
#define HG_CONNECTORS_TRANSPORT_POSTGRES_INPUT_INT_H

#include "connectors/transport/postgres_int.h"

#define HG_PGIN_RANGES 64 /* at most */

typedef struct {
    hg_pg_cfg_t conn;
    const char *query, *key_column, *snapshot;
    uint32_t parallel;
} pgin_cfg_t;

/* Keys of rows that were given and are perhaps not taken by the circuit: length, bytes, one behind the other. */
typedef struct {
    hg_buf_t buf;
    size_t head;    /* of the first one */
    uint64_t first; /* its row */
    uint64_t next;  /* behind the last one */
    uint64_t seen;  /* taken when the timer looked last: what lies before it is dropped when it looks again */
} pgin_keys_t;

typedef enum { RG_NEW, RG_OPENING, RG_SESSION, RG_BEGIN, RG_WAITING, RG_COPY, RG_DONE } range_state_t;

/* A range of the key, or everything: one connection, one lane. */
typedef struct {
    hg_input_t *in;
    uint32_t nr;
    range_state_t state;
    hg_pgconn_t *conn;
    hg_lane_t *lane;
    uint64_t lane_id;
    char *from, *to;      /* key >= from, key < to; NULL: no bound */
    char *start_key;      /* it began behind this key; NULL: at its beginning */
    uint64_t start, next; /* rows: where it began; the next one to give */
    hg_buf_t key;         /* of the last row given */
    bool has_key, header_seen, dirty, ended;
    pgin_keys_t keys;
    hg_err_t err; /* of a refused statement, until its results are through */
    unsigned attempts;
    uv_timer_t *timer; /* retry; heap */
} range_t;

typedef enum { PH_NEW, PH_PLAN, PH_IMPORT, PH_READ, PH_ENDED } phase_t;
typedef enum { ASK_PREPARE, ASK_DESCRIBE, ASK_ESTIMATE, ASK_KEY, ASK_EXPORT, ASK_NONE } pgin_ask_t;

typedef struct {
    phase_t phase;
    pgin_ask_t ask; /* what range 0 is being asked in PH_PLAN */
    bool running, closing, unhealthy;
    range_t *ranges;
    uint32_t n_ranges, open_conns;
    bool restored, bounded; /* bounded: the ranges are known */
    hg_buf_t select;        /* "SELECT … FROM (query) AS hg(c1, …)" */
    size_t from_at;         /* where its FROM begins */
    char *key_name;         /* "hg.c3" */
    Oid key_type;
    char *snapshot; /* exported by range 0 */
    uint64_t estimate;
    uv_timer_t *tick; /* flushes slow lanes, drops keys; heap */
} pgin_t;

/* postgres_input_plan.c: any thread. r: the description of the query. Fills select, key_name, key_type. */
int hg_pgin_plan(const pgin_cfg_t *c, const hg_schema_t *s, const PGresult *r, pgin_t *p, hg_err_t *err);
/* How a result column of a type reads as a table's column: "%s", "%s::text", "to_json(%s)"; NULL: it does not. */
const char *hg_pgin_cast(const hg_type_t *t, Oid oid);
/* What range asks: appends "COPY (SELECT … WHERE … ORDER BY …) TO STDOUT (FORMAT binary)". */
void hg_pgin_copy(const pgin_t *p, const range_t *r, hg_buf_t *out);
/* About the key, before the first row: (is a NULL among them?, lower bound of a range) rows. Ranges that are known
 * already are not asked for: then it is one row without a bound. */
void hg_pgin_ask_key(const pgin_t *p, hg_buf_t *out);
/* at[i]: where range i + 1 begins, in the key's order; n bounds, one less than ranges. n 0: there are no rows, or too
 * few to be worth it: range 0 has everything. */
void hg_pgin_split(pgin_t *p, const char *const *at, uint32_t n);

/* postgres_input_pos.c: loop */
void hg_pgin_ranges_new(hg_input_t *in, uint32_t n);
void hg_pgin_ranges_free(pgin_t *p);
int hg_pgin_key_add(pgin_keys_t *k, uint64_t row, hg_str_t key);
void hg_pgin_keys_drop(pgin_keys_t *k, uint64_t taken);
void hg_pgin_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w);
int hg_pgin_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err);
int hg_pgin_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err);

#endif
