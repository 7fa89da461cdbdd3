"""Semantic search across languages in plain Python, offline.

pip install rolevec
python examples/plain.py
"""

import tempfile

from rolevec import Collection, Document, load_encoder

DOCUMENTS = [
    Document("The train to the airport leaves from platform nine.", "train", {"year": 2021}),
    Document("Der Arzt empfiehlt, bei Fieber viel Wasser zu trinken.", "fever", {"year": 2019}),
    Document("La banque ouvre à neuf heures du matin.", "bank", {"year": 2023}),
    Document("В этом ресторане подают свежую рыбу.", "fish", {"year": 2020}),
    Document("孩子们在学校学习数学和音乐。", "school", {"year": 2022}),
    Document("المتحف مغلق يوم الاثنين.", "museum", {"year": 2018}),
]
QUESTIONS = [
    "What should I drink when I have a fever?",
    "Wann öffnet die Bank?",
    "Where can I eat fish?",
    "Qu'est-ce que les enfants apprennent à l'école ?",
    "museum closed on Monday",
]


def main(folder: str) -> None:
    encoder = load_encoder("light")
    with Collection.open("notices", encoder, store=folder) as collection:
        print(collection.add(DOCUMENTS))
        print(collection.add(DOCUMENTS), "again, and still", collection.count(), "documents\n")

        for question in QUESTIONS:
            (hit,) = collection.search(question, k=1)
            print(f"{question}\n  {hit.score:.2f} {hit.id}: {hit.text}")

        recent = collection.search("children at school", k=2, where={"year": {"gte": 2022}})
        print("\nsince 2022:", [hit.id for hit in recent])
        liked = collection.recommend(["fish"], disliked=["bank"], k=1)
        print("like fish, unlike bank:", [hit.id for hit in liked])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(temporary)
