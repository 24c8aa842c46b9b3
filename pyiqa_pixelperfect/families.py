"""The distortion families: the channels of every distortion map, in their fixed public order.

A *family* is what a viewer would call one kind of fault. A one-sided family has amounts in ``[0, 1]`` (an image has
some of it or none); a signed family has amounts in ``[-1, 1]``, because even against a clean reference an image can
be too bright or too dark. The order is part of the file format of trained weights: append, never reorder.
"""

from dataclasses import dataclass

__all__ = ["FAMILIES", "FAMILY_TABLE", "SIGNED", "Family", "family_index"]


@dataclass(frozen=True)
class Family:
    """One distortion family.

    Attributes:
        name: channel name, as in ``FAMILIES``.
        signed: whether amounts have a direction (``[-1, 1]``) or not (``[0, 1]``).
        more: words for an image that has more of it than its reference.
        less: words for an image that has less of it than its reference.
    """

    name: str
    signed: bool
    more: str
    less: str


FAMILY_TABLE: tuple[Family, ...] = (
    Family("blur", False, "more blur", "less blur"),
    Family("noise", False, "more noise", "less noise"),
    Family("compression", False, "more compression", "less compression"),
    Family("banding", False, "more banding", "less banding"),
    Family("pixelation", False, "more pixelation", "less pixelation"),
    Family("oversharpening", False, "more oversharpening", "less oversharpening"),
    Family("displacement", False, "more displacement", "less displacement"),
    Family("occlusion", False, "more occlusion", "less occlusion"),
    Family("fringing", False, "more color fringing", "less color fringing"),
    Family("brightness", True, "brighter", "darker"),
    Family("contrast", True, "more contrast", "less contrast"),
    Family("saturation", True, "more saturation", "less saturation"),
    Family("temperature", True, "warmer", "cooler"),
    Family("tint", True, "more magenta", "more green"),
)

FAMILIES: tuple[str, ...] = tuple(family.name for family in FAMILY_TABLE)
SIGNED: frozenset[str] = frozenset(family.name for family in FAMILY_TABLE if family.signed)


def family_index(name: str) -> int:
    """Return the channel of the family ``name``.

    Raises:
        KeyError: ``name`` is not one of ``FAMILIES``.
    """
    try:
        return FAMILIES.index(name)
    except ValueError:
        raise KeyError(f"unknown distortion family {name!r}; the families are {', '.join(FAMILIES)}") from None
