/* access_int.h: the one tenant there is, and who may do what. Control loop. */
#ifndef HG_MANAGER_ACCESS_INT_H
#define HG_MANAGER_ACCESS_INT_H

#include "manager/manager_int.h"

/* The same on every installation: clients may have stored it. */
#define HG_TENANT_ID   "00000000-0000-7000-8000-000000000000"
#define HG_TENANT_NAME "default"

#define HG_KEY_CAP 136 /* "apikey:", 128 letters and digits, NUL */

/* A new key; what holds it is to be wiped (explicit_bzero) after use. */
void hg_key_make(char out[HG_KEY_CAP]);
void hg_key_hash(hg_str_t key, uint8_t out[HG_KEY_HASH]);
const char *hg_role_name(hg_role_t role);

/* Reads DATA/admin-key, or makes it (mode 0600). HG_EINVAL: the file holds something else. */
int hg_auth_open(hg_mg_t *mg, hg_err_t *err);
/* Whose request it is. False after an answer: 401, or 500 if the store cannot be asked. */
bool hg_auth_check(hg_mg_t *mg, hg_req_t *r, hg_role_t *ret);
/* False after an answer of 403. */
bool hg_auth_allow(hg_call_t *c, hg_role_t required);

#endif
