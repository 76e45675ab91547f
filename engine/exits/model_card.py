"""The page that exit weights carry on the Hub, written from the weights themselves."""

from engine.clip.small_tower import TRUNK
from engine.exits.budget import BUDGET_GRID
from engine.exits.encoder import Encoder
from engine.exits.modules import Exit

ABOUT = """\
Small modules that stand between the stages of a CLIP image encoder and decide, photo by photo, when enough has been
seen: an independent implementation of the idea of Text-Guided Exit Modules (arXiv 2605.17499). They hold readouts and
gates{scout}, not the model's own weights, and fit one model: `{name}` with the weights below. Others are refused.
"""
SCOUT = f", and a smaller tower for the first passes, fine-tuned from timm's `{TRUNK}` (ImageNet weights, Apache-2.0)"


def _input(exit: Exit) -> str:
    """Of which pass an exit is, in words."""
    return f"{' of the scout' if exit.scout else ''}{f' at {exit.size} px' if exit.size else ''}"


def card(encoder: Encoder, repo: str) -> str:
    """A model card in Markdown: which model the exits are for, where they stand, what each costs, how to use them.

    Args: repo: the Hub repository that it will stand in.
    """
    name = encoder.identity.model
    shares = [macs / encoder.full_macs for macs in encoder.forced_macs]
    lines = [
        "---",
        "library_name: open_clip",
        "pipeline_tag: zero-shot-image-classification",
        "tags: [clip, early-exit, text-to-image-search]",
        "---",
        f"# Exit modules for {name}",
        "",
        ABOUT.format(name=name, scout="" if encoder.modules.scout is None else SCOUT),
        "```bash",
        f"python -m engine pull {repo} --model {name}",
        f"python app.py --model {name}",
        "```",
        "",
        "## Where the exits stand",
        "",
        "| exit | after | share of the full encoder's multiply-accumulates |",
        "| --- | --- | --- |",
        *(
            f"| {k} | `{exit.stage}`{_input(exit)} | {share:.3f} |"
            for k, (exit, share) in enumerate(zip(encoder.modules.exits, shares, strict=False), start=1)
        ),
        f"| {encoder.exits} | the end | 1 |",
        "",
        "## How budgets are met",
        "",
        "| mean share asked for | exits asked | price of compute |",
        "| --- | --- | --- |",
        *(
            f"| {budget:.2f} | {', '.join(str(k + 1) for k in plan.open) or 'none'} | {plan.price:.4g} |"
            for budget, plan in zip(BUDGET_GRID, encoder.plans, strict=True)
        ),
        "",
        "## Files",
        "",
        "`tgem.safetensors` holds the tensors in float16, `tgem.json` what they are; each names the other's hash.",
        f"Model weights (SHA-256): `{encoder.identity.weights}`",
        "",
    ]
    return "\n".join(lines)
