/* channel.c: messages over a socket pair, and shared memory (plugin_int.h). */
#include "base/hg.h"

#include "iggy/plugin/plugin_int.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEP ((size_t)8 << 20) /* a slot that held more gives it back */

typedef union control {
    char room[CMSG_SPACE(sizeof(int) * HG_PM_FDS)];
    struct cmsghdr align;
} control_t;

int hg_pm_send(int fd, const hg_pm_t *m, hg_str_t text, const int *fds, unsigned n_fds)
{
    hg_pm_t copy = *m;
    char none = 0;
    struct iovec iov[2] = { { &copy, sizeof copy }, { &none, 0 } };
    char cut[HG_PM_TEXT];
    size_t n = HG_MIN(text.n, sizeof cut);
    if (n) {
        memcpy(cut, text.p, n);
        iov[1] = (struct iovec){ cut, n };
    }
    control_t c = { .room = { 0 } };
    struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };
    if (n_fds) {
        h.msg_control = c.room;
        h.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(cm), fds, sizeof(int) * n_fds);
    }
    ssize_t rc;
    do rc = sendmsg(fd, &h, MSG_NOSIGNAL);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? HG_ECLOSED : 0;
}

static void take_fds(struct msghdr *h, hg_pm_in_t *ret)
{
    for (struct cmsghdr *cm = CMSG_FIRSTHDR(h); cm; cm = CMSG_NXTHDR(h, cm)) {
        if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS) continue;
        size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(cm) + i * sizeof fd, sizeof fd);
            if (ret->n_fds < HG_PM_FDS)
                ret->fds[ret->n_fds++] = fd;
            else
                close(fd);
        }
    }
}

int hg_pm_recv(int fd, hg_pm_in_t *ret)
{
    control_t c;
    struct iovec iov[2] = { { &ret->m, sizeof ret->m }, { ret->text, HG_PM_TEXT } };
    struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = c.room, .msg_controllen = sizeof c.room };
    ssize_t rc;
    do rc = recvmsg(fd, &h, MSG_CMSG_CLOEXEC);
    while (rc < 0 && errno == EINTR);
    ret->n_fds = 0;
    if (rc <= 0) return 0;
    take_fds(&h, ret);
    ret->text_n = (size_t)rc > sizeof ret->m ? (size_t)rc - sizeof ret->m : 0;
    ret->text[ret->text_n] = 0;
    return (size_t)rc < sizeof ret->m || (h.msg_flags & MSG_TRUNC) ? HG_EPROTO : 1;
}

int hg_plugin_lacks(hg_err_t *err, int errnum, const char *what)
{
    hg_err_errno(err, errnum, "%s", what);
    err->retry = 1;
    return err->code;
}

int hg_shm_new(hg_shm_t *s, hg_err_t *err)
{
    *s = (hg_shm_t){ .fd = memfd_create("headgate-batch", MFD_CLOEXEC | MFD_ALLOW_SEALING) };
    if (s->fd < 0) return hg_plugin_lacks(err, errno, "no shared memory");
    if (ftruncate(s->fd, (off_t)HG_PLUGIN_SLOT_BYTES) < 0 ||
        fcntl(s->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int e = errno;
        close(s->fd);
        return hg_plugin_lacks(err, e, "no shared memory");
    }
    return hg_shm_attach(s, s->fd, true, err);
}

int hg_shm_attach(hg_shm_t *s, int fd, bool write, hg_err_t *err)
{
    void *p =
        mmap(NULL, HG_PLUGIN_SLOT_BYTES, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (p == MAP_FAILED) {
        int e = errno;
        close(fd);
        return hg_plugin_lacks(err, e, "shared memory cannot be mapped");
    }
    *s = (hg_shm_t){ fd, p, 0 };
    return 0;
}

void hg_shm_release(hg_shm_t *s)
{
    if (!s->p) return;
    munmap(s->p, HG_PLUGIN_SLOT_BYTES);
    close(s->fd);
    *s = (hg_shm_t){ -1, NULL, 0 };
}

void hg_shm_rest(hg_shm_t *s)
{
    (void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)HG_PLUGIN_SLOT_BYTES);
    s->used = 0;
}

void hg_shm_trim(hg_shm_t *s, size_t next)
{
    if (s->used > KEEP && next < KEEP) hg_shm_rest(s);
    s->used = next;
}
