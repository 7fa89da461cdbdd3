"""Many threads on one collection."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rolevec import Document
from rolevec.testing import FakeEncoder

WRITERS, READERS, EACH = 5, 3, 60


def test_eight_threads_lose_nothing(collection):
    def write(writer):
        for start in range(0, EACH, 20):
            collection.add(
                Document(f"writer {writer} text {i}", f"{writer}-{i}", {"writer": writer})
                for i in range(start, start + 20)
            )

    def read(reader):
        for i in range(EACH):
            hits = collection.search(f"writer {reader} text {i}", k=3)
            assert all(hit.id == f"{hit.metadata['writer']}-{hit.text.split()[-1]}" for hit in hits)
            collection.count({"writer": reader})

    with ThreadPoolExecutor(WRITERS + READERS) as pool:
        jobs = [pool.submit(write, i) for i in range(WRITERS)]
        jobs += [pool.submit(read, i) for i in range(READERS)]
        for job in jobs:
            job.result()

    assert collection.count() == WRITERS * EACH
    names = [f"{w}-{i}" for w in range(WRITERS) for i in range(EACH)]
    stored = collection.get_vectors(names)
    texts = {d.id: d.text for d in collection.get(names)}
    expected = FakeEncoder().encode_documents([texts[name] for name in names])
    assert np.allclose(np.vstack([stored[name] for name in names]), expected, atol=1e-5)
