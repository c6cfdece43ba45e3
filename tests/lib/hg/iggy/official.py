"""The published Python client at work, whichever of its versions is on the path: `python official.py ADDRESS VERSION` does what a user would,
and prints what it saw as JSON."""
import asyncio
import datetime
import json
import os
import sys

import apache_iggy as iggy


async def main(address, version):
    seen = {}
    new = version == "0.9.0"
    client = iggy.IggyClient(address)
    await client.connect()
    await client.login_user("iggy", "iggy")
    await client.ping()
    await client.create_stream("hg-stream")
    await client.create_topic("hg-stream", "hg-topic", 2)
    stream, topic = await client.get_stream("hg-stream"), await client.get_topic("hg-stream", "hg-topic")
    seen["stream"], seen["topic"] = [stream.id, stream.name, stream.topics_count], [topic.id, topic.name, topic.partitions_count]
    try:
        await client.create_stream("hg-stream")
    except RuntimeError as e:
        seen["duplicate"] = str(e)
    for n in range(3):
        await client.send_messages("hg-stream", "hg-topic", 1, [iggy.SendMessage(f"{n}.{i}") for i in range(1000)])

    async def poll(strategy, count, partition=1, commit=False):
        if new:
            got = await client.poll_messages("hg-stream", "hg-topic", consumer=iggy.Consumer.Single(7), polling_strategy=strategy, count=count,
                                             auto_commit=commit, partition_id=partition)
        else:
            got = await client.poll_messages("hg-stream", "hg-topic", partition, strategy, count, commit)
        return [[m.offset(), m.payload().decode(), m.partition_id()] for m in got]

    s = iggy.PollingStrategy
    first = await poll(s.First(), 2)
    seen["first"], seen["last"] = first, await poll(s.Last(), 2)
    seen["offset"] = await poll(s.Offset(999), 3)
    seen["all"] = len(await poll(s.Offset(0), 5000))
    seen["future"] = await poll(s.Timestamp(2**62), 5)
    seen["next"] = [await poll(s.Next(), 2, commit=True), await poll(s.Next(), 2, commit=True)]
    seen["empty"] = await poll(s.Next(), 2, partition=0)
    consumer = await client.consumer_group("hg-group", "hg-stream", "hg-topic", polling_strategy=s.Next(), batch_length=100,
                                           auto_commit=iggy.AutoCommit.When(iggy.AutoCommitWhen.PollingMessages()), poll_interval=datetime.timedelta(milliseconds=1))
    got = []
    async for m in consumer.iter_messages():
        got.append(m.offset())
        if len(got) == 250:
            break
    await consumer.store_offset(got[-1], 1)
    seen["group"] = [got[0], got[-1], len(set(got)), consumer.get_last_stored_offset(1)]
    if new:
        answer = await client.send_messages("hg-stream", "hg-topic", iggy.Partitioning.messages_key("key-1"), [iggy.SendMessage("k", {"a": "b"})])
        seen["confirmed"] = [[c.partition_id, c.base_offset] for c in answer.confirmations]
        stats = await client.get_stats()
        seen["stats"] = [stats.streams_count, stats.topics_count, stats.partitions_count, stats.messages_count]
    print(json.dumps(seen), flush=True)
    os._exit(0)  # the older client's own threads make an orderly end a crash


asyncio.run(main(*sys.argv[1:]))
