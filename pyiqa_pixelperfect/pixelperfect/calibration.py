"""Calibration of the maps: where they say 0.6, the truth is 0.6 on average.

In training distorted cells count several times, or "nothing anywhere" would be a good answer. So a distortion that is
there in few of the cells that look like it is shown as if it were there in many. When the network is finished, a curve
takes this back, with the two numbers for which the squared error, every cell counted once, is smallest: of all answers
what is expected has the least squared error (as in Platt scaling and what followed it, Guo et al., "On calibration of
modern neural networks", ICML 2017; ours, the paper has none).

The curve rises, is odd, and is the same for all families: which places and which families are ahead, and the
anti-symmetry of the maps, stay as they are. A curve for each family takes little more of the error away, and it costs
right families. The score reads logits as they were, so it need not be taught again.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Calibration", "Reliability"]

_BINS = 256  # over absolute signed amounts
_LARGEST = 20.0  # of both numbers of the curve
_TINY = 1e-6  # below every logit that matters, so that 0 / 0 is never asked for


class Calibration(nn.Module):
    """A curve over the logits of maps, ``gain * l * |l| / (|l| + faint)``.

    Logits far below ``faint`` nearly vanish, those far above are multiplied by ``gain``. Until it is fitted, the curve
    is the identity.
    """

    gain: Tensor
    faint: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("gain", torch.tensor(1.0))
        self.register_buffer("faint", torch.tensor(0.0))

    @property
    def fitted(self) -> bool:
        """Whether it is anything but the identity."""
        return self.gain.item() != 1.0 or self.faint.item() != 0.0

    def reset(self) -> None:
        """Become the identity again, for maps that go on learning."""
        self.gain.fill_(1.0)
        self.faint.fill_(0.0)

    def forward(self, logits: Tensor) -> Tensor:
        """Calibrate logits of any shape; those of swapped pairs stay each other's negative, to the last bit."""
        size = logits.abs()
        return logits * (self.gain.to(logits) * size / (size + self.faint.to(logits)).clamp_min(_TINY))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        # Weights from before there was a calibration have none.
        for name, number in Calibration().named_buffers():
            state.setdefault(prefix + name, number)
        super()._load_from_state_dict(state, prefix, *rest)


class Reliability:
    """What was true where maps said what, gathered batch by batch."""

    def __init__(self) -> None:
        self.sums: NDArray[np.float64] = np.zeros((3, _BINS))  # cells, sizes of logits, truth along their sign

    def add(self, logits: Tensor, truth: Tensor) -> None:
        """Add maps of pairs.

        Args:
            logits: of any shape, not calibrated.
            truth: same shape, signed amounts in [-1, 1].
        """
        size, along = logits.double().abs().flatten(), (truth.double() * logits.sign()).flatten()
        bins = (torch.tanh(size / 2.0) * _BINS).long().clamp_max(_BINS - 1)
        columns = (torch.bincount(bins, weights, minlength=_BINS) for weights in (None, size, along))
        self.sums += np.stack([column.cpu().numpy() for column in columns])

    def fit(self, calibration: Calibration) -> None:
        """Give it the curve with the least squared error.

        Raises:
            ValueError: nothing was added.
        """
        from scipy.optimize import least_squares  # 40 MB that whoever only reads maps has no use for

        if not self.sums[0].any():
            raise ValueError("a calibration needs maps")
        seen = self.sums[0] > 0
        cells, sizes, truths = self.sums[:, seen]
        known = sizes / cells, truths / cells, np.sqrt(cells)
        found = least_squares(_missed, (1.0, 0.3), bounds=(0.0, _LARGEST), args=known)
        calibration.gain.fill_(found.x[0])
        calibration.faint.fill_(found.x[1])


def _missed(
    curve: NDArray[np.float64], size: NDArray[np.float64], truth: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    gain, faint = curve
    missed: NDArray[np.float64] = weight * (np.tanh(gain * size * size / (size + faint + _TINY) / 2.0) - truth)
    return missed
