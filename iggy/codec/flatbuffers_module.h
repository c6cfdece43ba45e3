/* flatbuffers_module.h: what the module headgate-flatbuffers.so does: FlatBuffers of schemas that are known only at run
 * time, by Google's C++ library. Both sides agree on this header alone: plain C.
 *
 * Every function answers 0, or -1 with a sentence in why[]. No exception leaves the module.
 */
#ifndef HG_IGGY_CODEC_FLATBUFFERS_MODULE_H
#define HG_IGGY_CODEC_FLATBUFFERS_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HG_FLATBUFFERS_ABI 1
#define HG_FLATBUFFERS_WHY 400 /* bytes of why[] */

/* A schema, by the end of its name: .bfbs is binary, anything else is text. */
typedef struct hg_flatbuffers_source {
    const char *path;
    const char *bytes; /* of the file */
    size_t n;
    const char *const *includes; /* folders of what a text includes; its own is one of them */
    uint32_t n_includes;
    bool (*may)(const char *path); /* asked for each file that a text includes; NULL: all may be read */
    const char *root;              /* table, with its namespace; NULL: the schema's root_type */
} hg_flatbuffers_source_t;

/* Immutable; any threads at once. */
typedef struct hg_flatbuffers_type hg_flatbuffers_type_t;

typedef int (*hg_flatbuffers_put_fn)(void *arg, const char *p, size_t n); /* non-zero breaks off */

typedef struct hg_flatbuffers_api {
    uint32_t abi;
    int (*type_new)(const hg_flatbuffers_source_t *src, hg_flatbuffers_type_t **ret, char *why);
    void (*type_free)(hg_flatbuffers_type_t *t);
    const char *(*type_name)(const hg_flatbuffers_type_t *t);
    int (*verify)(const hg_flatbuffers_type_t *t, const char *p, size_t n, char *why);
    /* The buffer is verified first. Fields that are not in it are left out, or (defaults) said with their defaults. */
    int (*to_json)(const hg_flatbuffers_type_t *t, const char *p, size_t n, bool defaults, hg_flatbuffers_put_fn put,
                   void *arg, char *why);
    /* strict: members that the table does not have are refused, else they are passed over. */
    int (*from_json)(const hg_flatbuffers_type_t *t, const char *json, size_t n, bool strict, hg_flatbuffers_put_fn put,
                     void *arg, char *why);
} hg_flatbuffers_api_t;

/* The module's only symbol: NULL if it cannot serve this ABI. */
const hg_flatbuffers_api_t *hg_flatbuffers_module(uint32_t abi);

#ifdef __cplusplus
}
#endif

#endif
