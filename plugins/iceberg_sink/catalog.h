/* catalog.h: an Iceberg REST catalog: its configuration, loading a table, committing to it.
 */
#ifndef HEADGATE_PLUGINS_ICEBERG_SINK_CATALOG_H
#define HEADGATE_PLUGINS_ICEBERG_SINK_CATALOG_H

#include "plugins/iceberg/table.h"
#include "plugins/iceberg_sink/oauth.h"

typedef struct catalog {
    const char *base;                      /* "http://host:8181/v1" and the prefix, if the catalog has one */
    oauth_t *oauth;                        /* who asks */
    const hg_json_t *defaults, *overrides; /* of its configuration */
    hgp_patience_t patience;
    uint64_t timeout_ms;
} catalog_t;

/* Asks the catalog for its configuration. uri, and warehouse (NULL: none), are the user's. All that it keeps is in the
 * instance's arena, but for the token. patience and timeout_ms are set, and nothing else. Closed in any case. */
int catalog_open(hgp_instance_t *i, hgp_http_t *h, catalog_t *c, const char *uri, const char *warehouse,
                 const oauth_cfg_t *who, hg_err_t *err);
void catalog_close(catalog_t *c);
/* What the catalog says about a key of files and stores ("s3.endpoint"): before == false: where nobody else says
 * anything; true: whatever others say. NULL: nothing. */
const char *catalog_says(const catalog_t *c, const char *key, bool before);

/* A table's name: "a.b.t" is t in the namespace a.b. */
typedef struct table_name {
    const char *text, *url;        /* of the catalog's base, with everything */
    const char *const *namespaces; /* n of them */
    uint32_t n;
    const char *name;
} table_name_t;
/* HG_EINVAL: no namespace, or an empty part. */
int catalog_name(const catalog_t *c, hg_arena_t *a, const char *text, table_name_t *ret, hg_err_t *err);

/* HG_ENOTFOUND: there is no such table. */
int catalog_load(hgp_instance_t *i, hgp_http_t *h, const catalog_t *c, const table_name_t *name, hgi_table_t **ret,
                 hg_err_t *err);

typedef enum {
    COMMIT_DONE,
    COMMIT_CONFLICT, /* somebody else was first, or it was not sent: nothing was changed */
    COMMIT_UNKNOWN,  /* no answer, or one that does not say: the table has to be asked */
    COMMIT_REFUSED,  /* nothing was changed, and will not be */
} commit_t;
/* One attempt. *ret: the table as it is now, with COMMIT_DONE, where the answer has it, else NULL. err unless done. */
commit_t catalog_commit(hgp_instance_t *i, hgp_http_t *h, const catalog_t *c, const table_name_t *name, hg_str_t body,
                        hgi_table_t **ret, hg_err_t *err);

#endif
