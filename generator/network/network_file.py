"""The file of a trained generator's network."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from generator.network.model import GeneratorNetwork, NetworkShape
from generator.network.training import GeneratorRecipe


def write_network(network: GeneratorNetwork, recipe: GeneratorRecipe, path: Path) -> None:
    """Write the weights as safetensors, float16, whole or not at all.

    Args:
        network: trained.
        recipe: how; it stands in the file's header.
        path: of the file.
    """
    weights = {
        name: value.detach().cpu().half().contiguous()
        for name, value in network.state_dict().items()
    }
    partial = path.with_suffix(".partial")
    save_file(weights, partial, metadata={"recipe": json.dumps(asdict(recipe))})
    partial.replace(path)


def read_network(path: Path) -> GeneratorNetwork:
    """The network of a file, to be asked."""
    with safe_open(path, "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
        weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    network = GeneratorNetwork(NetworkShape(**recipe["shape"]))
    network.load_state_dict(weights)
    return network.eval().requires_grad_(requires_grad=False)
