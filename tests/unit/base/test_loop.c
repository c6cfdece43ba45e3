/* test-labels: threads
 * Loops and the pool: posts arrive in order, work comes back to its loop, nothing is lost at the end. */
#include "tests/lib/test.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#define N 2000

typedef struct {
    hg_loop_t *loop;
    unsigned seen[2];
    bool ordered;
} order_t;
typedef struct {
    order_t *o;
    unsigned who, n;
} note_t;

static void on_note(void *arg)
{
    note_t *n = arg;
    if (n->o->seen[n->who] != n->n) n->o->ordered = false;
    n->o->seen[n->who]++;
    hg_free(n);
}

static void poster(void *arg, unsigned worker)
{
    order_t *o = arg;
    (void)worker;
    static _Atomic unsigned next;
    unsigned who = atomic_fetch_add(&next, 1) % 2;
    for (unsigned i = 0; i < N; i++) {
        note_t *n = HG_NEW(note_t);
        *n = (note_t){ o, who, i };
        hg_loop_post(o->loop, on_note, n);
    }
}

static void posts_of_one_thread_run_in_order(void **state)
{
    (void)state;
    order_t o = { .loop = hg_loop_new("test"), .ordered = true };
    hg_pool_t *p = hg_pool_new(2);
    hg_loop_start(o.loop);
    hg_pool_submit(p, poster, NULL, NULL, &o);
    hg_pool_submit(p, poster, NULL, NULL, &o);
    hg_pool_free(p);
    hg_loop_stop(o.loop);
    hg_loop_free(o.loop);
    assert_true(o.ordered);
    assert_int_equal(o.seen[0] + o.seen[1], 2 * N);
}

typedef struct {
    hg_loop_t *loop;
    _Atomic unsigned worked;
    unsigned done;
} count_t;

static void work(void *arg, unsigned worker)
{
    (void)worker;
    atomic_fetch_add(&((count_t *)arg)->worked, 1);
}
static void done(void *arg)
{
    count_t *c = arg;
    HG_ON_LOOP(c->loop);
    if (++c->done == 100) hg_loop_stop(c->loop);
}

static void work_comes_back_to_its_loop(void **state)
{
    (void)state;
    count_t c = { .loop = hg_loop_new("test") };
    hg_pool_t *p = hg_pool_new(3);
    for (int i = 0; i < 100; i++) hg_pool_submit(p, work, done, c.loop, &c);
    hg_loop_run(c.loop);
    hg_pool_free(p);
    hg_loop_free(c.loop);
    assert_int_equal(atomic_load(&c.worked), 100);
    assert_int_equal(c.done, 100);
}

typedef struct seen {
    pthread_mutex_t lock;
    char seen[8];
    unsigned n;
} seen_t;

typedef struct named {
    seen_t *o;
    char name;
} named_t;

static void note(void *arg, unsigned worker)
{
    named_t *x = arg;
    (void)worker;
    pthread_mutex_lock(&x->o->lock);
    x->o->seen[x->o->n++] = x->name;
    pthread_mutex_unlock(&x->o->lock);
}

static void urgent_work_comes_first(void **state)
{
    (void)state;
    seen_t o = { .lock = PTHREAD_MUTEX_INITIALIZER };
    named_t x[5] = { { &o, 'a' }, { &o, 'b' }, { &o, 'c' }, { &o, 'U' }, { &o, 'V' } };
    hg_pool_t *p = hg_pool_new(1);
    pthread_mutex_lock(&o.lock); /* 'a' is taken, or waits like the others */
    for (int i = 0; i < 3; i++) hg_pool_submit(p, note, NULL, NULL, &x[i]);
    for (int i = 3; i < 5; i++) hg_pool_submit_urgent(p, note, NULL, NULL, &x[i]);
    pthread_mutex_unlock(&o.lock);
    hg_pool_free(p);
    assert_true(strcmp(o.seen, "aUVbc") == 0 || strcmp(o.seen, "UVabc") == 0);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void a_call_waits(void **state)
{
    (void)state;
    hg_loop_t *l = hg_loop_new("test");
    bool flag = false;
    hg_loop_start(l);
    hg_loop_call(l, set_flag, &flag);
    assert_true(flag);
    hg_loop_stop(l);
    hg_loop_free(l);
}

typedef struct {
    hg_loop_t *loop;
    uv_check_t check;
    unsigned ran, turns, turns_before_last;
} turns_t;

static void on_turn(uv_check_t *c)
{
    ((turns_t *)c->data)->turns++;
}

static void end(void *arg)
{
    hg_loop_stop(((turns_t *)arg)->loop);
}

static void slow(void *arg)
{
    turns_t *t = arg;
    if (t->ran++ == 0) hg_loop_post(t->loop, end, t); /* comes while a slice has left posts behind */
    t->turns_before_last = t->turns;
    for (int64_t until = hg_mono_us() + 1000; hg_mono_us() < until;) continue;
}

static void many_slow_posts_take_turns_with_the_rest(void **state)
{
    (void)state;
    turns_t t = { .loop = hg_loop_new("test") };
    uv_check_init(hg_loop_uv(t.loop), &t.check);
    t.check.data = &t;
    uv_check_start(&t.check, on_turn);
    for (int i = 0; i < 64; i++) hg_loop_post(t.loop, slow, &t);
    hg_loop_start(t.loop);
    hg_loop_free(t.loop);
    assert_int_equal(t.ran, 64);
    assert_true(t.turns_before_last >= 4); /* whatever polls and listens had its turn in between */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_one_thread_run_in_order),
        cmocka_unit_test(work_comes_back_to_its_loop),
        cmocka_unit_test(urgent_work_comes_first),
        cmocka_unit_test(a_call_waits),
        cmocka_unit_test(many_slow_posts_take_turns_with_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
