"""A program that runs the stages `train` and `evaluate` with a head of each kind; tests start it.

python -m tests.heads.fit_all_kinds <features file> <folder for results> <settings as JSON>

The settings are a name to the changes of params.yaml under it. It prints, as JSON, the sha256 of every
file it wrote, under `<name>/<path>`.
"""

import json
import os
import sys
from hashlib import sha256
from pathlib import Path

from pipeline import paths
from pipeline.features import read_features
from pipeline.stages import evaluate, train
from tests.project import make_params


def main(features: str, folder: str, settings: str) -> None:
    header = read_features(Path(features)).header
    dataset, backbone = header.dataset, header.backbone
    hashes = {}
    for name, changes in json.loads(settings).items():
        root = Path(folder) / name
        root.mkdir(parents=True)
        os.chdir(root)
        link = paths.features_file(dataset, backbone)
        link.parent.mkdir(parents=True)
        link.symlink_to(features)
        named = {"datasets": {dataset: {"source": "archive", "archive": "pets"}}}
        params = make_params({**named, **changes})
        train.run(dataset, backbone, params), evaluate.run(dataset, backbone, params)
        for file in (
            file for part in ("models", "plots", "metrics") for file in Path(part).rglob("*")
        ):
            if file.is_file():
                hashes[f"{name}/{file}"] = sha256(file.read_bytes()).hexdigest()
    print(json.dumps(hashes))


if __name__ == "__main__":
    main(*sys.argv[1:])
