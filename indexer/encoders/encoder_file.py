"""The file of a trained encoder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from torch import nn

from indexer.encoders.averaged import AveragedRecipe


def write_encoder(encoder: nn.Module, recipe: AveragedRecipe, path: Path) -> None:
    """Write the weights as safetensors, float32, whole or not at all.

    Args:
        encoder: trained.
        recipe: how; it stands in the file's header, for people to read.
        path: of the file. Names in it are those of its `state_dict()`.
    """
    weights = {
        name: np.ascontiguousarray(value.detach().float().cpu().numpy())
        for name, value in encoder.state_dict().items()
    }
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(save(weights, metadata={"recipe": json.dumps(asdict(recipe))}))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
