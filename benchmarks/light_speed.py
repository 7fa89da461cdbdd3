"""Short texts a second on one core: the bundled model beside all-MiniLM-L6-v2.

    python benchmarks/light_speed.py DATA/tatoeba112/tatoeba.*.eng

The lines of the files are the texts, English ones, since the other model knows no other language.
It runs in rolevec too, in each backend at full precision and with ``precision="auto"``, so that the
bundled model is compared with the fastest there is. All processes share one core and take turns.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from harness import HERE, Peer, Result, Section, arguments, measure, start, write
from models import model_folder
from static import read

NAME = "all-MiniLM-L6-v2"
OURS = "bundled model"
# What runs -> settings of `load_encoder`; {} is the folder of all-MiniLM-L6-v2.
MODELS = {
    f"{NAME}, ONNX Runtime": {"model": "onnx:{}"},
    f"{NAME}, torch": {"model": "torch:{}"},
    f"{NAME}, OpenVINO": {"model": "openvino:{}"},
    f'{NAME}, precision="auto"': {"model": "openvino:{}", "precision": "auto"},
    OURS: {"model": "light"},
}


def main():
    parser = arguments(__doc__, out=HERE / "results" / "light_speed")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--texts", type=int, default=2000)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    texts = read(options.files, options.texts)
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "texts.json"
        file.write_text(json.dumps(texts), encoding="utf-8")
        minilm = str(model_folder("MiniLM", Path(temporary)))
        with start([Peer(name, "peers/ours.py") for name in MODELS]) as workers:
            for worker in workers:
                settings = MODELS[worker.name]
                model = settings["model"].format(minilm)
                worker.ask("load", **settings | {"model": model, "texts": str(file)})
            runs = measure(workers, "encode", {}, repetitions=options.repetitions)
    fastest = min(MODELS.keys() - {OURS}, key=lambda name: min(runs[name].seconds))
    note = {"texts": len(texts), "cores": 1}
    section = Section("short texts, one core", "texts/s", len(texts), fastest, runs, note)
    command = f"python benchmarks/light_speed.py FILES --repetitions {options.repetitions}"
    write(Result("The bundled model's speed", [section], command), options.out)


if __name__ == "__main__":
    sys.exit(main())
