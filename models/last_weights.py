"""Take the weights of the last step out of a checkpoint, where `typeahead train` keeps those that validate best.

    python models/last_weights.py shell.checkpoint.safetensors shell.safetensors

For when the held-out file does not stand for all that was trained on. Of a run with `--ema-decay` it is the running
average that is taken.
"""

import sys
from pathlib import Path

from typeahead.rnn import checkpoint
from typeahead.rnn.network import Network, NetworkConfig


def main() -> None:
    """Read the checkpoint and write the model."""
    source, target = map(Path, sys.argv[1:])
    arrays, metadata = checkpoint.load(source)
    group = "average." if any(name.startswith("average.") for name in arrays) else "weights."
    parameters = {name.removeprefix(group): array for name, array in arrays.items() if name.startswith(group)}
    checkpoint.save_model(target, Network(NetworkConfig(**metadata["network"]), parameters), metadata["about"])


if __name__ == "__main__":
    main()
