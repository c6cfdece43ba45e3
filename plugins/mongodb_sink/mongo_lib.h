/* mongo_lib.h: libmongoc and libbson, loaded at the first open. A function f of theirs is hgp_mongo.f_. */
#ifndef HEADGATE_PLUGINS_MONGODB_SINK_MONGO_LIB_H
#define HEADGATE_PLUGINS_MONGODB_SINK_MONGO_LIB_H

#include "base/library.h"
#include <mongoc/mongoc.h>

#define HGP_MONGO_FUNCTIONS(F)                                                                                         \
    F(mongoc_init)                                                                                                     \
    F(mongoc_log_set_handler)                                                                                          \
    F(mongoc_uri_new_with_error)                                                                                       \
    F(mongoc_uri_destroy)                                                                                              \
    F(mongoc_client_new_from_uri_with_error)                                                                           \
    F(mongoc_client_set_error_api)                                                                                     \
    F(mongoc_client_set_appname)                                                                                       \
    F(mongoc_client_get_collection)                                                                                    \
    F(mongoc_client_command_simple)                                                                                    \
    F(mongoc_client_destroy)                                                                                           \
    F(mongoc_collection_insert_many)                                                                                   \
    F(mongoc_collection_destroy)                                                                                       \
    F(bson_init)                                                                                                       \
    F(bson_reinit)                                                                                                     \
    F(bson_destroy)                                                                                                    \
    F(bson_append_utf8)                                                                                                \
    F(bson_append_int32)                                                                                               \
    F(bson_append_int64)                                                                                               \
    F(bson_append_bool)                                                                                                \
    F(bson_append_date_time)                                                                                           \
    F(bson_append_binary)                                                                                              \
    F(bson_concat)                                                                                                     \
    F(bson_init_from_json)                                                                                             \
    F(bson_iter_init_find)                                                                                             \
    F(bson_iter_find)                                                                                                  \
    F(bson_iter_next)                                                                                                  \
    F(bson_iter_recurse)                                                                                               \
    F(bson_iter_key)                                                                                                   \
    F(bson_iter_type)                                                                                                  \
    F(bson_iter_as_int64)                                                                                              \
    F(bson_iter_utf8)

typedef struct hgp_mongo {
    HGP_MONGO_FUNCTIONS(HG_LIB_POINTER)
} hgp_mongo_t;
extern hgp_mongo_t hgp_mongo;

int hgp_mongo_load(hg_err_t *err); /* any thread. HG_EIO: it is not installed */

#endif
