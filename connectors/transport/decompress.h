/* decompress.h: gzip and zstd for transports that read bytes.
 *
 * One hg_decompress_t per stream that is read. A stream is a sequence of members (gzip) or frames (zstd), each of which
 * can be decompressed without what is before it. Lane positions, and those that users see, count uncompressed bytes;
 * beside them a position keeps the last member that began before, so that a resume need not begin at the start:
 *
 *   run:     hg_decompress() with what was read, straight into the room of hg_lane_reserve(); after it
 *            hg_members_note(), on the loop
 *   save:    hg_members_at(taken) → hg_member_save()
 *   restore: hg_member_read(); read from .packed; hg_decompress_from(): what is before the offset is thrown away
 *
 * A stream that ends too early, has a wrong checksum, or is not compressed at all is an error that names both offsets;
 * who gets it says so and does not report an end of input. Memory: at most one window per stream, 32 KiB (gzip) or what
 * the frame asks for (zstd), but no more than 128 MiB, which is also the limit of the zstd command.
 *
 * Threads: one at a time per object, any thread.
 */
#ifndef HG_CONNECTORS_TRANSPORT_DECOMPRESS_H
#define HG_CONNECTORS_TRANSPORT_DECOMPRESS_H

#include "base/err.h"
#include "base/json.h"

/* The option `compression`, in the order of HG_COMPRESSION_NAMES. */
typedef enum {
    HG_COMPRESSION_AUTO,
    HG_COMPRESSION_NONE,
    HG_COMPRESSION_GZIP,
    HG_COMPRESSION_ZSTD,
} hg_compression_t;
#define HG_COMPRESSION_NAMES "auto|none|gzip|zstd"

/* What `auto` means for something with this name (a path, a URL's path, an object's key; not NUL-ended): gzip for .gz
 * and .gzip, zstd for .zst and .zstd, else none. Other options are what they say. */
hg_compression_t hg_compression_of(hg_compression_t option, hg_str_t name);
const char *hg_compression_name(hg_compression_t c); /* "gzip" */

typedef struct hg_decompress hg_decompress_t;

/* c is gzip or zstd. Never NULL; the libraries' own memory may be refused later, by hg_decompress (HG_ENOMEM). */
hg_decompress_t *hg_decompress_new(hg_compression_t c);
void hg_decompress_free(hg_decompress_t *d); /* NULL is fine */

/* Where a member begins: in the compressed bytes, and in the uncompressed ones. Zeroed: the stream's start. */
typedef struct hg_member {
    uint64_t packed, plain;
} hg_member_t;

/* Begin (again) at this member; bytes before `offset` (>= from.plain) of the uncompressed stream are not given. */
void hg_decompress_from(hg_decompress_t *d, hg_member_t from, uint64_t offset);

/* Takes *used of the n bytes and puts *made <= room bytes into out. *used < n or *made == room: there may be more to
 * give: call again with the rest, even if that is nothing. Otherwise all was taken and given. Errors are fatal: HG_EIO
 * for a stream that is none or is damaged, with both offsets; HG_ENOMEM. out is also used for what is thrown away. */
int hg_decompress(hg_decompress_t *d, const char *in, size_t n, size_t *used, char *out, size_t room, size_t *made,
                  hg_err_t *err);
/* The source has no more bytes, and all were taken: HG_EIO if the stream ends within a member, is empty, or does not
 * reach the offset of hg_decompress_from. */
int hg_decompress_end(const hg_decompress_t *d, hg_err_t *err);

uint64_t hg_decompress_in(const hg_decompress_t *d);        /* compressed bytes taken, from the stream's start */
hg_member_t hg_decompress_member(const hg_decompress_t *d); /* where the newest member begins */

/* --- members that a position can begin with: owned by the loop --- */
#define HG_MEMBERS 16
typedef struct hg_members {
    hg_member_t v[HG_MEMBERS]; /* ascending, never nearer to each other than 256 KiB of compressed bytes */
    unsigned n;
} hg_members_t;
void hg_members_note(hg_members_t *m, hg_member_t newest);
/* The last one that begins not behind this uncompressed offset; those before it are forgotten. */
hg_member_t hg_members_at(hg_members_t *m, uint64_t offset);

/* The position's members "member_at" and "member_offset", which are left out for the stream's start. */
#define HG_MEMBER_NAMES "member_at", "member_offset"
void hg_member_save(hg_member_t m, hg_jw_t *w);
/* what, as for hg_position_u64; offset: the position's. */
int hg_member_read(const hg_json_t *v, const char *what, uint64_t offset, hg_member_t *ret, hg_err_t *err);

#endif
