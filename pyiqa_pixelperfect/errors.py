"""The exceptions this package raises on purpose.

Every message answers four questions in a fixed order: which argument is wrong, what was expected, what came, and
what to do about it. Nothing here imports anything, so that any module may raise without a cost or a cycle.
"""

__all__ = [
    "ConfigError",
    "DataError",
    "ImageError",
    "ImageReadError",
    "MissingDependencyError",
    "PixelPerfectError",
    "TrainingDivergedError",
    "WeightsError",
]


class PixelPerfectError(Exception):
    """Base of every deliberate error; catch this to catch them all.

    Args:
        argument: name of the offending argument, option or file, as the user wrote it.
        expected: what would have been accepted.
        got: what came instead.
        fix: one sentence on what to do; left out of the message when empty.
    """

    def __init__(self, argument: str, expected: str, got: str, fix: str = "") -> None:
        self.argument = argument
        self.expected = expected
        self.got = got
        self.fix = fix
        super().__init__(f"{argument}: expected {expected}, got {got}." + (f" {fix}" if fix else ""))

    def __reduce__(self) -> tuple[type["PixelPerfectError"], tuple[str, str, str, str]]:
        # Exceptions cross process borders (data workers, torchrun); the default reduction would pass one argument.
        return type(self), (self.argument, self.expected, self.got, self.fix)


class ImageError(PixelPerfectError, ValueError):
    """A tensor or picture has the wrong type, rank, channels, dtype, range or size, or is not finite."""


class ImageReadError(PixelPerfectError, OSError):
    """A file could not be decoded as one of the accepted picture formats."""

    __str__ = PixelPerfectError.__str__


class ConfigError(PixelPerfectError, ValueError):
    """A configuration value or an option is unknown, out of range or contradictory."""


class DataError(PixelPerfectError, ValueError):
    """A data folder, manifest or rating table is missing, empty or malformed."""


class WeightsError(PixelPerfectError, RuntimeError):
    """A weights file is missing, damaged, or belongs to another network."""


class MissingDependencyError(PixelPerfectError, ImportError):
    """An optional library is needed for what was asked and is not installed."""


class TrainingDivergedError(PixelPerfectError, RuntimeError):
    """Training met losses or gradients that are not finite and stopped before saving them."""
