"""Runs the command line where heavy libraries can't be imported: `python without_torch.py WORDS`.

The block comes first on the meta path, so an import inside a function fails as one on top does.
"""

import sys

BLOCKED = ("torch", "transformers", "peft", "altair")


class Block:
    """Refuses the blocked libraries and leaves the others to the finders after it."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} was imported")


def block():
    loaded = set(BLOCKED) & set(sys.modules)
    assert not loaded, loaded
    sys.meta_path.insert(0, Block())


if __name__ == "__main__":
    block()
    from weighbridge.cli.main import main

    main()
