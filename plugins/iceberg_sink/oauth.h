/* oauth.h: the bearer token of a catalog: the user's own, or one that the catalog's token service gives for a client's
 * id and secret (OAuth2, client_credentials). Such a token is had anew shortly before it expires, and when the catalog
 * does not take it any more.
 *
 * Any thread: one asks, the others wait for its answer.
 */
#ifndef HEADGATE_PLUGINS_ICEBERG_SINK_OAUTH_H
#define HEADGATE_PLUGINS_ICEBERG_SINK_OAUTH_H

#include "plugins/sdk/http.h"
#include <pthread.h>

typedef struct oauth {
    const char *url;       /* of the token service; NULL: no service, the header is fixed */
    const char *form;      /* what it is sent */
    uint64_t timeout_ms;   /* of one request */
    pthread_mutex_t mutex; /* of what follows */
    char *header;          /* "Authorization: Bearer …"; NULL: none (yet) */
    uint64_t number;       /* of the token: counts those that there were */
    int64_t renew_s;       /* when to have another one, seconds since 1970; 0: when it is refused */
    int64_t expires_s;
} oauth_t;

typedef struct oauth_cfg {
    const char *token, *credential, *scope, *server_uri; /* the user's; NULL: not given */
} oauth_cfg_t;

/* uri: the catalog's, which has the service at /v1/oauth/tokens unless server_uri says otherwise. o was zeroed; it is
 * released in any case. Texts are kept in the instance's arena. HG_EINVAL: options that do not go together. */
int oauth_init(hgp_instance_t *i, oauth_t *o, const oauth_cfg_t *cfg, const char *uri, hg_err_t *err);
void oauth_release(oauth_t *o);

/* The header of a request, hg_free()d by the caller; NULL: none. *number says which token it has. Where a token is
 * asked for, h is used, once: attempts are the caller's. err->retry where another one may help. */
int oauth_header(hgp_instance_t *i, oauth_t *o, hgp_http_t *h, char **ret, uint64_t *number, hg_err_t *err);
/* The catalog refused the token of this number. True: the next header has another one. */
bool oauth_refused(oauth_t *o, uint64_t number);

#endif
