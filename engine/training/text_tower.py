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
    """All texts of a run as the frozen layers leave them, and the trained rest of the tower."""

    def __init__(self, text_tower: Any, token_ids: Tensor, say: Callable[[str], None] = lambda line: None) -> None:
        """Args: an open_clip HF text tower; token_ids (N, L) int64, padded with the tower's pad id."""
        super().__init__()
        bert = text_tower.transformer
        layers = list(bert.encoder.layer)
        self.layers = nn.ModuleList(layers[-TRAINED_LAYERS:])
        self.proj = text_tower.proj
        lengths = (token_ids != text_tower.config.pad_token_id).sum(1)
        self.starts = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
        states: list[Tensor] = []
        was_training = bert.training
        bert.eval()  # dropout is for what is trained
        with torch.inference_mode(), cpu_autocast():
            for ids, many in zip(token_ids.split(AT_ONCE), lengths.split(AT_ONCE), strict=True):
                ids = ids[:, : int(many.max())]
                mask = torch.arange(ids.shape[1]) < many[:, None]
                states.append(_run_layers(layers[:-TRAINED_LAYERS], bert.embeddings(ids), mask)[mask].to(cpu_dtype()))
                if len(states) % SAID == 0:
                    say(f"{min(len(states) * AT_ONCE, len(token_ids))} of {len(token_ids)} texts")
        bert.train(was_training)
        self.states = torch.cat(states).clone()

    def forward(self, rows: Tensor) -> Tensor:
        """Embeddings, unit length, of the texts with these row numbers; (n,) to (n, D) float32."""
        states, mask = self._padded(rows)
        if self.layers[0].training:
            overlooked = torch.rand(mask.shape) < OVERLOOKED
            overlooked[:, 0] = False
            mask &= ~overlooked | (mask.sum(1) < LONG)[:, None]
        states = _run_layers(self.layers, states, mask)
        return F.normalize(self.proj(mean_over_tokens(states.float(), mask)).float(), dim=-1)

    def meanings(self, text_tower: Any) -> Tensor:
        """What texts mean to a tower of which this one's lower layers are: (N, W) float32, unit length.

        That is the mean of what its upper layers make of the tokens, without a projection.
        """
        bert = text_tower.transformer
        was_training = bert.training
        bert.eval()
        layers, found = bert.encoder.layer[-TRAINED_LAYERS:], []
        with torch.inference_mode(), cpu_autocast():
            for rows in torch.arange(len(self.starts) - 1).split(AT_ONCE):
                states, mask = self._padded(rows)
                found.append(F.normalize(mean_over_tokens(_run_layers(layers, states, mask).float(), mask), dim=-1))
        bert.train(was_training)
        return torch.cat(found).clone()

    def _padded(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """What the frozen layers leave of texts: (n, L, W), and (n, L) bool, where there is a token."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        flat = torch.cat([self.states[self.starts[r] : self.starts[r + 1]] for r in rows.tolist()])
        states = flat.new_zeros(*mask.shape, flat.shape[-1])
        states[mask] = flat
        return states, mask


def _run_layers(layers: Iterable[nn.Module], states: Tensor, mask: Tensor) -> Tensor:
    """Transformer layers over padded states; (N, L, W) and (N, L) bool to (N, L, W)."""
    additive = torch.zeros(mask.shape, dtype=states.dtype).masked_fill(~mask, torch.finfo(states.dtype).min)
    for layer in layers:
        out = layer(states, additive[:, None, None, :])
        states = out[0] if isinstance(out, tuple) else out
    return states


def mean_over_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """Mean pooling: (N, L, W), and (N, L) true where there is a token, to (N, W)."""
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)
