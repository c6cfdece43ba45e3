/* iggy_plugin.h: what a connector plugin exports, and what its host gives it. For plugins written in C or anything that
 * can make a shared library; the same file is loaded by `headgate connectors` and by Apache Iggy's own runtime
 * (0.5.0-edge.4, the handle_v2 generation).
 *
 * A library exports the source set, the sink set, or both. Every function of a set is mandatory, but for those that
 * say otherwise. Strings and buffers are pointer and length, not NUL-terminated, but for the version. Batches cross in
 * postcard 1.x (the layouts: docs/iggy-plugins.md).
 *
 * One library serves any number of instances; the host picks each one's plugin_id (unique in its process, never used
 * twice) and names it in every call.
 *
 * THREADS. open, handle_v2 and close come from one thread at a time per instance; open may block for seconds. consume
 * may come on several threads at once for one instance. batch_result comes from a thread of the host that is never one
 * that is inside send or log; it may come before send has returned, and close may overlap it. send and log may be
 * called from any thread of the plugin, log also from inside open and close. Neither may call back into the plugin.
 *
 * SOURCES. handle_v2 starts producing and may return at once, or block until close. For each batch the plugin calls
 * send with a batch id of its own (1, 2, 3, …), remembers the id before it does, and sends nothing more until
 * batch_result came for it (but see iggy_source_ahead): IGGY_ACK (the batch is with the server and its state is on
 * disk) or IGGY_NACK (produce the same again, after a pause). Cursors, deletions and marks take effect with the ack and
 * not before. After close has returned the plugin calls nothing.
 *
 * SINKS. consume answers 0 once the messages are with the outside system. headgate repeats a batch that failed
 * (IGGY_ERR) and stores the offset only behind success; Apache Iggy's runtime ignores the answer.
 */
#ifndef HEADGATE_IGGY_PLUGIN_H
#define HEADGATE_IGGY_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the functions answer. OK: done. ERR: failed, may be tried again. INVALID: no such instance, or arguments that
 * cannot be read; not to be tried again. */
enum { IGGY_OK = 0, IGGY_ERR = 1, IGGY_INVALID = -1 };
enum { IGGY_ACK = 0, IGGY_NACK = 1 };
enum { IGGY_LOG_TRACE, IGGY_LOG_DEBUG, IGGY_LOG_INFO, IGGY_LOG_WARN, IGGY_LOG_ERROR };

/* UTF-8; target names the module that speaks. Nothing is kept. Any thread. */
typedef void (*iggy_log_fn)(uint8_t level, const uint8_t *target, size_t target_len, const uint8_t *message,
                            size_t message_len);

/* batch: postcard ProducedMessages, the plugin's, read completely before the call returns. 0: accepted, an answer will
 * come; anything else: not accepted, no answer will come (the instance is being closed, or the bytes are no batch). */
typedef int32_t (*iggy_send_fn)(uint32_t plugin_id, uint64_t batch_id, const uint8_t *batch, size_t batch_len);

/* --- a source library --- */
/* config: JSON text, "null" where the user gave none; state: what the last acknowledged batch carried, NULL and 0 where
 * there is none. Both are the host's, for the call. */
int32_t iggy_source_open(uint32_t plugin_id, const uint8_t *config, size_t config_len, const uint8_t *state,
                         size_t state_len, iggy_log_fn log);
int32_t iggy_source_handle_v2(uint32_t plugin_id, iggy_send_fn send);
int32_t iggy_source_batch_result(uint32_t plugin_id, uint64_t batch_id, uint8_t result);
int32_t iggy_source_close(uint32_t plugin_id);
const char *iggy_source_version(void); /* "1.0.0": static, never NULL; may be asked before open */

/* Optional, and unknown to Apache Iggy's runtime: for sources that come to an end (a file, a snapshot). Called between
 * open and handle_v2 with a function that the plugin calls once, from any of its threads, when its last batch has been
 * acknowledged and there will be no other: connectors that wait for this one's labels start then. */
typedef void (*iggy_end_fn)(uint32_t plugin_id);
int32_t iggy_source_on_end(uint32_t plugin_id, iggy_end_fn ended);

/* Optional, and unknown to Apache Iggy's runtime: for sources that can produce the next batch before they know what
 * became of the last one. Asked between open and handle_v2; where it answers IGGY_OK up to `batches` batches may be
 * without a result, and another may be sent while those have fewer than `bytes` bytes together. Then
 *   - ids have no gaps, but for the one below; a send that is not accepted has used none up;
 *   - IGGY_ACK is also for all batches before the one it names;
 *   - IGGY_NACK is also for all behind it, and for those that are sent before the plugin hears of it;
 *   - after a nack, or when it waits no longer, the plugin goes back to behind the last batch that was acknowledged,
 *     and leaves out one id: so the host tells what is produced again from what was under way, and drops that;
 *   - each batch has a state, and that of a batch which is acknowledged is on disk. */
int32_t iggy_source_ahead(uint32_t plugin_id, uint32_t batches, uint64_t bytes);

/* --- a sink library --- */
int32_t iggy_sink_open(uint32_t plugin_id, const uint8_t *config, size_t config_len, iggy_log_fn log);
/* topic: postcard TopicMetadata; meta: MessagesMetadata; messages: RawMessages. */
int32_t iggy_sink_consume(uint32_t plugin_id, const uint8_t *topic, size_t topic_len, const uint8_t *meta,
                          size_t meta_len, const uint8_t *messages, size_t messages_len);
int32_t iggy_sink_close(uint32_t plugin_id);
const char *iggy_sink_version(void);

/* Optional, and unknown to Apache Iggy's runtime: for messages that the outside system will never take, while it takes
 * the rest of their batch. Called between open and the first consume with a function that the plugin calls for each of
 * them, from inside of consume and on its thread: at is the message's place in the batch, from 0; reason is UTF-8, and
 * nothing of it is kept. Where consume then answers IGGY_OK, [errors] on_record of the configuration says what becomes
 * of them (left out, sent to the dead letter topic, or the connector stops); else they count for nothing. */
typedef void (*iggy_reject_fn)(uint32_t plugin_id, uint32_t at, const uint8_t *reason, size_t reason_len);
int32_t iggy_sink_on_reject(uint32_t plugin_id, iggy_reject_fn reject);
/* Optional, and unknown to Apache Iggy's runtime: for sinks whose writes are better large (objects, files). Asked once
 * after open. Messages of a topic's partition are then gathered until there are so many of them, or so many bytes, or
 * the first has waited for wait_ms; 0: no such limit, and with neither messages nor bytes nothing is gathered. The host
 * has limits of its own (64 MiB). Offsets are stored behind consume's answer as ever, so what is gathered is not lost.
 */
typedef struct iggy_sink_wants {
    uint64_t messages, bytes, wait_ms;
} iggy_sink_wants_t;
int32_t iggy_sink_wants(uint32_t plugin_id, iggy_sink_wants_t *wants);

/* Optional, and unknown to Apache Iggy's runtime: for sinks that make something of a batch (a request, a file) before
 * anybody outside hears of it. Called between open and the first consume; where it answers IGGY_OK the plugin calls
 * gate in every consume, from inside of it and on its thread, before the first byte of that batch leaves. The host may
 * then give a batch while it still writes down that the one before was taken: gate returns when that is done. IGGY_OK:
 * go on (and it may be called again: at once); anything else: nothing of the batch may leave, consume returns, whatever
 * it answers counts for nothing, and the same messages come again, here or at another member of the group. A consume
 * that has nothing to send need not call it. */
typedef int32_t (*iggy_gate_fn)(uint32_t plugin_id);
int32_t iggy_sink_on_gate(uint32_t plugin_id, iggy_gate_fn gate);

#ifdef __cplusplus
}
#endif

#endif
