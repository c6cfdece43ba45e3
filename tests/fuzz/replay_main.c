/* Replays a corpus through a fuzz target that was built without libFuzzer: every file of every folder given, then each
 * file cut at some places. An empty corpus is an error: a test that cannot fail is no test. */
#include "base/hg.h"
#include <dirent.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static unsigned replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    uint8_t *p = malloc((size_t)n + 1);
    size_t got = fread(p, 1, (size_t)n, f);
    fclose(f);
    for (size_t cut = 0; cut < 8; cut++) {
        /* an exact-size copy, so that address sanitizer sees a read past the end */
        size_t m = got - got * cut / 8;
        uint8_t *q = malloc(m ? m : 1);
        memcpy(q, p, m);
        LLVMFuzzerTestOneInput(q, m);
        free(q);
    }
    free(p);
    return 1;
}

static unsigned replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) return 0;
    if (!S_ISDIR(st.st_mode)) return replay_file(path);
    unsigned n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char sub[4096];
        if (e->d_name[0] == '.') continue;
        snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
        n += replay(sub);
    }
    if (d) closedir(d);
    return n;
}

int main(int argc, char **argv)
{
    unsigned n = 0;
    for (int i = 1; i < argc; i++) n += replay(argv[i]);
    printf("%u corpus files replayed\n", n);
    return n ? 0 : 1;
}
