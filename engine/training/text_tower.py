"""The text tower in training: lower layers are frozen and computed once, upper layers and projection trained."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.clip.device import cpu_autocast, cpu_dtype

TRAINED_LAYERS = 2
AT_ONCE, SAID = 512, 4  # texts, and batches of them between lines for a person
OVERLOOKED, LONG = 0.15, 10  # share of the tokens, in training, of texts that have so many


class CachedTexts(nn.Module):
    """All texts of a run as the frozen layers leave them, and the trained rest of the tower.

    `frozen_vectors`, (N, W) float32 of unit length, are the untouched encoder's: what the texts meant before training.
    """

    frozen_vectors: Tensor

    def __init__(self, text_tower: Any, token_ids: Tensor, say: Callable[[str], None] = lambda line: None) -> None:
        """Args: an open_clip HF text tower; token_ids (N, L) int64, padded with the tower's pad id."""
        super().__init__()
        bert = text_tower.transformer
        layers = list(bert.encoder.layer)
        self.layers = nn.ModuleList(layers[-TRAINED_LAYERS:])
        self.proj = text_tower.proj
        lengths = (token_ids != text_tower.config.pad_token_id).sum(1)
        self.starts = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
        states, vectors = [], []
        was_training = bert.training
        bert.eval()  # dropout is for what is trained
        with torch.inference_mode(), cpu_autocast():
            for ids, many in zip(token_ids.split(AT_ONCE), lengths.split(AT_ONCE), strict=True):
                ids = ids[:, : int(many.max())]
                mask = torch.arange(ids.shape[1]) < many[:, None]
                half = _run_layers(layers[:-TRAINED_LAYERS], bert.embeddings(ids), mask)
                whole = _run_layers(self.layers, half, mask)
                states.append(half[mask].to(cpu_dtype()))
                vectors.append(F.normalize(_mean_over_tokens(whole.float(), mask), dim=-1))
                if len(vectors) % SAID == 0:
                    say(f"{min(len(vectors) * AT_ONCE, len(token_ids))} of {len(token_ids)} texts")
        bert.train(was_training)
        self.states = torch.cat(states).clone()
        self.frozen_vectors = torch.cat(vectors).clone()

    def forward(self, rows: Tensor) -> Tensor:
        """Embeddings, unit length, of the texts with these row numbers; (n,) to (n, D) float32."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        flat = torch.cat([self.states[self.starts[r] : self.starts[r + 1]] for r in rows.tolist()])
        states = flat.new_zeros(*mask.shape, flat.shape[-1])
        states[mask] = flat
        if self.layers[0].training:
            overlooked = torch.rand(mask.shape) < OVERLOOKED
            overlooked[:, 0] = False
            mask &= ~overlooked | (lengths < LONG)[:, None]
        states = _run_layers(self.layers, states, mask)
        return F.normalize(self.proj(_mean_over_tokens(states.float(), mask)).float(), dim=-1)


def _run_layers(layers: Iterable[nn.Module], states: Tensor, mask: Tensor) -> Tensor:
    """Transformer layers over padded states; (N, L, W) and (N, L) bool to (N, L, W)."""
    additive = torch.zeros(mask.shape, dtype=states.dtype).masked_fill(~mask, torch.finfo(states.dtype).min)
    for layer in layers:
        out = layer(states, additive[:, None, None, :])
        states = out[0] if isinstance(out, tuple) else out
    return states


def _mean_over_tokens(states: Tensor, mask: Tensor) -> Tensor:
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)
