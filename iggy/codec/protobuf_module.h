/* protobuf_module.h: what the module headgate-protobuf.so does: messages of Protobuf schemas that are known only at run
 * time, by Google's C++ library. Both sides agree on this header alone: plain C.
 *
 * Every function answers 0, or -1 with a sentence in why[]. No exception leaves the module.
 */
#ifndef HG_IGGY_CODEC_PROTOBUF_MODULE_H
#define HG_IGGY_CODEC_PROTOBUF_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HG_PROTOBUF_ABI 1
#define HG_PROTOBUF_WHY 400 /* bytes of why[] */

/* Where message types are described: a serialised FileDescriptorSet, else a .proto file with the folders in which it
 * and its imports are looked for. */
typedef struct hg_protobuf_source {
    const char *set;
    size_t set_n;
    const char *path;
    const char *const *includes;
    uint32_t n_includes;
    const char *message; /* full name; NULL: the only one of the file */
} hg_protobuf_source_t;

/* Immutable; any threads at once. */
typedef struct hg_protobuf_type hg_protobuf_type_t;

typedef int (*hg_protobuf_put_fn)(void *arg, const char *p, size_t n); /* non-zero breaks off */

typedef struct hg_protobuf_api {
    uint32_t abi;
    int (*type_new)(const hg_protobuf_source_t *src, hg_protobuf_type_t **ret, char *why);
    void (*type_free)(hg_protobuf_type_t *t);
    const char *(*type_name)(const hg_protobuf_type_t *t);
    /* Protobuf's own JSON mapping, with the names of fields as the schema spells them, and 64-bit integers as numbers.
     */
    int (*to_json)(const hg_protobuf_type_t *t, const char *p, size_t n, hg_protobuf_put_fn put, void *arg, char *why);
    /* strict: members that the message does not have are refused, else they are passed over. Fields are written in the
     * order of their numbers. */
    int (*from_json)(const hg_protobuf_type_t *t, const char *json, size_t n, bool strict, hg_protobuf_put_fn put,
                     void *arg, char *why);
} hg_protobuf_api_t;

/* The module's only symbol: NULL if it cannot serve this ABI. */
const hg_protobuf_api_t *hg_protobuf_module(uint32_t abi);

#ifdef __cplusplus
}
#endif

#endif
