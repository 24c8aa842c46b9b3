"""The networks of GRepQ: a ResNet-18 for low-level quality, and the image tower of CLIP's ResNet-50 for high-level.

Both come from timm and are built with random weights; nothing is ever downloaded.
"""

from collections.abc import Sequence
from typing import cast

import timm
import torch
from timm.models.byobnet import ByoBlockCfg, ByobNet
from torch import Tensor, nn

__all__ = ["FEATURES", "HighLevelNet", "LowLevelNet"]

FEATURES = 128  # of the low-level branch

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of OpenAI's preprocessing
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class LowLevelNet(nn.Module):
    """ResNet-18 and a head of two layers; what the head says is the feature, never normalized here.

    Args:
        width: channels of the first stage; the paper's ResNet-18 has 64.
        features: length of the feature.
    """

    def __init__(self, width: int = 64, features: int = FEATURES) -> None:
        super().__init__()

        self.width, self.features = width, features
        channels = tuple(width * factor for factor in (1, 2, 4, 8))
        self.encoder: nn.Module = timm.create_model("resnet18", pretrained=False, num_classes=0, channels=channels)
        self.head = nn.Sequential(nn.Linear(8 * width, 8 * width), nn.ReLU(), nn.Linear(8 * width, features))

    def forward(self, images: Tensor) -> Tensor:
        """Describe images.

        Args:
            images: (N, 3, H, W) in [0, 1], sides of at least 32 px; not normalized any further.

        Returns:
            (N, features).
        """
        features: Tensor = self.head(self.encoder(images))
        return features


class HighLevelNet(nn.Module):
    """The image tower of CLIP's ResNet-50 and the two prompts it is compared with.

    Args:
        layers: blocks of each stage.
        width: channels of the stem; stages have 4, 8, 16 and 32 times as many.
        features: length of the feature, and of the prompts.
        size: side in px of the images that the positional embedding was learned on.
        positions: ``none`` leaves the positional embedding out, as GRepQ does; ``interpolated`` stretches it to the
            size of the image.

    Attributes:
        prompts: (2, features), text features of a good and of a bad photo, from CLIP's text tower.
    """

    prompts: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        layers: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        features: int = 1024,
        size: int = 224,
        positions: str = "none",
    ) -> None:
        super().__init__()

        self.sizes = {"layers": list(layers), "width": width, "features": features, "size": size}
        self.positions = positions
        blocks = tuple(
            ByoBlockCfg(type="bottle", d=depth, c=4 * width * 2**stage, s=1 if stage == 0 else 2, br=0.25)
            for stage, depth in enumerate(layers)
        )
        stem = (width // 2, width // 2, width)
        tower = timm.create_model(
            "resnet50_clip", pretrained=False, num_classes=features, img_size=size, blocks=blocks, stem_chs=stem
        )
        self.tower = cast("ByobNet", tower)
        for module in tower.modules():
            if isinstance(module, nn.AvgPool2d):
                module.ceil_mode = False  # as in CLIP; timm's own choice breaks on odd sizes
        self.register_buffer("prompts", torch.zeros(2, features))
        self.register_buffer("mean", torch.tensor(_CLIP_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_CLIP_STD).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Describe images at their own size.

        Args:
            images: (N, 3, H, W) in [0, 1], sides of at least 32 px.

        Returns:
            (N, features), not normalized.
        """
        cells = self.tower.forward_features((images - self.mean) / self.std)
        pool: nn.Module = self.tower.get_submodule("head")
        if self.positions == "interpolated":
            return torch.as_tensor(pool(cells))
        # timm always adds the embedding; one of zeros is none.
        nothing = {"pos_embed": torch.zeros_like(pool.get_parameter("pos_embed"))}
        return torch.as_tensor(torch.func.functional_call(pool, nothing, (cells,)))
