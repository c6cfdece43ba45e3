"""Reads pprof's profile.proto: https://github.com/google/pprof/blob/main/proto/profile.proto"""
import gzip


def fields(data):
    """[(field, number or bytes)] of a message of Protocol Buffers."""
    at, found = 0, []

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        tag = varint()
        assert tag & 7 in (0, 2), tag
        value = varint()
        if tag & 7 == 2:
            assert at + value <= len(data)
            value, at = data[at:at + value], at + value
        found.append((tag >> 3, value))
    return found


def message(data):
    return dict(fields(data))


class Profile:
    def __init__(self, data):
        top = fields(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data)
        self.strings = [v.decode() for f, v in top if f == 6]
        assert self.strings[0] == ""
        text = self.strings.__getitem__

        def unit(m):
            return text(m[1]), text(m[2])
        self.types = [unit(message(v)) for f, v in top if f == 1]
        self.period = unit(next(message(v) for f, v in top if f == 11)), next(v for f, v in top if f == 12)
        self.drop = next(text(v) for f, v in top if f == 7)
        self.comments = [text(v) for f, v in top if f == 13]
        self.time = next(v for f, v in top if f == 9) / 1e9
        functions = {m[1]: text(m[2]) for m in (message(v) for f, v in top if f == 5)}
        self.mappings = {m[1]: {"start": m[2], "limit": m[3], "file": text(m.get(5, 0)), "build_id": text(m.get(6, 0)), "named": m.get(7, 0) == 1}
                         for m in (message(v) for f, v in top if f == 3)}
        self.locations = {}  # number -> (address, mapping or None, function or None)
        for m in (message(v) for f, v in top if f == 4):
            self.locations[m[1]] = (m[3], m.get(2), functions[message(m[4])[1]] if 4 in m else None)
        self.samples = []  # ([functions, the leaf first], values)
        for f, v in top:
            if f == 2:
                inner = fields(v)
                self.samples.append(([self.locations[x] for n, x in inner if n == 1], [x for n, x in inner if n == 2]))

    def named(self, function):
        """The values of all samples in which it is."""
        return [sum(x) for x in zip(*(v for frames, v in self.samples if any(f[2] == function for f in frames)), [0] * len(self.types))]

    def total(self):
        return [sum(x) for x in zip(*(v for _, v in self.samples), [0] * len(self.types))]
