"""Maps: as a picture in any script, and as a page that no text breaks out of."""

import html.parser
import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rolevec import cluster
from rolevec.ranking.clustering.colours import colours
from rolevec.ranking.clustering.map import map_of, save_map
from rolevec.ranking.clustering.page import page
from rolevec.ranking.clustering.projection import project

TEXTS = ["bread oven", "oven flour", "хлеб печь", "面包 烤箱", "ขนมปัง เตาอบ", "रोटी तवा", "خبز فرن"]


def rows(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)


def drawn(texts, **options):
    vectors = rows(len(texts))
    return map_of(vectors, cluster(vectors, 2, texts=texts), texts, **options)


class Reader(html.parser.HTMLParser):
    """What a browser would see: the tags, and what stands inside of each script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, tuple(name for name, _ in attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script" and self.scripts:
            self.scripts[-1] += data


HOSTILE = st.lists(
    st.sampled_from(
        ["</script>", "<script>alert(1)</script>", "<!--", "-->", "]]>", "<img src=x onerror=x>",
         "\u2028", "\\", '"', "'", "{{data}}", "}}", "&lt;", "&", "\x00", "\ud800", "a", " "]
    ) | st.text(max_size=8),
    min_size=1, max_size=6,
).map("".join)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(HOSTILE, min_size=1, max_size=6), title=HOSTILE)
def test_no_text_breaks_out_of_the_page(texts, title):
    plain = Reader(page(drawn(["a"], title="b")))
    written = page(drawn(texts, title=title))
    read = Reader(written)
    assert read.tags == plain.tags
    assert read.scripts[1] == plain.scripts[1]
    data = json.loads(read.scripts[0].partition("\n")[0])
    assert data["texts"] == [t.encode("utf-8", "replace").decode() for t in texts]
    written.encode("utf-8")


def test_the_page_loads_nothing():
    text = page(drawn(TEXTS))
    assert "default-src 'none'" in text
    for outside in ("http:", "https:", "src=", "url(", "@import", "fetch("):
        assert outside not in text


def test_a_picture_in_seven_scripts_makes_no_noise(tmp_path):
    vectors = rows(len(TEXTS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = save_map(
            tmp_path / "map.png", vectors, cluster(vectors, 3, texts=TEXTS), TEXTS, title="𝒳 面包"
        )
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", [".png", ".html"])
@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_any_number_of_points_is_drawn(tmp_path, suffix, count):
    vectors, texts = rows(count), [f"text {n}" for n in range(count)]
    found = cluster(vectors, 20)
    assert save_map(tmp_path / f"map{suffix}", vectors, found, texts).stat().st_size > 1000


def test_more_points_than_can_be_seen_are_sampled():
    found = drawn([f"text {n}" for n in range(50)], most=20)
    assert found.points.shape == (20, 2)
    assert len(found.texts) == len(found.labels) == 20
    assert sum(found.sizes) == 50
    assert "20 of 50 texts" in found.note


def test_wrong_calls_are_refused(tmp_path):
    vectors = rows(3)
    found = cluster(vectors, 2)
    with pytest.raises(ValueError, match=r"\.png or \.html"):
        save_map(tmp_path / "map.svg", vectors, found, TEXTS[:3])
    with pytest.raises(ValueError, match="3 vectors, 2 texts, 3 labels"):
        save_map(tmp_path / "map.png", vectors, found, TEXTS[:2])


def test_principal_components_keep_the_widest_direction():
    vectors = np.array([[1, 0.1, 0], [-1, 0.1, 0], [1, -0.1, 0], [-1, -0.1, 0]], np.float32)
    plane = project(vectors)
    assert np.allclose(np.abs(plane), [[1, 0.1]] * 4, atol=1e-6)
    assert project(vectors[:1]).tolist() == [[0, 0]]


@pytest.mark.slow
def test_umap_keeps_groups_together():
    pytest.importorskip("umap")
    vectors = np.repeat(np.eye(8, dtype=np.float32)[:2], 20, axis=0) + 0.1 * rows(40)[:, :8]
    plane = project(vectors, "umap")
    inside = np.linalg.norm(plane[:20] - plane[:20].mean(axis=0), axis=1).max()
    assert np.linalg.norm(plane[:20].mean(axis=0) - plane[20:].mean(axis=0)) > inside
    assert np.array_equal(plane, project(vectors, "umap"))


def test_colours_differ():
    assert len(set(colours(60))) == 60
