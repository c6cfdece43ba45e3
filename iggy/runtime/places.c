/* places.c: the offsets that a sink's group has stored, remembered here: one file per topic and group, a line of fixed
 * width per partition at its own place, written over with each stored offset and not synced. A crash of this process or
 * of the server leaves it as it is; one of the machine may leave an older line or half of one, which its checksum
 * tells: then it is as if nothing was remembered. */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "iggy/runtime/runtime_int.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#define FIELDS 86 /* characters: partition, offset, timestamp, id */
#define LINE   (FIELDS + 1 + 16 + 1)

struct hg_places {
    char *path;
    char *key;
    int fd;
    bool complained; /* under no lock: the lane's thread alone writes */
};

static void complain(hg_places_t *p, int errnum)
{
    hg_err_t err = HG_ERR_INIT;
    if (p->complained) return;
    p->complained = true;
    hg_err_errno(&err, errnum, "%s", p->path);
    hg_log(HG_LOG_WARN, "iggy_sink", p->key, "offsets_not_remembered", "reason=\"%s\"", err.msg);
}

hg_places_t *hg_places_open(const char *dir, const char *key, const char *stream, const char *topic, const char *group)
{
    char *whose = hg_xprintf("%s\n%s\n%s", stream, topic, group);
    hg_places_t *p = HG_NEW(hg_places_t);
    p->key = hg_xstrdup(key);
    p->path = hg_xprintf("%s/sink_%s_%016" PRIx64 ".offsets", dir, key, (uint64_t)XXH3_64bits(whose, strlen(whose)));
    p->fd = strchr(key, '/') ? (errno = EINVAL, -1) : open(p->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (p->fd < 0) complain(p, errno);
    hg_free(whose);
    return p;
}

void hg_places_close(hg_places_t *p)
{
    if (!p) return;
    if (p->fd >= 0) close(p->fd);
    hg_free(p->path);
    hg_free(p->key);
    hg_free(p);
}

static void print(char line[LINE + 1], uint32_t partition, const hg_place_t *place)
{
    snprintf(line, LINE + 1, "%10" PRIu32 " %20" PRIu64 " %20" PRIu64 " %016" PRIx64 "%016" PRIx64 " ", partition,
             place->offset, place->timestamp, (uint64_t)(place->id >> 64), (uint64_t)place->id);
    snprintf(line + FIELDS + 1, LINE - FIELDS, "%016" PRIx64 "\n", (uint64_t)XXH3_64bits(line, FIELDS));
}

void hg_places_put(hg_places_t *p, uint32_t partition, const hg_place_t *place)
{
    char line[LINE + 1];
    if (p->fd < 0) return;
    print(line, partition, place);
    ssize_t n;
    do n = pwrite(p->fd, line, LINE, (off_t)partition * LINE);
    while (n < 0 && errno == EINTR);
    if (n != LINE) complain(p, n < 0 ? errno : ENOSPC);
}

bool hg_places_get(const hg_places_t *p, uint32_t partition, hg_place_t *ret)
{
    char line[LINE + 1] = "", again[LINE + 1];
    uint32_t number;
    uint64_t high, low;
    if (p->fd < 0 || pread(p->fd, line, LINE, (off_t)partition * LINE) != LINE) return false;
    if (sscanf(line, "%10" SCNu32 " %20" SCNu64 " %20" SCNu64 " %16" SCNx64 "%16" SCNx64, &number, &ret->offset,
               &ret->timestamp, &high, &low) != 5)
        return false;
    ret->id = (hg_u128)high << 64 | low;
    print(again, partition, ret); /* which has the checksum */
    return memcmp(line, again, LINE) == 0;
}
