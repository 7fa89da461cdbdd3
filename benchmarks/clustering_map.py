"""Draw the picture of docs/guides/clustering.md: sentences of SIB-200 in twelve languages.

python benchmarks/clustering_map.py TOPICS     # the folder that clustering.py takes as --topics
"""

import sys
from pathlib import Path

from clustering import EVERY, together, topics

from rolevec import Role, cluster, load_encoder
from rolevec.ranking.clustering.groups import centred
from rolevec.ranking.clustering.map import save_map

PICTURE = Path(__file__).parents[1] / "docs" / "guides" / "clustering.png"


def main(folder, picture=PICTURE):
    texts, _, languages = together(topics(Path(folder)), EVERY)
    vectors = load_encoder("light").encode(texts, Role.CLUSTERING)
    found = cluster(vectors, 7, texts=texts, groups=languages)
    title = "What sentences in twelve languages are about"
    save_map(picture, centred(vectors, languages), found, texts, title=title)


if __name__ == "__main__":
    main(sys.argv[1])
