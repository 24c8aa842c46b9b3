"""Which map network there is: from a configuration, and from the sizes that stand in the card of weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet
from pyiqa_pixelperfect.pixelperfect.swin_encoder import SwinEncoder

__all__ = ["build_maps", "build_score", "kind_of", "sizes_of"]


def build_maps(
    encoder: Sequence[int] | Mapping[str, Any],
    decoder: Sequence[int],
    families: int = len(FAMILIES),
    *,
    seed: int = 0,
    antisymmetric: bool = True,
) -> DistortionMapNet:
    """Build a map network with initial weights.

    Args:
        encoder: channels of the convolutional encoder, or ``{"backbone": name, "options": {...}}`` for a SwinV2.
        decoder: channels of the decoder.
        families: number of map channels.
        seed: of the weights of a backbone; the other weights are drawn from the caller's generator.
        antisymmetric: as of ``DistortionMapNet``.

    Raises:
        ConfigError: timm has no such backbone.
    """
    if isinstance(encoder, Mapping):
        swin = SwinEncoder(encoder["backbone"], encoder["options"], seed)
        return DistortionMapNet(families, decoder_widths=decoder, encoder=swin, antisymmetric=antisymmetric)
    return DistortionMapNet(families, encoder, decoder, antisymmetric=antisymmetric)


def build_score(sizes: Mapping[str, Any]) -> RelationalScoreNet:
    """Build the score network that the sizes in a card tell of."""
    return RelationalScoreNet(sizes["families"], sizes["hidden"], sizes["embedding"], ensemble=sizes["ensemble"])


def sizes_of(maps: DistortionMapNet, score: RelationalScoreNet) -> dict[str, Any]:
    """What ``build_maps`` and ``build_score`` need to build these networks again."""
    encoder = maps.encoder
    swin = isinstance(encoder, SwinEncoder)
    return {
        "families": maps.head.out_channels,
        "encoder": {"backbone": encoder.backbone, "options": encoder.options} if swin else list(encoder.widths),
        "decoder": list(maps.decoder.widths),
        "hidden": score.ensemble[0].head.in_features,
        "embedding": score.ensemble[0].project.out_features,
        "ensemble": len(score.ensemble),
        **({} if maps.antisymmetric else {"antisymmetric": False}),
    }


def kind_of(maps: DistortionMapNet) -> str:
    """``"swinv2"`` or ``"conv"``."""
    return "swinv2" if isinstance(maps.encoder, SwinEncoder) else "conv"
