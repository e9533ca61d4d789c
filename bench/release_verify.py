"""Does verifying a bundle take more than hashing it? `release verify` against `sha256sum`.

    python bench/release_verify.py [--megabytes N] [--rounds N] [--folder FOLDER] [--json]

Both read the same files from the page cache, in turn. `release verify` also looks for numbers that
are not finite, computes every figure and asks every gate again, and starts Python. `equal` says
that both found the same digest of the weights. Ratio: sha256sum's time by ours; 0.67 is the goal.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

REPOSITORY = Path(__file__).parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))


def write_bundle(folder: Path, megabytes: int) -> Path:
    """Write a bundle whose weights have so many megabytes, in float16."""
    from safetensors.numpy import save_file

    from release_cases import CONFIG, NOW, policy, seal_folder, statement_text, tensors
    from weighbridge.release.build import Sources, build
    from weighbridge.release.decision import decide
    from weighbridge.release.evidence import case_of
    from weighbridge.release.statement import read_statement

    model = folder / "desk"
    model.mkdir()
    rows = megabytes * (1 << 20) // (2 * 8)
    held = {name: tensor.astype(np.float16) for name, tensor in tensors().items()}
    held["model.embed_tokens.weight"] = (
        np.random.default_rng(0).random((rows, 8), dtype=np.float32).astype(np.float16)
    )
    save_file(held, model / "model.safetensors")
    (model / "config.json").write_text(json.dumps(CONFIG | {"vocab_size": rows}))
    (model / "tokenizer.json").write_text("{}")
    (model / "LICENSE").write_text("Do as you like.\n")
    (folder / "s.toml").write_text(statement_text(seal_folder(model)))
    stated = read_statement(folder / "s.toml")
    case = case_of(model, folder / "runs", policy(), stated, NOW)
    build(case, decide(case), Sources(model, folder / "runs", link=True), folder / "bundle")
    return folder / "bundle"


def timed(words: list[str]) -> tuple[float, str]:
    """Return how long a command takes, and what it prints."""
    start = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 3):
        raise SystemExit(done.stdout + done.stderr)
    return seconds, done.stdout


def main() -> None:
    """Run both in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        bundle = write_bundle(Path(place), options.megabytes)
        files = sorted(str(path) for path in bundle.rglob("*") if path.is_file())
        ours_words = [sys.executable, "-m", "weighbridge", "release", "verify", str(bundle)]
        ours, peer = list[float](), list[float]()
        equal = True
        for _ in range(options.rounds):
            seconds, printed = timed([*ours_words, "--unsigned", "--json"])
            ours.append(seconds)
            seconds, hashed = timed(["sha256sum", *files])
            peer.append(seconds)
            manifest = json.loads((bundle / "manifest.json").read_text())["files"]
            weights = manifest["model/model.safetensors"].removeprefix("sha256:")
            equal &= json.loads(printed)["holds"] and weights in hashed
        found = {
            "ours_seconds": median(ours),
            "peer_seconds": median(peer),
            "ratio": median(peer) / median(ours),
            "equal": equal,
            "megabytes": options.megabytes,
        }
    if options.json:
        print(json.dumps(found))
    else:
        print(
            f"verify {found['ours_seconds']:.2f} s, sha256sum {found['peer_seconds']:.2f} s "
            f"over {options.megabytes} MB: {1 / found['ratio']:.2f} times; equal: {equal}"
        )


if __name__ == "__main__":
    main()
