"""Trained weights of a folded trunk, written back into one that has its batch norms."""

import torch
from torch import nn

from engine.clip.fuse import conv_norm_pairs

STORED_VARIANCE = 0.999  # with timm's eps of 1e-3 the restored norm scales by 1, also after rounding to float16


@torch.no_grad()
def unfold_batch_norms(folded: nn.Module, target: nn.Module) -> None:
    """Write a folded module's weights into one of the same shape that still has its batch norms, as identity + bias."""
    weights = folded.state_dict()
    prefix = {child: name for name, child in target.named_modules()}
    for parent, conv_name, norm_name in conv_norm_pairs(target):
        conv, norm = getattr(parent, conv_name), getattr(parent, norm_name)
        path = f"{prefix[parent]}.{conv_name}".lstrip(".")
        conv.weight.copy_(weights[f"{path}.weight"])
        norm.bias.copy_(weights[f"{path}.bias"])
        norm.weight.fill_((STORED_VARIANCE + norm.eps) ** 0.5)
        norm.running_mean.zero_()
        norm.running_var.fill_(STORED_VARIANCE)
