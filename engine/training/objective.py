"""What training minimises: pure functions of cached tensors."""

import torch
import torch.nn.functional as F
from torch import Tensor


def match_targets(owner: Tensor, meaning: Tensor, softness: float, temperature: float = 0.1) -> tuple[Tensor, Tensor]:
    """Which texts belong to which images, softened by what the texts mean.

    A caption often fits other photos of the batch nearly as well as its own; a share of the target goes to them.

    Args:
        owner: (T,) number of the image that each text describes.
        meaning: (B, T) cosine of each image's mean caption to each text, in an untouched sentence encoder.
        softness: share of the target that follows meaning; 0 gives one-hot targets.
    Returns: (B, T) target over texts for each image (rows sum to 1), (B, T) over images for each text (columns do).
    """
    own = F.one_hot(owner, len(meaning)).T.to(meaning.dtype)  # (B, T)
    to_texts = (1 - softness) * own / own.sum(1, keepdim=True) + softness * (meaning / temperature).softmax(1)
    to_images = (1 - softness) * own + softness * (meaning / temperature).softmax(0)
    return to_texts, to_images


def contrastive(logits: Tensor, targets: tuple[Tensor, Tensor]) -> Tensor:
    """Symmetric cross-entropy of (B, T) image-text logits against `match_targets`; a scalar (CLIP's loss, Radford 2021)."""
    to_texts, to_images = targets
    image_loss = -(to_texts * logits.log_softmax(1)).sum(1).mean()
    text_loss = -(to_images * logits.log_softmax(0)).sum(0).mean()
    return (image_loss + text_loss) / 2


def distil(logits: Tensor, teacher: Tensor) -> Tensor:
    """Cross-entropy of an exit's (B, T) logits against the last exit's, both ways; the teacher gets no gradient."""
    teacher = teacher.detach()
    return contrastive(logits, (teacher.softmax(1), teacher.softmax(0)))
