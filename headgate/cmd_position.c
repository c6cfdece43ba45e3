/* cmd_position.c: `headgate position DIR`, the manager's way into the storage folder of a stopped pipeline. One JSON
 * document in on standard input, one out (pipeline/process.h). Exit code 0 = an answer was printed. */
#include "base/hg.h"
#include "headgate/cmd.h"
#include "pipeline/process.h"

int hg_cmd_position(int argc, char **argv)
{
    hg_buf_t in, out;
    if (argc != 2) {
        fprintf(stderr, "usage: headgate position DIR < question.json\n");
        return 2;
    }
    hg_buf_init(&in, 256u << 20);
    hg_buf_init(&out, HG_BUF_NOMAX);
    int rc = 1;
    if (!hg_cmd_read_stdin(&in))
        fprintf(stderr, "headgate position: standard input cannot be read\n");
    else if (hg_position_process(argv[1], hg_buf_str(&in), &out) == 0)
        rc = fwrite(out.p, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : 1;
    hg_buf_release(&in);
    hg_buf_release(&out);
    return rc;
}
