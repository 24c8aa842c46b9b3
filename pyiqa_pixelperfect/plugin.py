"""Our metrics as pyiqa wants them: the only module that imports pyiqa.

pyiqa hands a network class the options of its row and expects a module that maps two batches, the image first, to one
number per image. Everything else, reading pictures and choosing a device included, pyiqa does itself.
"""

import os

from torch import Tensor, nn

from pyiqa_pixelperfect.contrique.metric import Contrique, ContriqueFR
from pyiqa_pixelperfect.errors import WeightsError
from pyiqa_pixelperfect.grepq.high_metric import HighLevelMetric
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.networks import kind_of
from pyiqa_pixelperfect.pixelperfect.stored import Precision
from pyiqa_pixelperfect.startup import boot
from pyiqa_pixelperfect.startup.late import register_architectures

__all__ = [
    "ContriqueFRMetric",
    "ContriqueMetric",
    "GRepQLowMetric",
    "GRepQMetric",
    "PixelPerfectMetric",
    "PixelPerfectSwinV2Metric",
    "register",
]


def register() -> None:
    """Make our network classes known to pyiqa, by name only; pyiqa calls this through its entry point.

    A class that is registered under the same name already stays in place. Our metrics join pyiqa's table as well, for
    the environments in which the start-up hook did not run.
    """
    from pyiqa.utils.registry import ARCH_REGISTRY  # here, because the classes below are plain torch

    register_architectures(ARCH_REGISTRY)
    boot.install()


class PixelPerfectMetric(nn.Module):
    """The relational score of Pixel Perfect as a pyiqa network.

    ``pyiqa.create_metric("pixelperfect").net.network`` is the ``PixelPerfect`` inside, with its maps and comparisons.

    Args:
        pretrained: load the bundled weights; False leaves the network untrained.
        pretrained_model_path: a ``.safetensors`` file to load instead of the bundled one.
        precision: of loaded weights, ``"float32"`` or the quicker ``"bfloat16"``; see ``PixelPerfect.load``.
        verdict: ``False`` takes every reference for the original, better than any image: the score then is minus the
            severity, in (-1, 0], and takes a small part of the time.

    Raises:
        ConfigError: another precision.
        WeightsError: the weights are missing, damaged, or belong to another network.
    """

    def __init__(
        self,
        pretrained: bool = True,
        pretrained_model_path: str | os.PathLike[str] | None = None,
        precision: Precision = "float32",
        verdict: bool = True,
    ) -> None:
        super().__init__()
        self.verdict = verdict
        if pretrained or pretrained_model_path is not None:
            self.network = PixelPerfect.load(pretrained_model_path, precision=precision)
        else:
            self.network = PixelPerfect()

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Return how much better each image is than its reference.

        Args:
            image: ``(B, 3, H, W)`` or ``(B, 1, H, W)``, RGB or gray, in ``[0, 1]``. The range is pyiqa's to check: as
                a loss, and only then, it lets values outside pass, since images overshoot while they are optimized.
            reference: the same shape.

        Returns:
            ``(B,)``; above 0 the image is better, 0 means equal, higher is better. Never above 0 without verdict.

        Raises:
            ImageError: the batches do not fit each other or the network.
        """
        # pyiqa loses track of its device when a metric built on a GPU is moved; the weights know where they are.
        device = next(self.network.parameters()).device
        image, reference = image.to(device), reference.to(device)
        score: Tensor = self.network(image, reference) if self.verdict else -self.network.severity(image, reference)
        return score


class PixelPerfectSwinV2Metric(PixelPerfectMetric):
    """Pixel Perfect with the paper's SwinV2 encoder as a pyiqa network; its weights are the user's to train.

    Args:
        pretrained: as pyiqa passes it; there are no bundled weights to load.
        pretrained_model_path: the ``.safetensors`` file that training of ``configs/pixelperfect/swinv2.yaml`` wrote.

    Raises:
        WeightsError: no path was given, or the file is missing, damaged, or of another network.
    """

    def __init__(self, pretrained: bool = True, pretrained_model_path: str | os.PathLike[str] | None = None) -> None:
        if pretrained_model_path is None:
            expected = "pretrained_model_path=FILE, the weights of pixelperfect-swinv2, of which none are bundled"
            fix = "Train them: pixelperfect train configs/pixelperfect/swinv2.yaml data.photos=FOLDER."
            raise WeightsError("pretrained_model_path", expected, "none", fix)
        super().__init__(pretrained, pretrained_model_path)
        if kind_of(self.network.map_network) != "swinv2":
            raise WeightsError("pretrained_model_path", "weights of a SwinV2", "those of the convolutional network")


class ContriqueMetric(nn.Module):
    """The no-reference score of CONTRIQUE as a pyiqa network; ``.network`` is the ``Contrique`` inside.

    Args:
        pretrained: load the bundled weights; False leaves an untrained network of the published size.
        pretrained_model_path: a ``.safetensors`` file to load instead of the bundled one.

    Raises:
        WeightsError: the weights are missing, damaged, of another network, or without a head.
    """

    def __init__(self, pretrained: bool = True, pretrained_model_path: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        if pretrained or pretrained_model_path is not None:
            self.network = Contrique.load(pretrained_model_path)
        else:
            self.network = Contrique()

    def forward(self, image: Tensor) -> Tensor:
        """Return the quality of each image, (B,), higher is better; the range of values is pyiqa's to check.

        Args:
            image: ``(B, 3, H, W)`` or ``(B, 1, H, W)``, RGB or gray, in ``[0, 1]``.

        Raises:
            ImageError: the batch does not fit the network.
        """
        score: Tensor = self.network(image.to(self.network.head.bias.device))
        return score


class ContriqueFRMetric(nn.Module):
    """The full-reference distance of CONTRIQUE as a pyiqa network; ``.network`` is the ``ContriqueFR`` inside.

    Args:
        pretrained: load the bundled weights; False leaves an untrained network of the published size.
        pretrained_model_path: a ``.safetensors`` file to load instead of the bundled one.

    Raises:
        WeightsError: the weights are missing, damaged, or of another network.
    """

    def __init__(self, pretrained: bool = True, pretrained_model_path: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        if pretrained or pretrained_model_path is not None:
            self.network = ContriqueFR.load(pretrained_model_path)
        else:
            self.network = ContriqueFR()

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Return the distance of each image from its reference, (B,), lower is better, 0 for identical ones.

        Args:
            image: ``(B, 3, H, W)`` or ``(B, 1, H, W)``, RGB or gray, in ``[0, 1]``.
            reference: the same shape.

        Raises:
            ImageError: the batches do not fit each other or the network.
        """
        device = next(self.network.parameters()).device
        distance: Tensor = self.network(image.to(device), reference.to(device))
        return distance


class GRepQLowMetric(nn.Module):
    """The low-level score of GRepQ as a pyiqa network; ``.network`` is the ``GRepQ`` inside.

    Args:
        pretrained: load the bundled weights; False leaves an untrained network of the published size.
        pretrained_model_path: a ``.safetensors`` file to load instead of the bundled one.

    Raises:
        WeightsError: the weights are missing, damaged, or of another network.
    """

    def __init__(self, pretrained: bool = True, pretrained_model_path: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        if pretrained or pretrained_model_path is not None:
            self.network = GRepQ.load(pretrained_model_path)
        else:
            self.network = GRepQ()

    def forward(self, image: Tensor) -> Tensor:
        """Return the quality of each image, (B,), higher is better; the range of values is pyiqa's to check.

        Args:
            image: ``(B, 3, H, W)`` or ``(B, 1, H, W)``, RGB or gray, in ``[0, 1]``, sides of at least 96 and 144 px.

        Raises:
            ImageError: the batch does not fit the network.
        """
        score: Tensor = self.network(image.to(self.network.pristine_mean.device))
        return score


class GRepQMetric(GRepQLowMetric):
    """Both parts of GRepQ as a pyiqa network; CLIP's tower is the user's to bring.

    Args:
        pretrained: load the bundled low-level weights; False leaves an untrained network of the published size.
        pretrained_model_path: low-level weights to load instead of the bundled ones.
        high_model_path: the high-level weights, from training or conversion.

    Raises:
        WeightsError: ``high_model_path`` is not given, or weights are missing, damaged, or of another network.
    """

    def __init__(
        self,
        pretrained: bool = True,
        pretrained_model_path: str | os.PathLike[str] | None = None,
        high_model_path: str | os.PathLike[str] | None = None,
    ) -> None:
        if high_model_path is None:
            fix = "Make it with 'pixelperfect convert grepq' (see the README), or use grepq-low, which needs none."
            raise WeightsError("high_model_path", "a file with GRepQ's high-level weights (CLIP)", "none", fix)
        super().__init__(pretrained, pretrained_model_path)
        self.network.high = HighLevelMetric.load(high_model_path)
